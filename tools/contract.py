"""What every chapter must be: the rules, each with what to do about it.

    python tools/contract.py        all faults of all chapters
"""
import base64
import json
import re
import sys
from pathlib import Path

import nbformat

from colab import FIRST_CELL, METADATA
from helpers.records import describe_run
from tolerance import numbers, text_of

ROOT = Path(__file__).parent.parent
TAGS = {'full-run', 'timing', 'nbval-ignore-output', 'hide-output',
        'hide-input'}
MAX_LINES, MAX_COLUMNS, MAX_FIGURE = 20, 78, 60_000
# Threads and kinds of processor changed accuracies of short trainings by up to
# .015, and by .03 a loss on its way down: what needs more is no result yet.
MAX_TOLERANCE = 0.05
# A measured number teaches more than True or False.
MAX_VERDICTS = 2
# What a cell may name as its live figure: other modules beside are shared.
LIVE = sorted(path.stem for path in (ROOT / '_static' / 'live').glob('*.mjs')
              if 'export default' in path.read_text())
PRIVATE_PATH = re.compile(r'(?<![\w.])/(home|root|Users|tmp|work|mnt)/\w|'
                          r'\b[A-Z]:\\\w')
REQUIRED = ['After this chapter you can', '> **Cost.**', '## Summary',
            '## Exercises', '## Solutions', '## Further reading']
# Pages between and after the chapters, which need no such parts.
PAGES = {'compare', 'recipe'}


