"""Execute chapters again and store their outputs.

    python tools/refresh.py            all chapters, in quick mode
    python tools/refresh.py 7-2        one chapter
    python tools/refresh.py --full 7-6 with its full training runs

In quick mode the cells tagged full-run keep the outputs that they have. When
a cell fails, nothing is written.
"""
import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CHAPTERS = Path(__file__).parent.parent / 'chapters'
KEPT_METADATA = {'tags', 'mystnb'}


def find_chapters(name=None):
    """The notebooks whose file name begins with `name` ('7-2'), or all.

    Raises SystemExit, naming the chapters there are, if none does.
    """
    paths = sorted(CHAPTERS.glob(f'{Path(name or "").stem}*.ipynb'))
    if not paths:
        there = ', '.join(path.name[:3] for path in find_chapters())
        sys.exit(f'There is no chapter {name}. CHAPTER is one of {there}.')
    return paths


def refresh(path, full=False):
    """Execute one notebook and write it with its outputs and no noise."""
    notebook = nbformat.read(path, as_version=4)
    kept = {cell.id: cell.outputs for cell in notebook.cells
            if not full and 'full-run' in cell.metadata.get('tags', ())}
    os.environ['COURSE_RUN'] = 'full' if full else 'quick'
    client = NotebookClient(notebook, timeout=None, kernel_name='python3',
                            resources={'metadata': {'path': path.parent}})
    try:
        client.execute()
    except CellExecutionError as error:
        number = next(n for n, cell in enumerate(notebook.cells) if any(
            output.output_type == 'error' for output in
            cell.get('outputs', ())))
        sys.exit(f'{path.name} was left as it was, since cell {number} '
                 f'failed with {error.ename}: {error.evalue}')
    notebook.metadata = {
        'kernelspec': {'display_name': 'Python 3', 'language': 'python',
                       'name': 'python3'},
        'language_info': {'name': 'python'}}
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items()
                         if key in KEPT_METADATA}
        if cell.cell_type == 'code':
            cell.outputs = kept.get(cell.id) or _merged(cell.outputs)
    nbformat.validate(notebook)
    partial = path.with_suffix('.partial')
    nbformat.write(notebook, partial)
    os.replace(partial, path)


def _merged(outputs):
    """Outputs in which pieces of text that follow each other are one."""
    merged = []
    for output in outputs:
        if (merged and output.output_type == 'stream'
                and merged[-1].get('name') == output.name):
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--full', action='store_true')
    parser.add_argument('chapter', nargs='?')
    arguments = parser.parse_args()
    if arguments.full and not arguments.chapter:
        sys.exit('Name the chapter to train in full: make full CHAPTER=7-6')
    for path in find_chapters(arguments.chapter):
        start = time.perf_counter()
        refresh(path, arguments.full)
        print(f'{path.stem}: {time.perf_counter() - start:.0f} s', flush=True)
