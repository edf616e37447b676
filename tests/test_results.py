"""The records of full runs: their form, and the band each must reach."""
import hashlib
import json
import re

import nbformat
import pytest

from bench import table
from check_run import record_faults
from conftest import ROOT
from helpers import load_record, load_records

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
        'initial_weights': 'xavier', 'optimizer': 'SGD', 'lr': 0.1,
        'momentum': 0, 'batch_size': 128, 'epochs': 10, 'resize': [28, 28]}
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


ALEXNET = ((121 + 1) * 96 + (25 * 96 + 1) * 256 + (9 * 256 + 1) * 384
           + (9 * 384 + 1) * 384 + (9 * 384 + 1) * 256
           + (25 * 256 + 1) * 4096 + 4097 * 4096 + 4097 * 10)
# A convolution with a large kernel and two of 1x1, four times.
NIN = sum((k * k * i + 1) * c + 2 * (c + 1) * c for k, i, c in (
    (11, 1, 96), (5, 96, 256), (3, 256, 384), (3, 384, 10)))
# The table of the paper: 1x1; 3x3 and what is in front; 5x5; after pooling.
INCEPTION = [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64),
             (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
             (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
             (256, 160, 320, 32, 128, 128), (256, 160, 320, 32, 128, 128),
             (384, 192, 384, 48, 128, 128)]
GOOGLENET = (49 + 1) * 64 + 65 * 64 + (9 * 64 + 1) * 192 + 1025 * 10 + sum(
    (i + 1) * (a + r + s + d) + (9 * r + 1) * b + (25 * s + 1) * c
    for i, (a, r, b, s, c, d) in zip(
        (192, 256, 480, 512, 512, 512, 528, 832, 832), INCEPTION))
VGG = (9 * 16 + 16 + (9 * 16 + 1) * 32 + (9 * 32 + 1) * 64
       + (9 * 64 + 1) * 64 + (9 * 64 + 1) * 128 + 3 * (9 * 128 + 1) * 128
       + (128 * 49 + 1) * 4096 + 4097 * 4096 + 4097 * 10)
STEM, HEAD, WIDTHS = 50 * 64 + 2 * 64, 513 * 10, (64, 128, 256, 512)
# Convolutions with biases, two numbers a channel for each normalization;
# where a stage is wider than the one before, a 1x1 convolution on the way.
RESNET_18 = STEM + HEAD + sum(
    (9 * i + 1) * c + 3 * (9 * c + 1) * c + 4 * 2 * c + (i != c) * (i + 1) * c
    for i, c in zip((64, *WIDTHS), WIDTHS))
# Half the channels between two 1x1 convolutions, 16 of them in a group.
RESNEXT = STEM + HEAD + sum(
    (i + 1 + 16 * 9 + 1 + 4) * c // 2 + (c // 2 + 1 + 2) * c
    + (i != c) * (i + 1 + 2) * c
    for before, c in zip((64, *WIDTHS), WIDTHS) for i in (before, c))


@pytest.mark.parametrize('name,lr,side,parameters', [
    ('alexnet', 0.01, 224, ALEXNET), ('alexnet-xavier', 0.01, 224, ALEXNET),
    ('vgg', 0.01, 224, VGG), ('nin', 0.05, 224, NIN),
    ('googlenet', 0.01, 96, GOOGLENET),
    ('resnet18', 0.01, 96, RESNET_18), ('resnext', 0.01, 96, RESNEXT)])
def test_the_large_networks_trained_as_the_notes_and_d2l_say(
        name, lr, side, parameters):
    record = json.loads((ROOT / 'results' / f'{name}.json').read_text())
    rule = 'pytorch' if name == 'alexnet' else 'xavier'  # as d2l's begin
    assert record['hyperparameters'] == {
        'initial_weights': rule, 'optimizer': 'SGD', 'lr': lr, 'momentum': 0,
        'batch_size': 128, 'epochs': 10, 'resize': [side, side]}
    assert (record['data']['train'], record['data']['validation']) == (60000,
                                                                      10000)
    assert record['model']['parameters'] == parameters


def test_alexnets_runs_are_apart_by_the_weights_they_began_with():
    began = {rule: [(run['seed'], run['device'], run['epochs'][-1]['val_acc'])
                    for run in load_record(name)['runs']]
             for rule, name in (('pytorch', 'alexnet'),
                                ('xavier', 'alexnet-xavier'))}
    assert began == {
        'xavier': [(0, 'AMD EPYC', 0.8841)],
        'pytorch': [(0, 'NVIDIA H200', 0.8321), (1, 'NVIDIA H200', 0.8368)]}


@pytest.mark.parametrize('path', sorted((ROOT / 'chapters').glob('*.ipynb')),
                         ids=lambda path: path.stem)
def test_no_chapter_chooses_a_run_by_its_place(path):
    code = '\n'.join(cell.source for cell in nbformat.read(path, 4).cells)
    assert not re.findall(r"load_runs\([^)]*\)\[|runs\[\d*:|"
                          r"\['runs'\]\[|runs\[-?\d", code)


def test_the_readme_tells_what_the_records_say():
    readme = (ROOT / 'README.md').read_text()
    for record in load_records():
        name, runs = record['name'], record['runs']
        told = re.search(rf'^\| \[.+\]\(results/{name}.json\).* \| (.+) \| '
                         rf'(.+) \| (.+) \|$', readme, re.M)
        assert told, f'{name}.json has no row in the README: add one.'
        accuracies, seconds, machine = told.groups()
        newest = {run['seed']: run for run in runs}
        runs = [newest[seed] for seed in sorted(newest)]
        assert accuracies.split() == [
            f'{run["epochs"][-1]["val_acc"]:.3f}' for run in runs]
        fastest = min(runs, key=lambda run: run['seconds'])
        assert seconds == f'{fastest["seconds"]:.0f}'
        assert machine == f'{fastest["device"]}, {fastest["precision"]}'


def test_the_readme_shows_the_table_of_the_benchmark():
    readme = (ROOT / 'README.md').read_text()
    bench = json.loads((ROOT / 'results' / 'bench.json').read_text())
    assert '\n'.join(table(bench['seconds'])) in readme
    assert (f'{bench["device"]}, {bench["threads"]} threads, '
            f'{bench["precision"]}') in ' '.join(readme.split())


def test_the_recipes_of_the_page_were_run_as_it_says():
    cells = nbformat.read(ROOT / 'chapters' / 'recipe.ipynb', 4).cells
    page = {}
    for cell in cells:
        if cell.source.startswith(('plain = ', 'without = ')):
            exec(cell.source, page)
    runs = load_record('recipe')['runs']
    for name, recipe in {**page['recipes'], **page['without']}.items():
        some = [run for run in runs if run['recipe'] == name]
        assert len({run['seed'] for run in some if run['max_epochs'] == 10}
                   ) == (5 if name in page['recipes'] else 3)
        for run in some:
            assert {key: run[key] for key in recipe} == recipe
