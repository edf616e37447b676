"""Numbers with a tolerance: how far outputs are apart, and what follows."""
import math
import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbformat import v4

from conftest import ROOT
from refresh import first_cell, refresh
from tolerance import outputs_differ_by, texts_differ_by


@pytest.mark.parametrize('stored,new,difference', [
    ('accuracy 0.76, 0.75', 'accuracy 0.76, 0.75', 0),
    ('accuracy 0.76, 0.75', 'accuracy 0.74, 0.76', 0.02),
    ('loss .731', 'loss .729', 0.002),
    ('-0.01 and +0.2', '0.01 and -0.1', 0.3),
    ('a slope of -1.5', 'a slope of -1.7', 0.2),
    ('0.71-0.74', '0.72-0.77', 0.03),  # a range
    ('1.25e-02 3e-4', '1.5e-02 3e-4', math.inf),  # another count of decimals
    ('1.25e-02 3e-4', '1.75e-02 5e-4', 0.005),
    ('1,234.5 ms', '1,236.0 ms', 1.5),
    ('71.5%, 8.0 %', '71.6%, 8.0 %', 0.1),
    ('tensor([0.5000, nan, inf])', 'tensor([0.7500, nan, inf])', 0.25),
    ('[-0.0010  0.2]', '[ 0.0010  0.2]', 0.002),  # of one width
    ('it is 0.5.', 'it is 0.6.', 0.1),
    ('in 8.1', 'in 8.2', 0.1)])
def test_how_far_texts_are_apart(stored, new, difference):
    assert texts_differ_by(stored, new) == difference


@pytest.mark.parametrize('stored,new', [
    ('accuracy 0.76', 'loss 0.76'),
    ('0.76 0.75', '0.76'), ('0.76', ''), ('', '0.76'),
    ('0.76', '0.764'), ('0.7', '1'), ('1.0', '1.'), ('0.5', '5e-1'),
    ('0.5 nan', '0.5 0.5'), ('0.5 inf', '0.5 -inf'),
    ('epoch 10: 0.5', 'epoch 11: 0.5'), ('1,234 images', '1,235 images'),
    ('after 10.', 'after 11.'), ('72%', '73%'), ('3', '-3'),
    ('torch.Size([6, 28, 28]) 0.5', 'torch.Size([6, 28, 29]) 0.5'),
    ('Conv2d 0.5', 'Conv3d 0.5'), ('ResNet-18 0.5', 'ResNet-34 0.5'),
    ('v1.50', 'v1.51'), ('1.50x', '1.51x'), ('torch 2.14.1', 'torch 2.14.2'),
    ('0.5\n0.5', '0.5 0.5'), ('a 0.5', 'a  0.5'), ('[0.5]', '(0.5)')])
def test_all_but_numbers_with_decimals_must_be_equal(stored, new):
    assert texts_differ_by(stored, new) == math.inf
    assert texts_differ_by(stored, stored) == 0


def stream(text, name='stdout'):
    return v4.new_output('stream', name=name, text=text)


def result(text, count=1, kind='execute_result', **data):
    more = {'execution_count': count} if kind == 'execute_result' else {}
    return v4.new_output(kind, {'text/plain': text, **data}, **more)


def test_how_far_outputs_are_apart():
    stored = [stream('0.50\n'), result('(0.25, 3)')]
    for new, difference in (
            (stored, 0),
            ([stream('0.51\n'), result('(0.75, 3)', count=7)], 0.5),
            ([stream('0.51\n'), result('(0.25, 4)')], math.inf),
            (stored[:1], math.inf), ([], math.inf), (stored[::-1], math.inf),
            ([stream('0.50\n'), stream('(0.25, 3)')], math.inf),
            ([stream('0.50\n', 'stderr'), stored[1]], math.inf),
            ([stored[0], result('(0.25, 3)', kind='display_data')],
             math.inf)):
        assert outputs_differ_by(stored, new) == difference, new
    assert outputs_differ_by([], []) == 0


def test_of_a_figure_only_the_text_is_compared():
    size = '<Figure size 640x480 with 1 Axes>'
    a, b = (result(size, kind='display_data', **{'image/png': picture})
            for picture in ('iVBORw', 'iVBORx'))
    assert outputs_differ_by([a], [b]) == 0
    assert outputs_differ_by([a], [result(size, kind='display_data')]) == (
        math.inf)
    a, b = (result('0.5', **{'text/markdown': text}) for text in '12')
    assert outputs_differ_by([a], [b]) == math.inf


def a_notebook(*cells):
    """Of cells (source, outputs, tolerance or None), as a chapter has them."""
    return v4.new_notebook(cells=[first_cell(1)] + [
        v4.new_code_cell(source, id=f'cell-{count}', execution_count=count,
                         outputs=outputs, metadata={} if tolerance is None
                         else {'tolerance': tolerance})
        for count, (source, outputs, tolerance) in enumerate(cells, 2)])


