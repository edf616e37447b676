"""Building a copy of the book: what tests and checks of one chapter use."""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ['_config.yml', '_toc.yml', 'index.md', 'glossary.md',
           'errata.md', 'recall.md', 'references.md', 'references.bib',
           'chapters', '_static', '_ext', '_templates', 'results',
           'helpers/data.py', 'helpers/sample.npz', 'helpers/photograph.png']


def copy_sources(folder, chapters=None):
    """Copy all that a book is built from.

    With `chapters`, how the names of some files begin ('7-2-'), the others
    are no more than their headings, to which these may link: a book that is
    built quickly.
    """
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    for path in (folder / 'chapters').glob('*.ipynb') if chapters else ():
        if not path.name.startswith(tuple(chapters)):
            _keep_headings(path)
    if chapters:  # the landing page then has no figures to show
        page = folder / 'index.md'
        page.write_text(re.sub(r'\n +Figure .*', '', page.read_text()))


def _keep_headings(path):
    notebook = json.loads(path.read_text())
    notebook['cells'] = [cell for cell in notebook['cells']
                         if cell['cell_type'] == 'markdown']
    for cell in notebook['cells']:
        cell['source'] = [f'{line}\n\n' for line in cell['source']
                          if line.startswith('#')]
    path.write_text(json.dumps(notebook))


def build(folder, builder='html'):
    """Build a copy of the book as `make book` does: exit status and text."""
    with open(folder / 'log.txt', 'w+') as log:
        status = subprocess.run(
            [Path(sys.executable).parent / 'jupyter-book', 'build', '.', '-n',
             '-W', '--keep-going', '-q', '--builder', builder], cwd=folder,
            stdout=log, stderr=log).returncode
        log.seek(0)
        return status, log.read()
