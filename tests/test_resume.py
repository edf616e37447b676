"""A training that is killed, stopped or split over processes."""
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from helpers import Trainer, checkpoints, records
from train_tiny import Sample, Tiny, run_in

SCRIPT = Path(__file__).parent / 'train_tiny.py'
# Each process is a fork of one that has imported the libraries, which takes
# longer than the training.
FORKED = multiprocessing.get_context('forkserver')
FORKED.set_forkserver_preload(['helpers'])


def start(folder, kind):
    """Train in a folder, in a process of its own."""
    folder.mkdir(exist_ok=True)
    process = FORKED.Process(target=run_in, args=(kind, folder))
    process.start()
    return process


def finish(process):
    """Wait until a process has ended well."""
    process.join()
    assert process.exitcode == 0


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
    folder, kills = tmp_path / 'killed', 0
    out = folder / 'out.txt'
    while kills < 4 and not (folder / 'out.pt').exists():
        told = out.read_text().count('\n') if kills else 0
        process = start(folder, 'Tiny')
        while process.is_alive() and not (  # until it has said two lines
                out.exists() and out.read_text().count('\n') > told + 1):
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.1) * undisturbed['seconds'])
        process.kill()
        process.join()
        kills += process.exitcode == -9
    if not (folder / 'out.pt').exists():
        finish(start(folder, 'Tiny'))
    resumed = out.read_text().count('Going on after epoch')
    print(f'{kills} kills, gone on {resumed} times')
    assert resumed  # else this showed nothing
    killed = load(folder)
    assert killed['history'] == undisturbed['history']
    for name, value in undisturbed['state'].items():
        assert torch.equal(killed['state'][name], value), name
    record = json.loads((folder / 'results' / 'tiny.json').read_text())
    assert [run['epochs'] for run in record['runs']] == [killed['history']]
    assert not list((folder / 'cache').rglob('*.ckpt'))


class Stopping(Sample):
    """Data whose reader presses Ctrl-C in an epoch."""
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def get_dataloader(self, train):
        loader = super().get_dataloader(train)
        return self.stop(loader) if train else loader

    def stop(self, loader):
        class Loader:
            epochs = 0

            def __len__(self):
                return len(loader)

            def __iter__(self):
                Loader.epochs += 1
                for i, batch in enumerate(loader):
                    if Loader.epochs == epoch and i == 7:
                        raise KeyboardInterrupt
                    yield batch
        epoch = self.epoch
        return Loader()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty place for checkpoints and results."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(records, 'CHECKOUT', tmp_path)
    (tmp_path / '_toc.yml').touch()
    return tmp_path