CHECKED = {
    'passes': [
        ('print("accuracy 0.76")', [stream('accuracy 0.76\n')], 0.02),
        ('print("accuracy 0.76")', [stream('accuracy 0.74\n')], 0.02),
        ('print("accuracy 0.76"); 0.5, 3',
         [stream('accuracy 0.75\n'), result('(0.6, 3)', 4)], 0.1)],
    'fails': [
        ('print("accuracy 0.76")', [stream('accuracy 0.74\n')], None),
        ('print("accuracy 0.76")', [stream('accuracy 0.73\n')], 0.02),
        ('print("loss 0.76")', [stream('accuracy 0.76\n')], 0.02),
        ('0.5, 3', [result('(0.5, 4)', 5)], 0.02),
        ('0.5', [stream('0.5\n')], 0.02),
        ('print(0.5); 0.5', [result('0.5', 7)], 0.02)]}


@pytest.fixture(scope='module')
def checked(tmp_path_factory):
    """What `make test` says of notebooks that pass and that fail."""
    course = tmp_path_factory.mktemp('course')
    for name in 'conftest.py', 'pyproject.toml':
        shutil.copy(ROOT / name, course)
    (course / 'tools').mkdir()
    shutil.copy(ROOT / 'tools' / 'tolerance.py', course / 'tools')
    (course / 'chapters').mkdir()
    for name, cells in CHECKED.items():
        nbformat.write(a_notebook(*cells),
                       course / 'chapters' / f'9-1-{name}.ipynb')
    return subprocess.run(
        [sys.executable, '-m', 'pytest', '--color=no', '-rN', 'chapters'],
        cwd=course, text=True, capture_output=True,
        env={**os.environ, 'PYTHONPATH': str(course)}).stdout


def test_the_check_passes_within_the_tolerance_and_fails_beyond(checked):
    assert '9-1-passes.ipynb ....' in checked, checked
    assert '9-1-fails.ipynb .FFFFFF' in checked, checked


def test_a_failure_names_the_tolerance_and_the_difference(checked):
    told = 'The cell has a tolerance of 0.02. '
    assert checked.count(f'{told}Its numbers differ by up to 0.03.') == 1
    assert checked.count(f'{told}More than its numbers with decimals') == 4
    assert checked.count(told) == 5
    assert 'run make refresh CHAPTER=9-1 and look' in checked


def refreshed(path, *cells):
    """The notebook of these cells after a refresh, which is also stored."""
    nbformat.write(a_notebook(*cells), path)
    refresh(path)
    return nbformat.read(path, 4)


MEASURED = """\
import base64
from IPython.display import Image, display
print('accuracy', accuracy)
display(Image(base64.b64decode(b'iVBORw0KGgo='), format='png'))
accuracy, 3"""


@pytest.mark.parametrize('tolerance,kept', [
    (0.02, True), (0.01, False), (None, False)])
def test_a_refresh_keeps_what_lies_within_the_tolerance(
        tmp_path, capsys, tolerance, kept):
    path = tmp_path / '9-1-a.ipynb'
    notebook = refreshed(path, ('accuracy = 0.76', [], None),
                         (MEASURED, [], tolerance))
    shown = notebook.cells[2].outputs
    assert [output.output_type for output in shown] == [
        'stream', 'display_data', 'execute_result']
    # As if another machine had made it: other numbers, another picture.
    shown[0].text = 'accuracy 0.74\n'
    shown[1].data['image/png'] = 'AAAA'
    shown[2].data['text/plain'] = '(0.74, 3)'
    nbformat.write(notebook, path)
    before = path.read_bytes()
    capsys.readouterr()
    refresh(path)
    assert (path.read_bytes() == before) == kept
    assert ('Cell 2 keeps its outputs: the new numbers differ by 0.02, its '
            'tolerance is 0.02.' in capsys.readouterr().out) == kept
    after = nbformat.read(path, 4).cells[2].outputs
    assert ('0.76' in after[0].text) == (after[1].data['image/png'] != 'AAAA')
    assert ('0.76' in after[0].text) != kept


def test_kept_outputs_are_numbered_anew_and_may_be_cleared(tmp_path, capsys):
    path = tmp_path / '9-1-a.ipynb'
    notebook = refreshed(path, ('0.76', [], 0.02))
    notebook.cells[1].outputs[0].data['text/plain'] = '0.75'
    notebook.cells.insert(1, v4.new_code_cell('pass', id='new'))
    nbformat.write(notebook, path)
    refresh(path)
    cell = nbformat.read(path, 4).cells[2]
    assert cell.outputs == [result('0.75', 3)] and cell.execution_count == 3
    notebook.cells[2].outputs = []
    nbformat.write(notebook, path)
    refresh(path)
    assert nbformat.read(path, 4).cells[2].outputs == [result('0.76', 3)]
    capsys.readouterr()
    refresh(path)
    assert capsys.readouterr().out == ''
