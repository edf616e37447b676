"""What is let through to the course after a training on another machine."""
import copy
import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from check_run import artifact_faults, record_faults
from conftest import ROOT

COMMIT = 'a' * 40
NOTEBOOK, RECORD = 'chapters/7-6-lenet.ipynb', 'results/lenet.json'


@pytest.fixture
def artifact(tmp_path):
    """A good one: LeNet's last run, as if it had just been made."""
    folder, course = tmp_path / 'artifact', tmp_path / 'course'
    for root in folder, course:
        (root / 'chapters').mkdir(parents=True)
        (root / 'results').mkdir()
        shutil.copy(ROOT / NOTEBOOK, root / NOTEBOOK)
    record = json.loads((ROOT / RECORD).read_text())
    before = {**record, 'runs': record['runs'][:-1]}
    (course / RECORD).write_text(json.dumps(before))
    record['runs'][-1]['commit'] = COMMIT
    (folder / RECORD).write_text(json.dumps(record))
    return folder


def faults(artifact):
    return ' '.join(artifact_faults(artifact, COMMIT,
                                    artifact.parent / 'course'))


def edit_record(artifact, change):
    record = json.loads((artifact / RECORD).read_text())
    change(record)
    (artifact / RECORD).write_text(json.dumps(record))


def edit_notebook(artifact, change):
    notebook = nbformat.read(artifact / NOTEBOOK, as_version=4)
    change(notebook)
    nbformat.write(notebook, artifact / NOTEBOOK)


def test_a_good_one_passes(artifact):
    assert faults(artifact) == ''


def test_the_first_run_of_a_network_passes(artifact):
    (artifact.parent / 'course' / RECORD).unlink()
    edit_record(artifact, lambda record: [
        run.update(commit=COMMIT) for run in record['runs']])
    assert faults(artifact) == ''


@pytest.mark.parametrize('name', [
    'helpers/training.py', '.github/workflows/ci.yml', 'results/x.json',
    'results/lenet.sh', 'chapters/9-9-new.ipynb', 'chapters/a/b.ipynb',
    'conftest.py', 'results/bench.json'])
def test_another_file_is_refused(artifact, name):
    (artifact / name).parent.mkdir(parents=True, exist_ok=True)
    (artifact / name).write_text('{}')
    assert faults(artifact) == (f'{name} is not a file that a training '
                                f'changes.')


def test_a_link_is_refused(artifact):
    (artifact / RECORD).unlink()
    (artifact / RECORD).symlink_to('/etc/hostname')
    assert 'results/lenet.json is neither a file nor a fol' in faults(artifact)


def test_a_file_of_another_size_is_refused(artifact):
    (artifact / RECORD).write_text(' ' * 5_000_001)
    assert 'has 5,000,001 bytes' in faults(artifact)


def test_nothing_is_refused(tmp_path):
    assert artifact_faults(tmp_path) == ['There is no file to check.']


@pytest.mark.parametrize('change', [
    lambda nb: nb.cells[2].update(source=nb.cells[2].source + '\nimport os'),
    lambda nb: nb.cells[1].update(source=nb.cells[1].source + '<script>'),
    lambda nb: nb.cells.pop(), lambda nb: nb.cells[4].metadata.update(tags=[]),
    lambda nb: nb.metadata.update(widgets={})])
def test_another_source_is_refused(artifact, change):
    edit_notebook(artifact, change)
    assert 'differs from the course in more than its outputs' in faults(
        artifact)


def test_an_output_that_is_a_program_is_refused(artifact):
    edit_notebook(artifact, lambda nb: nb.cells[2].outputs.append(
        nbformat.v4.new_output('display_data', {
            'text/html': '<script>alert(1)</script>'})))
    assert 'shows text/html, but only text and PNG' in faults(artifact)


def test_an_output_without_a_record_is_refused(artifact):
    (artifact / RECORD).unlink()
    assert 'shows a run that no record in results/ holds' in faults(artifact)


