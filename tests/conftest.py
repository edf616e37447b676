"""What several tests share."""
import ast
import os
import re
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from book import build, copy_sources

ROOT = Path(__file__).parent.parent


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
        isinstance(part, (ast.Dict, ast.Tuple, ast.Constant, ast.Load))
        for part in ast.walk(node.value)) and re.fullmatch(
            '[A-Z][A-Z0-9_]+', ast.unparse(node.targets[0]))


@pytest.fixture(scope='session')
def html(tmp_path_factory):
    """The folder of the built site, which all workers of a run share."""
    shared = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        shared = shared.parent
    folder = shared / 'book'
    with FileLock(shared / 'book.lock'):
        if not folder.exists():
            folder.mkdir()
            copy_sources(folder)
            status, log = build(folder)
            (folder / 'status.txt').write_text(str(status))
    assert (folder / 'status.txt').read_text() == '0', (
        folder / 'log.txt').read_text()
    return folder / '_build' / 'html'
