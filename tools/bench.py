"""Time one epoch of LeNet, validation included, three ways in one run.

d2l 1.0.3 as published, the course's trainer, and the bare loop on images that
are already in memory, which is the limit. d2l's live plot is switched off, so
what is compared is training alone.
"""
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ['COURSE_RUN'] = 'full'

import torch  # noqa: E402
from d2l import torch as d2l  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from helpers import FashionMNIST, Trainer, data  # noqa: E402

ROUNDS = 3


def lenet(loader):
    """A LeNet with the same first weights each time."""
    torch.manual_seed(0)
    model = d2l.LeNet(lr=0.1)
    model.apply_init([next(iter(loader))[0]], d2l.init_cnn)
    model.board.display = False
    return model


def with_d2l(dataset):
    """An epoch of d2l.Trainer on d2l.FashionMNIST."""
    d2l.Trainer(max_epochs=1).fit(lenet(dataset.train_dataloader()), dataset)


def with_course(dataset):
    """An epoch of helpers.Trainer on helpers.FashionMNIST."""
    Trainer(max_epochs=1).fit(lenet(dataset.train_dataloader()), dataset)


def with_bare_loop(images, labels, val_images, val_labels):
    """An epoch without trainer and without loader."""
    net = lenet([(images[:2], labels[:2])]).net
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for i in torch.randperm(len(labels)).split(128):
        loss = F.cross_entropy(net(images[i]), labels[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for X, y in zip(val_images.split(128), val_labels.split(128)):
            F.cross_entropy(net(X), y)


def measure():
    """Seconds of each way in each round, in turn."""
    ours = FashionMNIST(batch_size=128)
    in_place = [part for dataset in (ours.train, ours.val)
                for part in (dataset.data.float() / 255, dataset.targets)]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / 'data' / 'FashionMNIST' / 'raw'
        raw.mkdir(parents=True)
        for name, content in data._find_files().items():
            (raw / name).write_bytes(content)
        (Path(folder) / 'chapters').mkdir()
        os.chdir(Path(folder) / 'chapters')  # d2l reads ../data
        theirs = d2l.FashionMNIST(batch_size=128)
        ways = {'d2l': lambda: with_d2l(theirs),
                'course': lambda: with_course(ours),
                'bare loop': lambda: with_bare_loop(*in_place)}
        seconds = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, run in ways.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
        os.chdir('/')
    return seconds


if __name__ == '__main__':
    seconds = measure()
    print(f'\nLeNet, one epoch and its validation, {ROUNDS} rounds, '
          f'{torch.get_num_threads()} threads: minimum, median, maximum')
    for name, values in seconds.items():
        print(f'{name:12} {min(values):6.2f} {statistics.median(values):6.2f}'
              f' {max(values):6.2f} s')
    for name in ('d2l', 'bare loop'):
        ratios = [other / ours for other, ours
                  in zip(seconds[name], seconds['course'])]
        print(f'{name + " / course":20} {min(ratios):.2f} '
              f'{statistics.median(ratios):.2f} {max(ratios):.2f}')
