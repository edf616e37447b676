"""The records of full runs: their form, and the band each must reach."""
import hashlib
import json
import re

import pytest

from bench import table
from check_run import record_faults
from conftest import ROOT

RECORDS = sorted(path for path in (ROOT / 'results').glob('*.json')
                 if path.name != 'bench.json')


@pytest.mark.parametrize('path', RECORDS, ids=lambda path: path.stem)
def test_record(path):
    record = json.loads(path.read_text())
    assert record_faults(path.stem, record) == []
    assert (ROOT / 'chapters' / f'{record["chapter"]}.ipynb').exists()


def test_lenet_was_trained_as_the_notes_say_with_five_seeds():
    record = json.loads((ROOT / 'results' / 'lenet.json').read_text())
    assert record['hyperparameters'] == {
        'lr': 0.1, 'batch_size': 128, 'epochs': 10, 'resize': [28, 28]}
    assert (record['data']['train'], record['data']['validation']) == (60000,
                                                                      10000)
    assert {run['seed'] for run in record['runs']} >= set(range(5))
    # LeNet-5 with all maps connected, counted by hand.
    assert record['model']['parameters'] == (
        (25 + 1) * 6 + (25 * 6 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10)
    assert record['model']['macs'] == (
        25 * 6 * 28 ** 2 + 25 * 6 * 16 * 10 ** 2 + 400 * 120 + 120 * 84 + 840)


def test_weights_are_those_that_the_record_names():
    runs = json.loads((ROOT / 'results' / 'lenet.json').read_text())['runs']
    named = [run['weights_sha256'] for run in runs if 'weights_sha256' in run]
    weights = (ROOT / 'results' / 'lenet.pt').read_bytes()
    assert hashlib.sha256(weights).hexdigest() == named[-1]


@pytest.mark.parametrize('name,network', [
    ('lenet', 'LeNet, 7.6, five seeds'), ('resnext', 'ResNeXt, 8.6')])
def test_the_readme_tells_what_the_records_say(name, network):
    readme = (ROOT / 'README.md').read_text()
    accuracies, seconds = re.search(
        rf'^\| {network} \| (.+) \| (.+) \|$', readme, re.M).groups()
    runs = json.loads((ROOT / 'results' / f'{name}.json').read_text())['runs']
    told = [f'{run["epochs"][-1]["val_acc"]:.3f} '
            f'{run["seconds"]:.0f}' for run in runs]
    for pair in zip(accuracies.split(), seconds.split(), strict=True):
        assert ' '.join(pair) in told


def test_the_readme_shows_the_table_of_the_benchmark():
    readme = (ROOT / 'README.md').read_text()
    bench = json.loads((ROOT / 'results' / 'bench.json').read_text())
    assert '\n'.join(table(bench['seconds'])) in readme
    assert (f'{bench["device"]}, {bench["threads"]} threads, '
            f'{bench["precision"]}') in ' '.join(readme.split())
