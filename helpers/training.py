"""Training that is seeded, counts every image once and keeps a record."""
import ctypes
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from d2l import torch as d2l
from torch import nn
from tqdm import tqdm

from helpers import figures, measure

QUICK_EPOCHS = 2
CHECKOUT = Path(__file__).parent.parent
PACKAGED = Path(__file__).parent / 'results'  # where there is no checkout


class History(list):
    """One dict an epoch: `epoch`, `train_loss`, `val_loss`, `val_acc`."""
    def __repr__(self):
        rows = [''.join(f'{name:>12}' for name in self[0])] if self else []
        rows += [''.join(f'{value:12.3f}' if isinstance(value, float)
                         else f'{value:12d}' for value in row.values())
                 for row in self]
        return '\n'.join(rows)


class Trainer(d2l.Trainer):
    """A `d2l.Trainer` (d2l 3.2) for any `d2l.Classifier`.

    `seed` is given to torch's global generator here, so that a network made
    after the trainer starts from the same weights, and again when `fit`
    begins, for the order of the batches. `fit` trains on the first GPU if
    there is one and `num_gpus` is not 0. A full run with a `name` is
    appended to the record `results/<name>.json`, which also says to which
    `chapter` it belongs; `keep_weights` puts the weights beside it.

    Raises ValueError for fewer than one epoch.
    """
    def __init__(self, max_epochs, num_gpus=1, gradient_clip_val=0,
                 name=None, chapter=None, seed=0, keep_weights=False):
        if max_epochs < 1:
            raise ValueError(f'max_epochs={max_epochs} trains nothing: give '
                             f'at least one epoch.')
        super().__init__(max_epochs, num_gpus, gradient_clip_val)
        self.save_hyperparameters()
        torch.manual_seed(seed)

    def prepare_data(self, data):
        """Make the loaders; images that are in memory go to the GPU."""
        super().prepare_data(data)
        if self.num_train_batches == 0:
            raise ValueError('The training data has no batch, so there is '
                             'nothing to train on: check its indices.')
        if self.gpus:
            self.train_dataloader, self.val_dataloader = (
                loader.to(self.gpus[0]) if hasattr(loader, 'to') else loader
                for loader in (self.train_dataloader, self.val_dataloader))

    def prepare_model(self, model):
        """Put the model where it trains, in the layout that is fastest."""
        super().prepare_model(model)
        _keep_freed_memory()
        if not any(nn.parameter.is_lazy(p) for p in model.parameters()):
            model.to(memory_format=torch.channels_last)

    def fit(self, model, data):
        """Train `model` on `data`; show the curves and one line of text.

        Returns the `History`; its losses and accuracies are means over
        images. A quick run (`helpers.data.run_mode`) stops after two epochs
        and is not recorded. Raises FloatingPointError for a loss that is
        not finite and ValueError for data without a batch.
        """
        full = getattr(data, 'mode', 'full') == 'full'
        epochs = self.max_epochs if full else min(self.max_epochs,
                                                  QUICK_EPOCHS)
        torch.manual_seed(self.seed)
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        task = full and self.name and self._describe_task(data)
        self.history = History()
        self.train_batch_idx = self.val_batch_idx = 0
        model.plot = self._listen  # how d2l's models report their figures
        place = figures.Place()
        start = time.perf_counter()
        try:
            with tqdm(total=epochs * self.num_train_batches, leave=False,
                      file=place.file, mininterval=0.5, ncols=76,
                      unit='batch') as self.bar:
                for self.epoch in range(epochs):
                    self.fit_epoch()
        finally:
            del model.plot, self.bar
        run = self._describe_run(time.perf_counter() - start)
        figures.show_runs([self.history], place)
        print(describe_run(run, self.num_images, 'Full' if full else 'Quick'))
        if not full:
            print('(COURSE_RUN=full trains in full.)')
        if task:
            self._record(task, run)
        return self.history

    def fit_epoch(self):
        """Train on every batch once, then measure on the validation's."""
        losses, sizes, start = [], [], time.perf_counter()
        self.model.train()
        for batch in self.train_dataloader:
            batch = self.prepare_batch(batch)
            loss = self.model.training_step(batch)
            self.optim.zero_grad()
            loss.backward()
            if self.gradient_clip_val > 0:
                self.clip_gradients(self.gradient_clip_val, self.model)
            self.optim.step()
            self.train_batch_idx += 1
            losses.append(loss.detach())
            sizes.append(len(batch[-1]))
            if self.bar.update():  # true when the bar was drawn just now
                self._check_finite(losses)
                rate = sum(sizes) / (time.perf_counter() - start)
                self.bar.set_postfix_str(f'loss {losses[-1].item():.3f}, '
                                         f'{rate:,.0f} images/s', False)
        self._check_finite(losses)
        self.num_images = sum(sizes)
        row = {'epoch': self.epoch + 1, 'train_loss': float(
            sum(loss * n for loss, n in zip(losses, sizes)) / self.num_images)}
        self._sums = {}
        self.model.eval()
        with torch.no_grad():
            for batch in self.val_dataloader or ():
                batch = self.prepare_batch(batch)
                self._batch_size = len(batch[-1])
                self.model.validation_step(batch)
                self.val_batch_idx += 1
        for key, (total, images) in self._sums.items():
            row[f'val_{key}'] = float(total) / images
        self.history.append(row)

    def _listen(self, key, value, train):
        """Stand in for `model.plot`: add up what it is told, by image."""
        if not train:
            total, images = self._sums.get(key, (0, 0))
            value = torch.as_tensor(value).detach()
            self._sums[key] = (total + value * self._batch_size,
                               images + self._batch_size)

    def _check_finite(self, losses):
        finite = torch.isfinite(torch.stack(losses)).tolist()
        if not all(finite):
            batch = finite.index(False)
            raise FloatingPointError(
                f'The loss is {losses[batch].item()} in epoch '
                f'{self.epoch + 1}, batch {batch + 1}: try a smaller '
                f'learning rate, and look for a division by zero or a '
                f'logarithm of zero in the network.')

    def _describe_run(self, seconds):
        device = self.gpus[0] if self.gpus else torch.device('cpu')
        return {'seed': self.seed, 'device': device_name(device),
                'threads': torch.get_num_threads(), 'precision': 'fp32',
                'seconds': round(seconds, 1),
                'peak_memory_mb': _peak_memory_mb(device),
                'date': datetime.date.today().isoformat(),
                'commit': _commit(self.chapter),
                'versions': {'python': platform.python_version(),
                             'torch': torch.__version__,
                             'd2l': version('d2l')},
                'epochs': list(self.history)}

    def _describe_task(self, data):
        X_shape = next(iter(data.val_dataloader()))[0].shape
        return {
            'name': self.name, 'chapter': self.chapter,
            'hyperparameters': {
                'lr': self.model.lr, 'batch_size': data.batch_size,
                'epochs': self.max_epochs, 'resize': list(data.resize)},
            'data': data.facts(),
            'model': {'parameters': measure.count_parameters(self.model),
                      'macs': measure.count_macs(self.model,
                                                 (1, *X_shape[1:]))}}

    def _record(self, task, run):
        path = _own_results() / f'{self.name}.json'
        try:
            record = load_record(self.name)
        except FileNotFoundError:
            record = {**task, 'runs': []}
        changed = [key for key in task if record[key] != task[key]]
        if changed:
            print(f'Not recorded: {" and ".join(changed)} differ from those '
                  f'of {path.name}. Give the trainer another name.')
            return
        path.parent.mkdir(exist_ok=True)
        if self.keep_weights:
            weights = path.with_suffix('.pt')
            state = {key: value.cpu() for key, value
                     in self.model.state_dict().items()}
            _write(weights, lambda file: torch.save(state, file))
            run['weights_sha256'] = _sha256(weights)
        record['runs'].append(run)
        text = json.dumps(record, indent=1) + '\n'
        _write(path, lambda file: file.write(text.encode()))


