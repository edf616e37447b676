"""Time d2l 1.0.3 as published against the course and against the limit.

Four kinds of work: an epoch of LeNet with its loader and its validation,
steps of VGG and of ResNet-18 on a batch that is in memory, and the loader
alone. The limit is the bare loop: the same precision, layout and allocator
as the course's, on data in place, without trainer and loader. d2l's live
plot is switched off. Every measurement has a process of its own; in a round
the ways take turns. The last table is kept in results/bench.json.
"""
import atexit
import datetime
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from d2l import torch as d2l

from helpers import FashionMNIST, Trainer, fetch, records, runs

sys.path.insert(0, str(Path(__file__).parent.parent / 'tests'))
from conftest import definitions  # noqa: E402

ROUNDS = 3
STEPS = 2  # as many more before them, which do not count
BATCHES = 40  # of a loader
SMALL_VGG = ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
NETWORKS = {'LeNet': (28, lambda: definitions('7-6')['LeNet'](lr=0.1)),
            'VGG': (224, lambda: definitions('8-2')['VGG'](SMALL_VGG,
                                                           lr=0.01)),
            'ResNet-18': (96, lambda: definitions('8-6')['ResNet18'](
                lr=0.01))}
TASKS = ['LeNet epoch', 'VGG step', 'ResNet-18 step', 'loader 28', 'loader 96',
         'loader 224']


class Batch(d2l.DataModule):
    """One batch of noise, again and again."""
    def __init__(self, size):
        super().__init__()
        self.batches = [(torch.randn(128, 1, size, size),
                         torch.randint(10, (128,)))] * STEPS

    def get_dataloader(self, train):
        return self.batches if train else []


def make_model(name):
    """A network with its first weights drawn, and its image size."""
    size, make = NETWORKS[name]
    torch.manual_seed(0)
    model = make()
    model.apply_init([torch.zeros(2, 1, size, size)], d2l.init_cnn)
    model.board.display = False
    return model, size


def d2l_dataset(size):
    """d2l's own Fashion-MNIST, from the files that the course found."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    raw = folder / 'data' / 'FashionMNIST' / 'raw'
    raw.mkdir(parents=True)
    for name, content in fetch._find_files().items():
        (raw / name).write_bytes(content)
    (folder / 'here').mkdir()
    os.chdir(folder / 'here')  # d2l reads ../data
    return d2l.FashionMNIST(batch_size=128, resize=(size, size))


def last_epoch(trainer, model, dataset):
    """Seconds of the last epoch of a trainer."""
    seconds, fit_epoch = [], trainer.fit_epoch

    def timed():
        start = time.perf_counter()
        fit_epoch()
        seconds.append(time.perf_counter() - start)
    trainer.fit_epoch = timed
    trainer.fit(model, dataset)
    return seconds[-1]


def bare_epoch(model, batches, val_batches):
    """Seconds of an epoch over batches in memory, without a trainer."""
    device = torch.device('cpu')
    precision = runs.best_precision(device)
    optimizer = model.configure_optimizers()
    autocast = torch.autocast('cpu', runs.DTYPES[precision],
                              enabled=precision != 'fp32')
    start = time.perf_counter()
    for X, y in batches:
        with autocast:
            loss = model.loss(model(X).float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad(), autocast:
        for X, y in val_batches:
            model.loss(model(X).float(), y)
    return time.perf_counter() - start


def bare_loop(model, dataset):
    """The same after a warm-up, all data being in place beforehand."""
    runs._keep_freed_memory()
    model.to(memory_format=torch.channels_last)
    train, val = (list(dataset.get_dataloader(train) or ())
                  for train in (True, False))
    bare_epoch(model, train[:STEPS], [])
    return bare_epoch(model, train, val)


def measure(task, way):
    """Seconds of a task in this process."""
    os.environ['COURSE_RUN'] = 'full'
    name, kind = task.split()
    if name == 'loader':
        dataset = (d2l_dataset(int(kind)) if way == 'd2l' else
                   FashionMNIST(batch_size=128, resize=int(kind)))
        start = time.perf_counter()
        for _ in itertools.islice(dataset.get_dataloader(True), BATCHES):
            pass
        return time.perf_counter() - start
    model, size = make_model(name)
    if kind == 'step':
        dataset, epochs, parts = Batch(size), 2, STEPS
    else:
        dataset = (d2l_dataset(size) if way == 'd2l' else
                   FashionMNIST(batch_size=128))
        epochs, parts = 1, 1
    if way == 'bare loop':
        return bare_loop(model, dataset) / parts
    trainer = {'d2l': d2l.Trainer, 'course': Trainer}[way]
    return last_epoch(trainer(max_epochs=epochs, num_gpus=0), model,
                      dataset) / parts


def measure_all():
    """Seconds of every task each way, a list with one number a round."""
    seconds = {task: {way: [] for way in (
        ('d2l', 'course') if 'loader' in task else
        ('d2l', 'course', 'bare loop'))} for task in TASKS}
    for task, ways in seconds.items():
        for _ in range(ROUNDS):
            for way in ways:
                out = subprocess.run(
                    [sys.executable, __file__, task, way], text=True,
                    check=True, stdout=subprocess.PIPE).stdout
                ways[way].append(round(float(out.split()[-1]), 3))
        print(task, ways, file=sys.stderr, flush=True)
    return seconds


def ratios(above, below):
    """Minimum, median and maximum of the ratios round by round."""
    values = [a / b for a, b in zip(above, below, strict=True)]
    return f'{min(values):.2f} {statistics.median(values):.2f} ' \
           f'{max(values):.2f}'


def table(seconds):
    """The table as lines of Markdown."""
    yield '| seconds, median | d2l | course | bare loop | d2l / course: ' \
          'min, median, max | course / bare loop |'
    yield '|---|---|---|---|---|---|'
    for task, ways in seconds.items():
        times = [f'{statistics.median(ways[way]):.2f}' if way in ways else ''
                 for way in ('d2l', 'course', 'bare loop')]
        over = (ratios(ways['course'], ways['bare loop'])
                if 'bare loop' in ways else '')
        yield (f'| {task} | {" | ".join(times)} | '
               f'{ratios(ways["d2l"], ways["course"])} | {over} |')


if __name__ == '__main__':
    if len(sys.argv) > 1:
        sys.exit(print(measure(*sys.argv[1:])))
    seconds = measure_all()
    device = torch.device('cpu')
    bench = {'device': records.device_name(device),
             'threads': torch.get_num_threads(),
             'precision': runs.best_precision(device),
             'date': datetime.date.today().isoformat(),
             'torch': str(torch.__version__), 'seconds': seconds}
    path = records.CHECKOUT / 'results' / 'bench.json'
    path.write_text(json.dumps(bench, indent=1) + '\n')
    print(f'{bench["device"]}, {bench["threads"]} threads, '
          f'{bench["precision"]}, torch {bench["torch"]}, {ROUNDS} rounds\n')
    print('\n'.join(table(seconds)))