def faults(path, results=ROOT / 'results'):
    """All faults of one notebook, each a sentence; none is a good one."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        reason = str(error).split('\n')[0]
        return [f'{path.name} is no valid notebook ({reason}): restore it '
                f'from git, or save it again from Jupyter.']
    found = [f'{path.name}: {fault}' for fault in _of_text(path, notebook)]
    found += [f'{path.name}: {fault}'
              for fault in _of_verdicts(notebook)]
    found += [f'{path.name}, cell {number}: {fault}'
              for number, fault in _of_predictions(notebook.cells)]
    lines = _recorded_lines(path.stem, results)
    count = 0
    for number, cell in enumerate(notebook.cells):
        some = list(_of_source(cell) if number else _of_first(cell))
        some += _of_tolerance(cell)
        some += _of_live(cell)
        if cell.cell_type == 'code':
            count += 1
            some += _of_code(cell, count)
            some += _of_outputs(cell)
            if 'full-run' in cell.metadata.get('tags', ()):
                some += _of_full_run(cell, lines)
        found += [f'{path.name}, cell {number}: {fault}' for fault in some]
    return found


def _of_first(cell):
    if cell.source != FIRST_CELL or cell.metadata != METADATA:
        yield ('is not the cell with which every chapter begins, for Colab: '
               'run make refresh.')


def numbers_of_exercises(text):
    """The numbers of the exercises that a chapter asks, as it writes them."""
    exercises = text.partition('## Exercises')[2].partition('\n## ')[0]
    return re.findall(r'^(\d+)\. ', exercises, re.M)


def _of_written(notebook, text):
    """Functions to write are asked, stubbed, solved, and checked twice."""
    title = re.match(r'# (\d+\.\d+) ', text)
    part = text.partition('## Write it yourself')[2].partition('\n## ')[0]
    asked = re.findall(r'^### (W\d+): ', part, re.M)
    solved = re.findall(r'^### Solution (W\d+)$', text, re.M)
    if asked != [f'W{i + 1}' for i in range(len(asked))] or asked != solved:
        yield (f'asks the functions {_these(asked)} and has the solutions '
               f'{_these(solved)}: write "### W1: Title" and so on, and '
               f'"### Solution W1" for each.')
    code = '\n'.join(cell.source for cell in notebook.cells
                     if cell.cell_type == 'code')
    calls = [f'{chapter} W{number}' for chapter, number in re.findall(
        r"^check\('([\d.]+)', (\d+), ", code, re.M)]
    here = [f'{title[1] if title else ""} {number}' for number in asked]
    if sorted(calls) != sorted(2 * here):
        yield (f'calls check for {_these(calls)}: call it '
               f'for each function of the chapter after its stub and after '
               f'its solution.')


def _these(words):
    return ', '.join(words) or 'none'


def _of_text(path, notebook):
    text = '\n'.join(cell.source for cell in notebook.cells
                     if cell.cell_type == 'markdown')
    if path.stem not in PAGES:
        yield from _of_chapter(path, text)
        yield from _of_written(notebook, text)
    yield from _of_headings(text)
    yield from _of_captions(notebook, text,
                            re.match(r'(\d)-(\d+)', path.stem))


CAPTION = re.compile(r'\*\*Figure ([\d.]+)\.\*\*')


def _of_captions(notebook, text, chapter):
    """Figures are numbered in order, and those that are mentioned exist."""
    here = f'{chapter[1]}.{chapter[2]}.' if chapter else ''
    numbers = []
    for before, cell in zip(notebook.cells, notebook.cells[1:]):
        for match in CAPTION.finditer(cell.source):
            numbers.append(match[1])
            expected = f'{here}{len(numbers)}'
            if match[1] != expected:
                yield (f'has a Figure {match[1]} where Figure {expected} '
                       f'follows: number figures in their order.')
            if match.start() or 'image/png' not in str(
                    before.get('outputs')):
                yield (f'has the caption of Figure {match[1]} away from its '
                       f'figure: begin the next cell with it.')
    for number in re.findall(r'Figure\s+([\d.]+\d)', text):
        if here and number.startswith(here) and number not in numbers:
            yield f'mentions Figure {number}, which is not there: number it.'


def _of_chapter(path, text):
    number = re.match(r'(\d)-(\d+)-[a-z0-9-]+$', path.stem)
    first = text.split('\n')[0]
    if not number:
        yield 'is not named like 7-2-convolutions-for-images: rename it.'
    elif not first.startswith(f'# {number[1]}.{number[2]} '):
        yield (f'must begin with a title such as "# {number[1]}.{number[2]} '
               f'Title", not with "{first}".')
    for part in REQUIRED:
        if part not in text:
            yield f'has no "{part}": every chapter has one, write it.'
    asked = numbers_of_exercises(text)
    solved = re.findall(r'^### Solution (\d+)$', text, re.M)
    if asked != solved:
        yield (f'asks the exercises {", ".join(asked)} and has the solutions '
               f'{", ".join(solved)}: write "### Solution 1" and so on, one '
               f'for each.')


def _of_headings(text):
    level = 0
    for heading in re.findall(r'^(#+) .+', text, re.M):
        if len(heading) > level + 1 or (len(heading) == 1 and level):
            yield (f'jumps from a heading of level {level} to one of level '
                   f'{len(heading)}: headings nest, # once, then ##, ###.')
        level = len(heading)


def count_verdicts(notebook):
    """How often a chapter prints True or False; bias=False is no verdict."""
    return sum(len(re.findall(r'(?<!=)\b(?:True|False)\b', text_of(output)))
               for cell in notebook.cells
               for output in cell.get('outputs', ()))


def _of_verdicts(notebook):
    count = count_verdicts(notebook)
    if count > MAX_VERDICTS:
        yield (f'prints True or False {count} times, and {MAX_VERDICTS} are '
               f'the most: print the numbers that are compared, and assert '
               f'what must hold.')


def _of_tolerance(cell):
    if 'tolerance' not in cell.metadata:
        return
    tolerance = cell.metadata.tolerance
    shown = [abs(number) for output in cell.get('outputs', ())
             for number in numbers(text_of(output))]
    if (isinstance(tolerance, bool) or not isinstance(tolerance, (int, float))
            or not 0 < tolerance <= MAX_TOLERANCE):
        yield (f'has the tolerance {tolerance!r}: give it a number above 0, '
               f'{MAX_TOLERANCE} is the most.')
    elif 'nbval-ignore-output' in cell.metadata.get('tags', ()):
        yield 'has a tolerance and is not checked: take one of them out.'
    elif not shown:
        yield ('has a tolerance and prints no number with decimals: print '
               'what is measured, or take the tolerance out.')
    elif max(shown) <= tolerance:
        yield (f'has the tolerance {tolerance} and prints no number above '
               f'it: nothing would be checked, choose a smaller one.')


def _of_live(cell):
    if 'live' not in cell.metadata:
        return
    name = cell.metadata.live
    if isinstance(name, dict):
        name = name.get('figure')
    if name not in LIVE:
        yield (f'names the live figure {name!r}: there are '
               f'{", ".join(LIVE)}.')
    if 'image/png' not in str(cell.get('outputs')):
        yield ('has a live figure and shows no picture, which it needs in '
               'print, in Colab and without scripts.')


def _of_predictions(cells):
    """What is to be predicted is shown, and each choice is explained."""
    for number, cell in enumerate(cells):
        if 'predict' in cell.metadata and not (
                number and '> **Predict.**' in cells[number - 1].source):
            yield number, ('is to be predicted and nothing asks for it: the '
                           'cell before ends with a box "> **Predict.**".')
        if (cell.cell_type == 'markdown'
                and '> **Predict.**' in cell.source):
            for fault in _of_prediction(cell, cells[number + 1:]):
                yield number, fault


def _of_prediction(cell, after):
    choices = _items_of_box(cell.source, 'Predict')
    if any(re.match(r'\d+\.$', choice) for choice in choices):
        yield ('asks to predict and has a choice such as "3. 15.", which '
               'Markdown reads as a list in a list: write "3. 15 pixels."')
    if len(choices) < 2 or not cell.source.split('\n')[-1].startswith('>'):
        yield ('asks to predict and does not end with a box of numbered '
               'choices: write "> 1. One." and so on.')
    if not (after and after[0].cell_type == 'code' and after[0].outputs):
        yield ('asks to predict what no cell shows: a code cell with an '
               'output follows.')
        return
    asked = after[0].metadata.get('predict')
    asked = asked if isinstance(asked, dict) else {}
    right, shows = asked.get('right'), asked.get('shows')
    if (type(right) is not int or not 0 < right <= len(choices)
            or not isinstance(shows, str) or not shows):
        yield (f'asks to predict, and the next cell has the metadata '
               f'predict {asked}: say {{"right": 2, "shows": "..."}}, the '
               f'number of the right choice and what in the output, as a '
               f'regular expression, proves it.')
        return
    shown = '\n'.join(map(text_of, after[0].outputs))
    if not re.search(shows, shown):
        yield (f'asks to predict, and the next cell does not show '
               f'"{shows}", by which choice {right} is right: choose and '
               f'explain again.')
    explained = []
    for other in after[1:]:  # up to the next heading or question
        if other.cell_type == 'markdown' and not explained:
            before = re.split(r'^#|> \*\*Predict\.\*\*', other.source,
                              flags=re.M)
            explained = _items_of_box(before[0], 'Your prediction')
            if len(before) > 1:
                break
    if len(explained) != len(choices):
        yield (f'has {len(choices)} choices and {len(explained)} '
               f'explanations: before the next heading or question a box "> '
               f'**Your prediction.**" explains each, in the same order.')
    for i, words in enumerate(explained, 1):
        if words.startswith('Right') != (i == right):
            yield (f'has the right choice {right}, and explanation {i} '
                   f'begins "{words[:20]}": the right one, and no other, '
                   f'begins with "Right".')


def _items_of_box(text, name):
    """The numbered items of the box that begins with this name."""
    box = re.search(rf'^> \*\*{name}\.\*\*.*(?:\n>.*)*', text, re.M)
    return re.findall(r'^> \d+\. (.*)', box[0], re.M) if box else []


def _of_source(cell):
    lines = cell.source.split('\n')
    if PRIVATE_PATH.search(cell.source):
        yield 'holds a path of one machine: make it relative.'
    unknown = set(cell.metadata.get('tags', ())) - TAGS
    if unknown:
        yield (f'has the tag {", ".join(sorted(unknown))}: use only '
               f'{", ".join(sorted(TAGS))}, all else is checked strictly.')
    if cell.cell_type == 'markdown' and re.search(r'!\[\s*\]\(', cell.source):
        yield 'has a picture without alt text: say in ![...] what it shows.'
    if cell.cell_type == 'code' and len(lines) > MAX_LINES:
        yield (f'is {len(lines)} lines long: split it, {MAX_LINES} are the '
               f'most.')
    if cell.cell_type == 'code' and max(map(len, lines)) > MAX_COLUMNS:
        yield f'has a line of over {MAX_COLUMNS} characters: break it.'


def _of_code(cell, count):
    if cell.execution_count != count:
        yield (f'is numbered {cell.execution_count} and should be {count}: '
               f'run make refresh.')
    tags = set(cell.metadata.get('tags', ()))
    if len(tags & {'full-run', 'timing'}) != len(
            tags & {'nbval-ignore-output'}):
        yield ('trains or measures time or is ignored, but not both: give it '
               'the tag nbval-ignore-output and either full-run or timing, '
               'or none of them.')


def _of_outputs(cell):
    alt = cell.metadata.get('mystnb', {}).get('image', {}).get('alt', '')
    for output in cell.outputs:
        if output.output_type == 'error':
            yield (f'ends in {output.ename}: mend it, then run make '
                   f'refresh.')
        elif output.get('name') == 'stderr':
            yield (f'writes to stderr ("{output.text.strip()[:60]}"): remove '
                   f'the cause of the warning.')
        elif PRIVATE_PATH.search(json.dumps(
                output.get('data', {}).get('text/plain', '')
                or output.get('text', ''))):
            yield 'prints a path of one machine: print only its last part.'
        if 'image/png' in output.get('data', {}):
            if len(alt) < 20:
                yield ('shows a figure without an alt text: say in its '
                       'metadata, mystnb.image.alt, what can be seen.')
            if not output.metadata.get('image/png', {}).get('width'):
                yield ('shows a figure of unknown size: draw it with '
                       'helpers.figures.')
            size = len(base64.b64decode(output.data['image/png']))
            if size > MAX_FIGURE:
                yield (f'shows a figure of {size // 1000} kB: draw less in '
                       f'it, {MAX_FIGURE // 1000} kB are the most.')


def _of_full_run(cell, recorded):
    if 'image/png' in str(cell.outputs[:1]):
        yield ('stores the curves of a full run: run make refresh, and draw '
               'them from the record in a cell of its own.')
    text = ''.join(output.get('text', '') for output in cell.outputs)
    shown = [line for line in text.split('\n') if ' run: ' in line]
    if not shown or not all(line.startswith('Full') for line in shown):
        yield ('must hold the output of a full run: run make full '
               'CHAPTER=..., or take the cell from git.')
    for line in shown:
        if line.startswith('Full') and line not in recorded:
            yield (f'shows a run that no record in results/ holds '
                   f'("{line}"): run make full CHAPTER=...')


def _recorded_lines(chapter, results):
    records = [json.loads(path.read_text())
               for path in sorted(results.glob('*.json'))]
    return {describe_run(run, record['data']['train'])
            for record in records if record.get('chapter') == chapter
            for run in record['runs']}


if __name__ == '__main__':
    all_faults = [fault for path in sorted((ROOT / 'chapters').glob('*.ipynb'))
                  for fault in faults(path)]
    sys.exit('\n'.join(all_faults) or 0)