def train(data=None, model=Tiny, **options):
    """The training of the script, in this process and on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        trainer = Trainer(**{'max_epochs': 20, 'name': 'tiny',
                             'chapter': '9-9-tiny', 'precision': 'fp32',
                             **options})
        return trainer.fit(model(), data or Sample())
    finally:
        torch.set_num_threads(threads)


def recorded(home):
    record = json.loads((home / 'results' / 'tiny.json').read_text())
    return [run['epochs'] for run in record['runs']]


def test_a_checkpoint_of_a_gpu_is_refused_in_one_sentence_on_a_cpu(
        home, monkeypatch):
    save = checkpoints.save_checkpoint
    with monkeypatch.context() as patch:  # what a GPU writes into the file
        patch.setattr(torch.serialization, 'location_tag', lambda _: 'cuda:0')
        patch.setattr(checkpoints, 'save_checkpoint', lambda path, task, state:
                      save(path, {**task, 'device': 'cuda'}, state))
        train(Stopping(4))
    with pytest.raises(RuntimeError, match='run with other device: undo'):
        train()


def test_ctrl_c_leaves_a_history_and_the_next_run_goes_on(
        home, undisturbed, capsys):
    history = train(Stopping(4))
    assert history == undisturbed['history'][:3]
    assert len(repr(history).split('\n')) == 4
    assert 'Stopped in epoch 4' in capsys.readouterr().out
    assert not (home / 'results').exists()
    assert train() == undisturbed['history']
    assert 'Going on after epoch 3' in capsys.readouterr().out
    assert recorded(home) == [undisturbed['history']]
    assert not list(home.rglob('*.ckpt')) + list(home.rglob('*.before'))


def test_ctrl_c_in_the_first_epoch_is_no_error(home):
    history = train(Stopping(1))
    assert history == [] and repr(history) == ''


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
        home, undisturbed, capsys):
    train(Stopping(4))
    damage(checkpoints.checkpoint_path('tiny', 0))
    with pytest.warns(UserWarning, match='tiny-0.ckpt is damaged'):
        assert train() == undisturbed['history']
    assert 'Going on after epoch 2' in capsys.readouterr().out


def test_a_cut_checkpoint_falls_back_and_without_one_it_starts_afresh(
        home, undisturbed, capsys):
    train(Stopping(3))
    path = checkpoints.checkpoint_path('tiny', 0)
    for old in path, path.with_suffix('.before'):
        old.write_bytes(old.read_bytes()[:1000])
    with pytest.warns(UserWarning, match='damaged'):
        assert train() == undisturbed['history']
    assert 'Going on' not in capsys.readouterr().out


def test_a_checkpoint_that_was_about_to_be_put_in_place_is_no_loss(
        home, undisturbed):
    train(Stopping(4))
    path = checkpoints.checkpoint_path('tiny', 0)
    os.replace(path, path.with_suffix('.latest'))  # killed just before
    assert train() == undisturbed['history']


class Other(Tiny):
    """The same layers, put to another use."""
    def forward(self, X):
        """Logits of the negative."""
        return self.net(1 - X)


@pytest.mark.parametrize('change,named', [
    ({'model': lambda: Tiny(lr=0.04)}, 'hyperparameters'),
    ({'model': Other}, 'code'),
    ({'max_epochs': 21}, 'hyperparameters'),
    ({'precision': 'bf16'}, 'precision'),
    ({'gradient_clip_val': 1}, 'hyperparameters'),
    ({'channels_last': False}, 'channels_last')])
def test_the_checkpoint_of_another_run_is_refused(home, change, named):
    train(Stopping(2))
    with pytest.raises(RuntimeError, match=f'other {named}: undo'):
        train(**change)


def test_the_checkpoint_of_another_network_is_refused(home):
    class Wide(Tiny):
        def __init__(self):
            super().__init__()
            self.net[0] = torch.nn.Conv2d(1, 4, kernel_size=7, stride=3,
                                          padding=1)
    train(Stopping(2))
    with pytest.raises(RuntimeError, match='other model and code: undo'):
        train(model=Wide)


def test_the_checkpoint_of_an_older_helper_is_refused(home, monkeypatch):
    train(Stopping(2))
    edited = home / 'helpers'
    edited.mkdir()
    for name in ('data.py', 'distributed.py', 'fetch.py', 'runs.py',
                 'training.py'):
        text = (Path(checkpoints.__file__).parent / name).read_text()
        (edited / name).write_text(text.replace('eval()', 'train()'))
    monkeypatch.setattr(checkpoints, '__file__', edited / 'checkpoints.py')
    with pytest.raises(RuntimeError, match='other code: undo'):
        train()


def test_without_room_for_checkpoints_the_run_goes_on(
        home, undisturbed, monkeypatch):
    def full(path, task, state):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(checkpoints, 'save_checkpoint', full)
    with pytest.warns(UserWarning, match='can be written .*No space left'):
        train()
    assert recorded(home) == [undisturbed['history']]


def test_another_seed_has_a_checkpoint_of_its_own(home, undisturbed):
    train(Stopping(2))
    train(seed=1)
    assert recorded(home)[0] != undisturbed['history']


def test_a_run_that_was_killed_when_recorded_is_recorded_once(
        home, monkeypatch, undisturbed):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, 'delete_checkpoint', lambda path: None)
        train()
    assert train() == undisturbed['history']
    assert recorded(home) == [undisturbed['history']]


def test_two_processes_train_as_one_does(tmp_path):
    alone, together = tmp_path / 'alone', tmp_path / 'together'
    finish(start(alone, 'Plain'))
    together.mkdir()
    out = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone',
         '--nproc-per-node', '2', SCRIPT, 'Plain', 'out.pt'], cwd=together,
        env={**os.environ, 'XDG_CACHE_HOME': str(together / 'cache'),
             'OMP_NUM_THREADS': '1'}, text=True, check=True,
        stdout=subprocess.PIPE).stdout
    assert out.count('Full run: 20 epochs of 1,003 images, 2 x') == 1
    one, two = load(alone), load(together)
    for ours, theirs in zip(two['history'], one['history'], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    for name, value in one['state'].items():
        torch.testing.assert_close(two['state'][name], value,
                                   rtol=1e-3, atol=1e-4)
    record = json.loads((together / 'results' / 'tiny.json').read_text())
    assert [run['epochs'] for run in record['runs']] == [two['history']]
