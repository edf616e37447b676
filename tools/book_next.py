"""Build the book without Jupyter Book, on the newest releases of the rest.

    python tools/book_next.py       needs .venv-next (tools/setup.sh next)

Jupyter Book 1 ends some day. What it adds to Sphinx is a configuration, which
it writes out here; Sphinx then builds the same sources, as strictly.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from book import ROOT, copy_sources

if __name__ == '__main__':
    newest = ROOT / '.venv-next' / 'bin'
    with tempfile.TemporaryDirectory() as folder:
        copy_sources(Path(folder))
        subprocess.run([Path(sys.executable).parent / 'jupyter-book', 'config',
                        'sphinx', '.'], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        settings = Path(folder) / 'conf.py'
        settings.write_text(re.sub("'jupyter_book', ?", '',
                                   settings.read_text()))
        status = subprocess.run([newest / 'sphinx-build', '-n', '-W',
                                 '--keep-going', '-q', '.',
                                 ROOT / '_build' / 'next'], cwd=folder,
                                env={**os.environ, 'PYTHONPATH': '_ext'})
    versions = subprocess.run(
        [newest / 'python', '-c', 'from importlib.metadata import version\n'
         'print(", ".join(f"{name} {version(name)}" for name in '
         '("sphinx", "docutils", "myst-parser", "myst-nb")))'], text=True,
        stdout=subprocess.PIPE, check=True).stdout.strip()
    if status.returncode:
        sys.exit(f'The book is not built without a warning by {versions}.')
    print(f'The book is built by {versions}: _build/next/index.html')
