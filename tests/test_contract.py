"""Every chapter keeps the contract, and every rule of it can be broken."""
import base64
import json

import nbformat
import pytest
from nbformat import v4

from conftest import ROOT
from contract import faults
from helpers.records import describe_run
from refresh import find_chapters, first_cell, refresh

RUN = {'device': 'some CPU', 'precision': 'fp32', 'seconds': 31.4,
       'peak_memory_mb': 900,
       'epochs': [{'epoch': 10, 'train_loss': 0.6941, 'val_loss': 0.7,
                   'val_acc': 0.7409}]}
TEXT = ['# 9.9 A title\n\nAfter this chapter you can\n\n> **Cost.** Seconds.',
        '## A section\n\n### A question?', '## Summary\n\n- One.',
        '## Exercises\n\n1. One.\n\n## Solutions\n\n### Solution 1\n\nIt.',
        '## Further reading\n\n- One.']
ALT = {'mystnb': {'image': {'alt': 'A red square on a white ground, alone.'}}}


def png(size=100):
    return v4.new_output('display_data', {
        'image/png': base64.b64encode(b'x' * size).decode()},
        metadata={'image/png': {'width': 10, 'height': 10}})


def a_chapter():
    """A notebook without a fault: text, a result, a figure, a full run."""
    return v4.new_notebook(cells=[
        first_cell(1), *map(v4.new_markdown_cell, TEXT),
        v4.new_code_cell('1 + 1', execution_count=2, outputs=[
            v4.new_output('execute_result', {'text/plain': '2'},
                          execution_count=2)]),
        v4.new_code_cell('show()', execution_count=3, metadata=ALT,
                         outputs=[png()]),
        v4.new_code_cell('train()', execution_count=4, metadata={
            'tags': ['full-run', 'nbval-ignore-output']}, outputs=[
                v4.new_output('stream', name='stdout', text=(
                    describe_run(RUN, 60000) + '\n'))])])


def check(tmp_path, notebook, name='9-9-a-title'):
    path = tmp_path / f'{name}.ipynb'
    path.write_text(json.dumps(notebook))
    results = tmp_path / 'results'
    results.mkdir(exist_ok=True)
    (results / 'some.json').write_text(json.dumps(
        {'chapter': '9-9-a-title', 'data': {'train': 60000}, 'runs': [RUN]}))
    return faults(path, results)


def test_a_good_chapter_has_no_fault(tmp_path):
    assert check(tmp_path, a_chapter()) == []


def set_source(cell, source):
    return lambda nb: nb.cells[cell].update(source=source)


def set_output(cell, output):
    return lambda nb: nb.cells[cell].update(outputs=[output])


def set_tags(cell, *tags):
    return lambda nb: nb.cells[cell].metadata.update(tags=list(tags))


def set_run(mode='Full', **changes):
    last = {**RUN['epochs'][-1], **changes}
    line = describe_run({**RUN, 'epochs': [last]}, 60000, mode)
    return set_output(8, v4.new_output('stream', name='stdout', text=line))


def set_tolerance(cell, tolerance, text='accuracy 0.76, of 10'):
    """Give a cell a tolerance and, if it is code, a text that it printed."""
    def change(nb):
        nb.cells[cell].metadata.tolerance = tolerance
        if 'outputs' in nb.cells[cell]:
            set_output(cell, v4.new_output('stream', text=text))(nb)
    return change


WRITTEN = '## Write it yourself\n\n### W1: A function\n\nWrite it.'


def written(code=''):
    """Ask a function, solve it, and run this code."""
    def change(nb):
        set_source(2, WRITTEN)(nb)
        nb.cells[4].source += '\n\n### Solution W1\n\nSo.'
        nb.cells[6].source += f'\n{code}'
    return change


def test_a_function_that_is_asked_solved_and_checked_twice_is_no_fault(
        tmp_path):
    notebook = a_chapter()
    written("check('9.9', 1, f)\n" * 2)(notebook)
    assert check(tmp_path, notebook) == []


def set_live(cell, live):
    return lambda nb: nb.cells[cell].metadata.update(live=live)


QUESTION = '> **Predict.** How many?\n>\n> 1. One.\n> 2. Two,\n>    or so.'
ANSWERS = '> **Your prediction.**\n>\n> 1. It is not.\n> 2. Right: so.'


