"""A short full run with a name, for the tests that kill it or split it.

It has what a resumed run could get wrong: shuffling, dropout, momentum and
running means. The weights and the history go to the file named last.
"""
import os
import sys
import time
from pathlib import Path

import torch
from d2l import torch as d2l
from torch import nn

from helpers import Trainer, data, fetch, records


class Tiny(d2l.Classifier):
    """Convolution, batch normalization and dropout."""
    def __init__(self, lr=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, stride=3), nn.BatchNorm2d(4),
            nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(256, 10))
        self.apply_init([torch.zeros(1, 1, 28, 28)])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)


class Plain(d2l.Classifier):
    """A network whose result does not depend on how a batch is divided."""
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, stride=3), nn.Sigmoid(),
            nn.Flatten(), nn.Linear(256, 10))
        self.apply_init([torch.zeros(1, 1, 28, 28)])


class Sample(d2l.DataModule):
    """Images of the sample that ships with the course, as a full run."""
    mode, batch_size, resize = 'full', 50, (28, 28)

    def get_dataloader(self, train):
        images, labels = fetch.load_uint8_sample(train)
        n = 1003 if train else 301  # the last batch is a small one
        return data.ImageLoader(images[:n], labels[:n], self.batch_size,
                                self.resize, shuffle=train)

    def facts(self):
        return {'dataset': 'sample', 'train': 1003, 'validation': 301,
                'sha256': '0'}


def run(kind, out):
    """Train in this folder; the weights and the history go to `out`."""
    records.CHECKOUT = Path.cwd()  # recorded there, not in this project
    print('start\n', end='', flush=True)  # in one piece, of two processes
    trainer = Trainer(max_epochs=20, name='tiny', chapter='9-9-tiny',
                      precision='fp32')
    model = {'Tiny': Tiny, 'Plain': Plain}[kind]()
    start = time.perf_counter()
    save = trainer._save_checkpoint
    trainer._save_checkpoint = lambda: (save(), print('saved', flush=True))
    history = trainer.fit(model, Sample())
    torch.save({'history': list(history), 'state': model.state_dict(),
                'seconds': time.perf_counter() - start}, out)


def run_in(kind, folder):
    """Train in `folder`, where also all that is printed goes: `out.txt`."""
    os.chdir(folder)
    os.environ['XDG_CACHE_HOME'] = str(Path('cache').absolute())
    sys.stdout = open('out.txt', 'a', buffering=1)
    torch.set_num_threads(1)
    run(kind, 'out.pt')


if __name__ == '__main__':
    run(*sys.argv[1:])
