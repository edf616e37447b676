"""What several tests share."""
import ast
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / 'tools'))


def find_chapter(number):
    """The path of chapter '7-2'."""
    return next((ROOT / 'chapters').glob(f'{number}-*.ipynb'))


def definitions(number):
    """The imports, functions and classes of a chapter, as a namespace.

    Only they are executed, so a chapter's code is tested where it lives.
    """
    notebook = nbformat.read(find_chapter(number), as_version=4)
    tree = ast.parse('\n'.join(cell.source for cell in notebook.cells
                               if cell.cell_type == 'code'))
    tree.body = [node for node in tree.body if isinstance(node, (
        ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))]
    namespace = {}
    exec(compile(tree, number, 'exec'), namespace)
    return namespace