def describe_run(run, num_images, mode='Full'):
    """One line about a run: epochs, images, device, seconds, figures."""
    last = {key.replace('_', ' '): value
            for key, value in run['epochs'][-1].items()}
    return (f'{mode} run: {last.pop("epoch")} epochs of {num_images:,} '
            f'images, {run["device"]}, {run["precision"]}, '
            f'{run["seconds"]:.0f} s: '
            + ', '.join(f'{key} {value:.3f}' for key, value in last.items()))


def load_record(name):
    """The record of a network, the dict that `results/<name>.json` holds.

    Raises FileNotFoundError when no full run of that name was recorded.
    """
    return json.loads(_find(f'{name}.json').read_text())


def load_runs(name):
    """The newest recorded run of every seed, in the order of the seeds."""
    newest = {run['seed']: run for run in load_record(name)['runs']}
    return [newest[seed] for seed in sorted(newest)]


def load_weights(model, name):
    """Give `model` the recorded weights `results/<name>.pt`; return it.

    Raises ValueError if the file is not the one that the record names.
    """
    path = _find(f'{name}.pt')
    expected = [run['weights_sha256'] for run in load_record(name)['runs']
                if 'weights_sha256' in run][-1:]
    found = _sha256(path)
    if expected != [found]:
        raise ValueError(f'{path} does not belong to {name}.json: SHA-256 '
                         f'{"".join(expected) or "none"} was expected, '
                         f'{found} was found. Restore both from the course.')
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()


def device_name(device):
    """What the device is called by its maker, such as 'AMD EPYC'."""
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    try:
        lines = Path('/proc/cpuinfo').read_text().split('\n')
        return next(line.split(':')[1].strip() for line in lines
                    if line.startswith('model name'))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _own_results():
    """Where this reader's runs are recorded."""
    if (CHECKOUT / '_toc.yml').exists():
        return CHECKOUT / 'results'
    return Path('results')


def _find(file):
    for folder in _own_results(), PACKAGED:
        if (folder / file).exists():
            return folder / file
    raise FileNotFoundError(f'There is no {file} yet: a full run of its '
                            f'chapter writes it (COURSE_RUN=full).')


def _write(path, write):
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + '.partial')
    try:
        with open(partial, 'wb') as file:
            write(file)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _commit(chapter):
    def git(*arguments):
        return subprocess.run(['git', '-C', CHECKOUT, *arguments], text=True,
                              capture_output=True, check=True).stdout.strip()
    try:
        changed = git('status', '--porcelain', 'helpers',
                      f'chapters/{chapter}.ipynb')
        return git('rev-parse', 'HEAD') + ('-changed' if changed else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def _keep_freed_memory():
    """Let glibc keep freed blocks for the next step.

    By default it returns large ones to the kernel, and a third of a step on
    a CPU goes into getting them back, page by page.
    """
    if sys.platform == 'linux':
        mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
        if mallopt:  # other C libraries have none
            mallopt(-3, 2 ** 30)  # M_MMAP_THRESHOLD, bytes
            mallopt(-1, 2 ** 30)  # M_TRIM_THRESHOLD, bytes


def _peak_memory_mb(device):
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) // 2 ** 20
    if sys.platform == 'win32':
        return 0
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2 ** (20 if sys.platform == 'darwin' else 10)
