"""A training that is killed, stopped or split over processes."""
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent / 'train_tiny.py'


def environment(folder):
    return {**os.environ, 'XDG_CACHE_HOME': str(folder / 'cache'),
            'OMP_NUM_THREADS': '1'}


def start(folder, kind, *launcher):
    """Start the script in a folder; return its process once it trains."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*(launcher or [sys.executable]), SCRIPT, kind, folder / 'out.pt'],
        cwd=folder, env=environment(folder), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == 'start\n', process.stderr.read()
    return process


def finish(process):
    """What the script printed, once it has ended well."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out


def load(folder):
    return torch.load(folder / 'out.pt', weights_only=True)


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """The result of a run that nobody killed."""
    folder = tmp_path_factory.mktemp('undisturbed')
    finish(start(folder, 'Tiny'))
    return load(folder)


def test_a_run_killed_again_and_again_ends_as_if_it_never_was(
        tmp_path, undisturbed):
    folder, kills, resumed = tmp_path / 'killed', 0, 0
    while kills < 4:
        process = start(folder, 'Tiny')
        time.sleep(random.uniform(0.1, 0.6) * undisturbed['seconds'])
        process.kill()
        resumed += 'Going on after epoch' in process.communicate()[0]
        kills += process.returncode == -9
        if (folder / 'out.pt').exists():
            break
    print(f'{kills} kills, gone on {resumed} times')
    if not (folder / 'out.pt').exists():
        resumed += 'Going on after epoch' in finish(start(folder, 'Tiny'))
    assert resumed  # else this showed nothing
    killed = load(folder)
    assert killed['history'] == undisturbed['history']
    for name, value in undisturbed['state'].items():
        assert torch.equal(killed['state'][name], value), name
    record = json.loads((folder / 'results' / 'tiny.json').read_text())
    assert [run['epochs'] for run in record['runs']] == [killed['history']]
    assert not list((folder / 'cache').rglob('*.ckpt'))