def predict(question=QUESTION, answers=ANSWERS, cell=6, **asked):
    """Ask to predict what a cell shows, and explain the choices."""
    def change(nb):
        nb.cells[cell].metadata.predict = {'right': 2, 'shows': r'^\d$',
                                           **asked}
        if answers:
            nb.cells.insert(cell + 1, v4.new_markdown_cell(answers))
        nb.cells.insert(cell, v4.new_markdown_cell(question))
    return change


def test_a_prediction_that_its_output_proves_is_no_fault(tmp_path):
    notebook = a_chapter()
    predict()(notebook)
    assert check(tmp_path, notebook) == []


def caption(number, cell=8):
    return lambda nb: nb.cells.insert(cell, v4.new_markdown_cell(
        f'**Figure {number}.** A square.'))


def test_a_caption_after_its_figure_and_its_mention_are_no_fault(tmp_path):
    notebook = a_chapter()
    caption('9.9.1')(notebook)
    set_source(2, '## A section\n\nFigure 9.9.1 shows a square.')(notebook)
    assert check(tmp_path, notebook) == []


BROKEN = {
    'no cell for Colab': (lambda nb: nb.cells.pop(0),
                          'cell 0: is not the cell with which every chapter'),
    'its own fetching': (set_source(0, '%pip install d2l'),
                         'cell 0: is not the cell with which'),
    'the cell is shown': (set_tags(0), 'cell 0: is not the cell with which'),
    'not numbered': (lambda nb: nb.cells[6].update(execution_count=None),
                     'cell 6: is numbered None and should be 2'),
    'out of order': (lambda nb: nb.cells[7].update(execution_count=9),
                     'cell 7: is numbered 9 and should be 3'),
    'unknown tag': (set_tags(6, 'nbval-skip'), 'cell 6: has the tag nbval-s'),
    'error allowed': (set_tags(6, 'raises-exception'), 'raises-exception'),
    'ignored': (set_tags(6, 'nbval-ignore-output'), 'but not both'),
    'training is checked': (set_tags(8, 'full-run'), 'but not both'),
    'time is checked': (set_tags(6, 'timing'), 'but not both'),
    'training and time': (set_tags(8, 'full-run', 'timing',
                                   'nbval-ignore-output'), 'but not both'),
    'an error': (set_output(6, v4.new_output(
        'error', ename='KeyError', evalue='x')), 'ends in KeyError'),
    'stderr': (set_output(6, v4.new_output(
        'stream', name='stderr', text='UserWarning: old')), 'to stderr'),
    'path in source': (set_source(6, 'open("/home/someone/a.txt")'),
                       'cell 6: holds a path of one machine'),
    'path in text': (set_source(3, '## Summary\n\nIn C:\\data'),
                     'cell 3: holds a path'),
    'path printed': (set_output(6, v4.new_output(
        'stream', text='saved in /tmp/run-1\n')), 'prints a path'),
    'no alt text': (lambda nb: nb.cells[7].metadata.pop('mystnb'),
                    'cell 7: shows a figure without an alt text'),
    'no size': (lambda nb: nb.cells[7].outputs[0].metadata.clear(),
                'unknown size'),
    'heavy figure': (set_output(7, png(70_000)), 'figure of 70 kB'),
    'picture without alt': (set_source(2, '## A section\n\n![](a.png)'),
                            'picture without alt'),
    'long cell': (set_source(6, '\n'.join('1' * 30)), '30 lines long'),
    'long line': (set_source(6, 'x = "' + 'a' * 80 + '"'), 'over 78'),
    'no title': (set_source(1, TEXT[0][2:]), 'must begin with a title'),
    'other title': (set_source(1, TEXT[0].replace('9.9', '9.8')),
                    'not with "# 9.8 A title"'),
    'no cost': (set_source(1, TEXT[0].replace('Cost', 'Price')),
                'has no "> **Cost.**"'),
    'no summary': (set_source(3, '## The end'), 'has no "## Summary"'),
    'no solution': (set_source(4, TEXT[3].replace('Solution 1', 'One')),
                    'asks the exercises 1 and has the solutions :'),
    'functions without solutions': (set_source(2, WRITTEN),
                                    'asks the functions W1 and has the '
                                    'solutions none: write "### W1: Title"'),
    'functions unchecked': (written(), 'calls check for none: call it for'),
    'checked once': (written("check('9.9', 1, f)"), 'for 9.9 W1: call it for'),
    'another is checked': (written("check('9.8', 1, f)\n" * 2),
                           'calls check for 9.8 W1, 9.8 W1: call it for'),
    'functions misnumbered': (set_source(2, WRITTEN.replace('W1', 'W2')),
                              'asks the functions W2 and has the solutions '),
    'headings jump': (set_source(2, '## A section\n\n#### Deep'),
                      'jumps from a heading of level 2 to one of level 4'),
    'second title': (set_source(2, '# Again'), 'level 1 to one of level 1'),
    'figure misnumbered': (caption('9.9.2'), 'where Figure 9.9.1 follows'),
    'caption elsewhere': (caption('9.9.1', 7), 'away from its figure: begin'),
    'caption not first': (lambda nb: nb.cells.insert(8, v4.new_markdown_cell(
        'A text.\n\n**Figure 9.9.1.** Squares.')), 'away from its figure'),
    'no such figure': (set_source(2, '## A section\n\nSee Figure 9.9.3.'),
                       'mentions Figure 9.9.3, which is not there'),
    'curves stored': (set_output(8, png()), 'stores the curves of a full run'),
    'quick run stored': (set_run('Quick'), 'must hold the output of a full'),
    'nothing stored': (lambda nb: nb.cells[8].update(outputs=[]),
                       'must hold the output of a full run'),
    'figure altered': (set_run(val_acc=0.8409), 'that no record in results/'),
    'no tolerance': (set_tolerance(6, 0), 'has the tolerance 0: give it'),
    'below zero': (set_tolerance(6, -0.01), 'has the tolerance -0.01: give'),
    'not a number': (set_tolerance(6, float('nan')), 'has the tolerance nan'),
    'a word': (set_tolerance(6, '0.02'), "has the tolerance '0.02': give it"),
    'a yes': (set_tolerance(6, True), 'has the tolerance True: give it a'),
    'large': (set_tolerance(6, 0.06), '0.06: give it a number above 0, 0.05'),
    'text tolerates': (set_tolerance(2, 0.02), 'cell 2: has a tolerance and '
                       'prints no number'),
    'figure tolerates': (lambda nb: nb.cells[7].metadata.update(
        tolerance=0.02), 'cell 7: has a tolerance and prints no number'),
    'whole numbers': (set_tolerance(6, 0.02, '10 of 12 in torch 2.14.1'),
                      'cell 6: has a tolerance and prints no number'),
    'training tolerates': (set_tolerance(8, 0.02), 'cell 8: has a tolerance '
                           'and is not checked'),
    'time tolerates': (lambda nb: (
        set_tags(6, 'timing', 'nbval-ignore-output')(nb),
        set_tolerance(6, 0.02)(nb)), 'cell 6: has a tolerance and is not'),
    'all is tolerated': (set_tolerance(6, 0.02, 'apart by 3.1e-08, -0.01'),
                         'has the tolerance 0.02 and prints no number above'),
    'live name': (set_live(7, 'bnch'), "cell 7: names the live figure 'bnch': "
                  'there are '),
    'live module': (set_live(7, {'figure': 'parts'}), "figure 'parts': there"),
    'live nothing': (set_live(7, True), 'cell 7: names the live figure True'),
    'live alone': (set_live(6, 'bench'), 'cell 6: has a live figure and shows '
                   'no picture'),
    'live text': (set_live(2, 'bench'), 'cell 2: has a live figure and shows'),
    'prediction unproved': (predict(shows='3'), 'cell 6: asks to predict, and '
                            'the next cell does not show "3", by which'),
    'result changed': (lambda nb: (predict()(nb), nb.cells[7].update(
        outputs=[v4.new_output('stream', text='29\n')])), 'does not show'),
    'no pattern': (predict(shows=''), 'cell 6: asks to predict, and the next '
                   "cell has the metadata predict {'right': 2"),
    'no such choice': (predict(right=3), "has the metadata predict {'right'"),
    'no choices': (predict('> **Predict.** How many?'), 'does not end with'),
    'one choice': (predict(QUESTION[:-20]), 'does not end with a box'),
    'number alone': (predict(QUESTION.replace('One', '1')), 'reads as a list'),
    'text after choices': (predict(QUESTION + '\n\nSo?'), 'does not end with'),
    'nothing shown': (lambda nb: (predict()(nb), nb.cells[7].update(
        outputs=[])), 'cell 6: asks to predict what no cell shows'),
    'text follows': (lambda nb: (predict()(nb), nb.cells.insert(
        7, v4.new_markdown_cell('A text.'))), 'predict what no cell shows'),
    'nothing proves': (lambda nb: (predict()(nb), nb.cells[7].metadata.pop(
        'predict')), 'has the metadata predict {}: say {"right": 2'),
    'nothing asks': (lambda nb: (predict()(nb), nb.cells.pop(6)),
                     'cell 6: is to be predicted and nothing asks for it'),
    'nothing explained': (predict(answers=''), 'has 2 choices and 0 expl'),
    'one explained': (predict(answers=ANSWERS[:-15]), '2 choices and 1 expla'),
    'explained later': (predict(answers='## Next\n\n' + ANSWERS),
                        'has 2 choices and 0 explanations: before the next'),
    'another is right': (predict(right=1), 'has the right choice 1, and '
                         'explanation 1 begins "It is not."'),
    'two are right': (predict(answers=ANSWERS.replace('It is not', 'Right')),
                      'explanation 1 begins "Right.": the right one'),
    'verdicts': (set_output(6, v4.new_output('stream', text=(
        'below 0.45: True\nequal: True, False'))),
        'prints True or False 3 times, and 2 are the most')}


