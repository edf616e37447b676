"""Execute chapters again and store their outputs.

    python tools/refresh.py            all chapters, in quick mode
    python tools/refresh.py 7-2        one chapter
    python tools/refresh.py --full 7-6 with its full training runs
    python tools/refresh.py --full 8-6 resnext  with that network's alone

In quick mode the cells tagged full-run keep the full run that they tell of.
Its curves are not stored: a checked cell draws them from the record. A cell
with a tolerance keeps outputs that differ by no more, figures too. What
changed is printed. When a cell fails, the chapter stays as it was; full runs
that ended before are recorded all the same. Under torchrun every process
executes the chapter, its trainers train together, and the first process
writes.
"""
import argparse
import copy
import os
import re
import sys
import time
from pathlib import Path

import nbdime
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdime.prettyprint import PrettyPrintConfig, pretty_print_diff

from colab import FIRST_CELL, FOLDED, METADATA
from tolerance import outputs_differ_by

CHAPTERS = Path(__file__).parent.parent / 'chapters'
KEPT_METADATA = {'tags', 'tolerance', 'live', 'predict', 'mystnb', 'cellView',
                 FOLDED}


def find_chapters(name=None):
    """The chapter `name` ('7-2', 7.2, its file), those of part '7', or all.

    Raises SystemExit, naming the chapters there are, if there is none.
    """
    paths = sorted(CHAPTERS.glob('*.ipynb'))
    if name:
        stem = Path(name).name.removesuffix('.ipynb').replace('.', '-')
        paths = [path for path in paths
                 if f'{path.stem}-'.startswith(f'{stem}-')]
    if not paths:
        there = ', '.join(re.match(r'\d-\d+|\w+', path.stem)[0]
                          for path in find_chapters())
        sys.exit(f'There is no chapter {name}. CHAPTER is one of {there}.')
    return paths


def first_cell(execution_count=None):
    """The cell with which every chapter begins, for Colab."""
    return nbformat.v4.new_code_cell(
        FIRST_CELL, metadata=METADATA, id='colab',
        execution_count=execution_count)


def refresh(path, full=False, run=''):
    """Execute one notebook and write it with its outputs and no noise.

    With `full`, the full-run cells that name the network `run` (by default
    all) train in full; the others keep their outputs.
    """
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=4)
    before = copy.deepcopy(notebook)
    notebook.cells = [first_cell()] + [
        cell for cell in notebook.cells
        if 'remove-cell' not in cell.metadata.get('tags', ())]
    trains = {cell.id for cell in notebook.cells
              if full and 'full-run' in cell.metadata.get('tags', ())
              and (not run or f"'{run}'" in cell.source)}
    if full and not trains:
        sys.exit(f'{path.name} has no full-run cell'
                 + (f" that names '{run}'." if run else '.'))
    kept = {cell.id: cell.outputs for cell in notebook.cells
            if 'full-run' in cell.metadata.get('tags', ())
            and cell.id not in trains
            and 'Full run: ' in str(cell.outputs)}
    stored = {cell.id: cell.outputs for cell in before.cells
              if 'outputs' in cell}
    client = NotebookClient(notebook, timeout=None, kernel_name='python3',
                            resources={'metadata': {'path': path.parent}})
    number = None
    try:
        with client.setup_kernel():
            for number, cell in enumerate(notebook.cells):
                mode = 'full' if cell.id in trains else 'quick'
                client.kc.execute(f"__import__('os').environ['COURSE_RUN'] = "
                                  f"'{mode}'", silent=True)
                client.execute_cell(cell, number)
    except CellExecutionError as error:
        sys.exit(f'{path.name} was left as it was, since cell {number} '
                 f'failed with {error.ename}: {error.evalue}')
    notebook.metadata = {
        'kernelspec': {'display_name': 'Python 3', 'language': 'python',
                       'name': 'python3'},
        'language_info': {'name': 'python'}}
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {key: value for key, value in cell.metadata.items()
                         if key in KEPT_METADATA}
        if cell.cell_type == 'code':
            cell.outputs = kept.get(cell.id) or _merged(cell.outputs)
        if 'full-run' in cell.metadata.get('tags', ()):
            # The curves come first; what else it shows is drawn after it.
            while 'image/png' in str(cell.outputs[:1]):
                del cell.outputs[0]
        if 'tolerance' in cell.metadata:
            _keep_tolerated(cell, number, stored.get(cell.id, []))
    nbformat.validate(notebook)
    if os.environ.get('RANK', '0') != '0':
        return
    partial = path.with_suffix('.partial')
    nbformat.write(notebook, partial)
    if path.read_text() != text:
        sys.exit(f'{path.name} was changed while it ran: your change is '
                 f'kept, and what it printed is in {partial.name}.')
    os.replace(partial, path)
    show_changes(before, notebook)


def show_changes(before, after):
    """Print which outputs of a notebook are others than before."""
    config = PrettyPrintConfig(
        include=argparse.Namespace(metadata=False, id=False, details=False),
        out=sys.stdout, use_git=False, use_diff=False,
        use_color=sys.stdout.isatty())
    pretty_print_diff(before, nbdime.diff_notebooks(before, after), '',
                      config)


def _keep_tolerated(cell, number, stored):
    """Give a cell its stored outputs again if its tolerance allows it.

    What is kept in place of something else is said, for it may be a figure
    that somebody changed.
    """
    apart = outputs_differ_by(stored, cell.outputs)
    stored = [{**output, 'execution_count': cell.execution_count}
              if 'execution_count' in output else output for output in stored]
    if apart <= cell.metadata['tolerance'] and cell.outputs != stored:
        print(f'Cell {number} keeps its outputs: the new numbers differ by '
              f'{apart:g}, its tolerance is {cell.metadata["tolerance"]}. '
              f'Clear them and run this again to store the new ones.')
        cell.outputs = list(map(nbformat.from_dict, stored))


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
    parser.add_argument('run', nargs='?', default='')
    arguments = parser.parse_args()
    if arguments.full and not arguments.chapter:
        sys.exit('Name the chapter to train in full: make full CHAPTER=7-6')
    for path in find_chapters(arguments.chapter):
        start = time.perf_counter()
        refresh(path, arguments.full, arguments.run)
        print(f'{path.stem}: {time.perf_counter() - start:.0f} s', flush=True)
