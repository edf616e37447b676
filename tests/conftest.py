"""What several tests share."""
import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / 'tools'), str(ROOT / '_ext')]


def find_chapter(number):
    """The path of chapter '7-2'."""
    return next((ROOT / 'chapters').glob(f'{number}-*.ipynb'))


def definitions(number):
    """Imports, constants, functions and classes of a chapter: a namespace.

    Only they are executed, so a chapter's code is tested where it lives.
    """
    notebook = nbformat.read(find_chapter(number), as_version=4)
    tree = ast.parse('\n'.join(cell.source for cell in notebook.cells[1:]
                               if cell.cell_type == 'code'))
    tree.body = [node for node in tree.body if isinstance(node, (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))
        or _is_constant(node)]
    namespace = {}
    exec(compile(tree, number, 'exec'), namespace)
    return namespace


def _is_constant(node):
    return isinstance(node, ast.Assign) and all(
        isinstance(part, (ast.Tuple, ast.Constant, ast.Load))
        for part in ast.walk(node.value)) and re.fullmatch(
            '[A-Z][A-Z0-9_]+', ast.unparse(node.targets[0]))


SOURCES = ['_config.yml', '_toc.yml', 'index.md', 'glossary.md',
           'references.md', 'references.bib', 'chapters', '_static', '_ext',
           '_templates']


def copy_sources(folder):
    """Copy all that a book is built from."""
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)


def build(folder, builder='html'):
    """Build a copy of the book as `make book` does: exit status and text."""
    with open(folder / 'log.txt', 'w+') as log:
        status = subprocess.run(
            [Path(sys.executable).parent / 'jupyter-book', 'build', '.', '-n',
             '-W', '--keep-going', '-q', '--builder', builder], cwd=folder,
            stdout=log, stderr=log, timeout=300).returncode
        log.seek(0)
        return status, log.read()


@pytest.fixture(scope='session')
def html(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp('book')
    copy_sources(folder)
    status, log = build(folder)
    assert status == 0, log
    return folder / '_build' / 'html'