@pytest.mark.parametrize('fault', BROKEN)
def test_each_fault_is_found_and_said(tmp_path, fault):
    notebook = a_chapter()
    breaks, message = BROKEN[fault]
    breaks(notebook)
    found = check(tmp_path, notebook)
    assert any(message in sentence for sentence in found), found
    assert all(sentence.startswith('9-9-a-title.ipynb') for sentence in found)


@pytest.mark.parametrize('live', ['bench', {'figure': 'bench', 'side': 'x'}])
def test_a_cell_with_a_picture_may_have_a_live_figure(tmp_path, live):
    notebook = a_chapter()
    set_live(7, live)(notebook)
    assert check(tmp_path, notebook) == []


def test_a_cell_that_measures_time_may_be_ignored(tmp_path):
    notebook = a_chapter()
    set_tags(6, 'timing', 'nbval-ignore-output')(notebook)
    assert check(tmp_path, notebook) == []


def test_a_cell_that_prints_decimals_may_have_a_tolerance(tmp_path):
    notebook = a_chapter()
    set_tolerance(6, 0.02)(notebook)
    assert check(tmp_path, notebook) == []


def test_a_chapter_may_print_two_verdicts(tmp_path):
    notebook = a_chapter()
    set_output(6, v4.new_output('execute_result', {'text/plain': (
        "('Conv2d(1, 1, 1, bias=False)', True, False)")},
        execution_count=2))(notebook)
    assert check(tmp_path, notebook) == []


