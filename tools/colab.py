"""The first cell of every chapter, and chapters as Colab and Kaggle open them.

    python tools/colab.py owner/name COMMIT

tells the chapters, in place, from where Colab shall fetch the helpers, and
lets their links to each other open in Colab. Only the copies on the branch
`colab` are told so, which is made when the book is published; Kaggle opens
the same copies.
"""
import json
import re
import sys
from pathlib import Path

BRANCH = 'colab'
FIRST_CELL = """\
# @title Colab and Kaggle: fetch what this chapter needs.
import importlib.util
import os
import sys

REPOSITORY = COMMIT = ''  # the copies that the book's buttons open know them
hosts = 'google.colab' in sys.modules, 'KAGGLE_KERNEL_RUN_TYPE' in os.environ
if any(hosts) and not importlib.util.find_spec('helpers'):
    if not REPOSITORY:
        raise RuntimeError('This copy does not say where its helpers are: '
                           'open the chapter with a button of the book.')
    source = f'git+https://github.com/{REPOSITORY}@{COMMIT}'
    %pip install -q --no-deps d2l==1.0.3 {source}"""
FOLDED = 'jp-MarkdownHeadingCollapsed'  # how JupyterLab marks a section
METADATA = {'cellView': 'form', 'tags': ['remove-cell']}


def address(repository):
    """Where Colab opens the files of a repository's branch `colab`."""
    return (f'https://colab.research.google.com/github/{repository}/blob/'
            f'{BRANCH}/')


def kaggle_address(repository):
    """Where Kaggle makes a notebook of a file of the same branch."""
    return (f'https://www.kaggle.com/kernels/welcome?src='
            f'https://github.com/{repository}/blob/{BRANCH}/')


def prepare(notebook, repository, commit):
    """Make a chapter, as JSON holds it, one that runs in Colab.

    Raises SystemExit if the repository is no 'owner/name', the commit no
    40 hexadecimal digits, or the first cell not FIRST_CELL.
    """
    if not re.fullmatch(r'[\w.-]+/[\w.-]+', repository):
        sys.exit(f'"{repository}" is no repository: say owner/name.')
    if not re.fullmatch(r'[0-9a-f]{40}', commit):
        sys.exit(f'"{commit}" is no commit: say all its 40 digits.')
    first, *others = notebook['cells']
    if ''.join(first['source']) != FIRST_CELL:
        sys.exit('A chapter does not begin with the cell for Colab: run make '
                 'refresh.')
    first['source'] = re.sub(
        r"REPOSITORY = COMMIT = '' .*",
        f"REPOSITORY = '{repository}'\nCOMMIT = '{commit}'",
        FIRST_CELL).splitlines(keepends=True)
    for cell in others:
        if cell['metadata'].get(FOLDED):
            cell['metadata']['id'] = cell['id']  # Colab's way to fold it
            notebook['metadata']['colab'] = {'collapsed_sections':
                                             [cell['id']]}
        if cell['cell_type'] == 'markdown':
            cell['source'] = [_with_addresses(line, repository, commit)
                              for line in cell['source']]
        for output in cell.get('outputs', ()):
            if 'text/markdown' in output.get('data', {}):
                output['data']['text/markdown'] = [
                    _with_addresses(line, repository, commit)
                    for line in output['data']['text/markdown']]


def _with_addresses(line, repository, commit):
    """A line whose links to other chapters open them in Colab.

    Pages that are no notebooks are read where the repository is.
    """
    line = re.sub(r'\]\(\.\./(\w+\.md)',
                  rf'](https://github.com/{repository}/blob/{commit}/\1', line)
    return re.sub(r'\]\(((\d-\d+-[\w-]+|compare|recipe)\.ipynb)',
                  rf']({address(repository)}chapters/\1', line)


if __name__ == '__main__':
    repository, commit = (sys.argv[1:] + ['', ''])[:2]
    for path in sorted(Path('chapters').glob('*.ipynb')):
        notebook = json.loads(path.read_text())
        prepare(notebook, repository, commit)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False)
                        + '\n')