@pytest.mark.parametrize('change,says', [
    (lambda record: record['runs'][0].update(seconds=1.0),
     'changes what was recorded'),
    (lambda record: record['runs'].pop(0), 'changes what was recorded'),
    (lambda record: record['hyperparameters'].update(lr=0.5),
     'changes what was recorded'),
    (lambda record: record['runs'].pop(), 'holds no new run'),
    (lambda record: record['runs'][-1].update(commit='b' * 40),
     'not of aaaa'),
    (lambda record: record['runs'][-1].update(commit=COMMIT + '-changed'),
     'another form at runs/'),
    (lambda record: record['runs'][-1].update(note='fine'),
     'another form at runs/'),
    (lambda record: record['runs'][-1]['epochs'][-1].update(val_acc=0.9),
     'lenet ends at 0.768 in the mean over its seeds, outside its band'),
    (lambda record: record['runs'][-1]['epochs'][-1].update(val_acc=0.1),
     'in the mean over its seeds, outside its band'),
    (lambda record: record['runs'][-1]['epochs'].pop(3),
     'does not have the epochs 1 to 10'),
    (lambda record: record.update(name='vgg'), 'calls itself vgg')])
def test_a_record_that_says_too_much_or_too_little(artifact, change, says):
    edit_record(artifact, change)
    assert says in faults(artifact)


def test_the_newest_run_of_each_seed_counts():
    record = json.loads((ROOT / RECORD).read_text())
    for run in record['runs']:
        run['epochs'][-1]['val_acc'] = 0.9
    for seed, accuracy in (0, 0.7), (1, 0.74), (2, 0.78), (3, 0.7), (4, 0.74):
        run = copy.deepcopy(record['runs'][0])
        run['epochs'][-1]['val_acc'] = accuracy
        record['runs'].append({**run, 'seed': seed})
    assert record_faults('lenet', record) == []  # their mean is 0.732
    record['runs'][-1]['epochs'][-1]['val_acc'] = 0.57
    assert record_faults('lenet', record) == [
        'lenet ends at 0.698 in the mean over its seeds, outside its band '
        'from 0.707 to 0.759.']


def test_a_record_that_cannot_be_read_is_refused(artifact):
    (artifact / RECORD).write_text('[1, 2')
    assert 'lenet.json cannot be read' in faults(artifact)


def test_weights_that_no_run_names_are_refused(artifact):
    (artifact / 'results' / 'lenet.pt').write_bytes(b'other')
    assert 'not the file that the newest run names' in faults(artifact)
    shutil.copy(ROOT / 'results' / 'lenet.pt', artifact / 'results')
    assert 'weights' not in faults(artifact)


@pytest.mark.parametrize('change,says', [
    (lambda run: run.update(schedule='steps'), 'form at runs/0/schedule'),
    (lambda run: run.pop('lr'), 'has another form at runs/0'),
    (lambda run: run['epochs'].pop(), 'does not have the epochs 1 to')])
def test_recipes_have_a_record_of_another_form(change, says):
    record = json.loads((ROOT / 'results/recipe.json').read_text())
    assert record_faults('recipe', record) == []
    change(record['runs'][0])
    assert says in ' '.join(record_faults('recipe', record))


def test_a_network_without_a_band_is_a_fault():
    record = copy.deepcopy(json.loads((ROOT / RECORD).read_text()))
    record['name'] = 'other'
    assert record_faults('other', record) == [
        'other has no band in tools/check_run.py.']


def test_the_command_exits_with_the_faults(artifact):
    edit_record(artifact, lambda record: record['runs'].pop(0))
    process = subprocess.run(
        [sys.executable, ROOT / 'tools' / 'check_run.py', artifact, COMMIT],
        text=True, capture_output=True)
    assert process.returncode == 1
    assert 'runs are only appended' in process.stderr