def test_a_wrong_name_and_a_broken_file_are_found(tmp_path):
    assert 'rename it' in check(tmp_path, a_chapter(), 'Chapter 9')[0]
    path = tmp_path / 'x.ipynb'
    path.write_text('{"cells": [')
    assert 'is no valid notebook' in faults(path)[0]


def test_all_faults_are_reported_together(tmp_path):
    notebook = a_chapter()
    for fault in ('no summary', 'stderr', 'long line'):
        BROKEN[fault][0](notebook)
    assert len(check(tmp_path, notebook)) >= 3


@pytest.mark.parametrize('path', sorted((ROOT / 'chapters').glob('*.ipynb')),
                         ids=lambda path: path.stem)
def test_chapter_keeps_the_contract(path):
    assert not (found := faults(path)), '\n'.join(found)


def test_every_chapter_is_in_the_table_of_contents():
    toc = (ROOT / '_toc.yml').read_text()
    for path in (ROOT / 'chapters').glob('*.ipynb'):
        assert f'chapters/{path.stem}' in toc
    assert toc.count('chapters/') == len(
        list((ROOT / 'chapters').glob('*.ipynb')))


def test_refresh_keeps_full_runs_and_writes_nothing_when_a_cell_fails(
        tmp_path, monkeypatch):
    path = tmp_path / '9-9-a-title.ipynb'
    notebook = a_chapter()
    notebook.cells[7].source = 'print("a"); print("b")'
    notebook.cells[8].source = 'print("another output")'
    text = notebook.cells[8].outputs
    notebook.cells[8].outputs = [png(), *text]  # curves, which are not kept
    nbformat.write(notebook, path)
    refresh(path)
    after = nbformat.read(path, as_version=4)
    assert after.cells[7].outputs[0].text == 'a\nb\n'
    assert after.cells[8].outputs == text
    written = path.read_bytes()
    refresh(path)
    assert path.read_bytes() == written
    refresh(path, full=True)
    again = nbformat.read(path, as_version=4)
    assert again.cells[8].outputs[0].text == 'another output\n'
    monkeypatch.setenv('RANK', '1')  # of several processes, not the first
    again.cells[7].source = 'print("c")'
    nbformat.write(again, path)
    refresh(path)
    assert nbformat.read(path, as_version=4).cells[7].outputs[0].text == (
        'a\nb\n')
    again.cells[7].source = '1 / 0'
    nbformat.write(again, path)
    broken = path.read_bytes()
    with pytest.raises(SystemExit, match='cell 7 failed with ZeroDivision'):
        refresh(path)
    assert path.read_bytes() == broken


