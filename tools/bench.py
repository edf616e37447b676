"""Time one epoch of LeNet, validation included, three ways in one run.

d2l 1.0.3 as published, the course's trainer, and the bare loop on images that
are already in memory. d2l's live plot is switched off, so what is compared is
training alone. The last measurement is kept in results/bench.json.
"""
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ['COURSE_RUN'] = 'full'

import torch  # noqa: E402
from d2l import torch as d2l  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from helpers import FashionMNIST, Trainer, data, records  # noqa: E402

ROUNDS = 3
WAYS = ['d2l', 'course', 'bare loop']


def lenet():
    """A LeNet with the same first weights each time."""
    torch.manual_seed(0)
    model = d2l.LeNet(lr=0.1)
    model.apply_init([torch.zeros(1, 1, 28, 28)], d2l.init_cnn)
    model.board.display = False
    return model


def bare_loop(model, images, labels, val_images, val_labels):
    """An epoch without trainer and without loader."""
    net = model.net
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for i in torch.randperm(len(labels)).split(128):
        loss = F.cross_entropy(net(images[i]), labels[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        for X, y in zip(val_images.split(128), val_labels.split(128)):
            F.cross_entropy(net(X), y)


def measure_once(way):
    """Seconds of one epoch in this process, data and network being there."""
    model = lenet()
    if way == 'd2l':
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / 'data' / 'FashionMNIST' / 'raw'
            raw.mkdir(parents=True)
            for name, content in data._find_files().items():
                (raw / name).write_bytes(content)
            (Path(folder) / 'here').mkdir()
            os.chdir(Path(folder) / 'here')  # d2l reads ../data
            dataset = d2l.FashionMNIST(batch_size=128)
            return timed(d2l.Trainer(max_epochs=1).fit, model, dataset)
    dataset = FashionMNIST(batch_size=128)
    if way == 'course':
        return timed(Trainer(max_epochs=1).fit, model, dataset)
    return timed(bare_loop, model, *[
        part for images in (dataset.train, dataset.val)
        for part in (images.data.float() / 255, images.targets)])


def timed(function, *arguments):
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def measure():
    """Seconds of each way, in turn, each time in a fresh process."""
    seconds = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            out = subprocess.run([sys.executable, __file__, way], text=True,
                                 check=True, stdout=subprocess.PIPE).stdout
            seconds[way].append(float(out.split()[-1]))
    return seconds


if __name__ == '__main__':
    if len(sys.argv) > 1:
        sys.exit(print(measure_once(sys.argv[1])))
    seconds = measure()
    bench = {'task': 'LeNet, one epoch and its validation',
             'device': records.device_name(torch.device('cpu')),
             'threads': torch.get_num_threads(),
             'date': datetime.date.today().isoformat(),
             'torch': torch.__version__, 'seconds': {
                 name: [round(value, 2) for value in values]
                 for name, values in seconds.items()}}
    path = records.CHECKOUT / 'results' / 'bench.json'
    path.write_text(json.dumps(bench, indent=1) + '\n')
    print(f'\n{bench["task"]}, {ROUNDS} rounds, {bench["device"]}, '
          f'{bench["threads"]} threads: minimum, median, maximum')
    for name, values in seconds.items():
        print(f'{name:12} {min(values):6.2f} {statistics.median(values):6.2f}'
              f' {max(values):6.2f} s')
    for name in ('d2l', 'bare loop'):
        ratios = [other / ours for other, ours
                  in zip(seconds[name], seconds['course'])]
        print(f'{name + " / course":20} {min(ratios):.2f} '
              f'{statistics.median(ratios):.2f} {max(ratios):.2f}')