def test_an_edit_made_while_a_chapter_runs_is_kept(tmp_path):
    path = tmp_path / '9-9-a-title.ipynb'
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(
        'from pathlib import Path\n'
        'path = Path("9-9-a-title.ipynb")\n'
        'n = path.write_text(path.read_text() + " ")')]), path)
    before = path.read_text()
    with pytest.raises(SystemExit, match='was changed while it ran'):
        refresh(path)
    assert path.read_text() == before + ' '
    assert path.with_suffix('.partial').exists()


def test_a_chapter_is_found_by_its_number_and_no_other_with_it():
    resnet = [ROOT / 'chapters' / '8-6-resnet.ipynb']
    for name in '8-6', '8.6', '8-6-resnet', 'chapters/8-6-resnet.ipynb':
        assert find_chapters(name) == resnet
    assert len(find_chapters('8')) == 6
    assert len(find_chapters()) == 14
    for name in '8-60', '8-', 'resnet':
        with pytest.raises(SystemExit, match=f'There is no chapter {name}'):
            find_chapters(name)


def test_what_editors_save_keeps_the_contract_after_a_refresh(
        tmp_path, capsys):
    """JupyterLab's and VS Code's notes in a notebook, and stale outputs."""
    path = tmp_path / '9-9-a-title.ipynb'
    notebook = a_chapter()
    notebook.metadata = {
        'kernelspec': {'display_name': '.venv (3.13.1)', 'language': 'python',
                       'name': 'python3'},
        'language_info': {'name': 'python', 'version': '3.13.1'},
        'widgets': {}, 'vscode': {'interpreter': {'hash': '31f2'}}}
    notebook.cells[6].metadata = {
        'execution': {'iopub.status.busy': '2026-11-24T10:00:00'},
        'scrolled': True, 'trusted': True, 'vscode': {'languageId': 'python'}}
    notebook.cells[6].update(execution_count=17, source='1 + 2')
    notebook.cells[7].metadata.live = 'bench'
    notebook.cells[7].metadata.predict = asked = {'right': 2, 'shows': '3'}
    notebook.cells[7].source = (
        'import base64\nfrom IPython.display import Image\nImage('
        f'base64.b64decode("{notebook.cells[7].outputs[0].data["image/png"]}")'
        ', width=1, height=1)')
    notebook.cells[8].source = 'pass'
    del notebook.cells[0]
    nbformat.write(notebook, path)
    refresh(path)
    after = nbformat.read(path, as_version=4)
    assert [fault for fault in faults(path, tmp_path)
            if 'no record' not in fault and 'over 78' not in fault
            and 'nothing asks' not in fault] == []
    assert after.cells[0] == first_cell(1)
    assert not after.cells[6].metadata and 'vscode' not in after.metadata
    assert after.cells[7].metadata.live == 'bench'
    assert after.cells[7].metadata.predict == asked
    told = capsys.readouterr().out
    assert '-  2\n+  3\n' in told, told
    refresh(path)
    assert capsys.readouterr().out == ''


def test_one_network_of_a_chapter_trains_while_the_others_keep_theirs(
        tmp_path):
    path = tmp_path / '9-9-a-title.ipynb'
    notebook = a_chapter()
    notebook.cells[6].source = 'import os'
    notebook.cells[7].source = 'print(os.environ["COURSE_RUN"])'
    notebook.cells[8].source = 'print("a", os.environ["COURSE_RUN"])'
    notebook.cells.append(v4.new_code_cell(
        "print('b', os.environ['COURSE_RUN'])", execution_count=5,
        metadata=notebook.cells[8].metadata,
        outputs=notebook.cells[8].outputs))
    nbformat.write(notebook, path)
    refresh(path, full=True, run='b')
    after = nbformat.read(path, as_version=4)
    assert after.cells[7].outputs[0].text == 'quick\n'
    assert after.cells[8].outputs == notebook.cells[8].outputs
    assert after.cells[9].outputs[0].text == 'b full\n'
    with pytest.raises(SystemExit, match="no full-run cell that names 'c'"):
        refresh(path, full=True, run='c')
