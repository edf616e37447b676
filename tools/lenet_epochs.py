"""Make results/lenet-epochs.bin: LeNet's weights while it was trained.

The figure of 7.6 shows them. LeNet is trained with the chapter's own code, and
seed, as the run whose weights are recorded, on a processor and in fp32; the
last epoch's weights are the recorded ones. Those before are written in steps
of 1/64 from one epoch to the one before it, int8, compressed by zlib.
"""
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / 'tests')]

from conftest import definitions  # noqa: E402
from helpers import FashionMNIST, Trainer, load_weights  # noqa: E402

STEP = 1 / 64
FILE = ROOT / 'results' / 'lenet-epochs.bin'


class Watched(Trainer):
    """A trainer that keeps the weights before and after each epoch."""
    def prepare_model(self, model):
        super().prepare_model(model)
        self.weights = [flat(model)]

    def fit_epoch(self):
        super().fit_epoch()
        self.weights.append(flat(self.model))


def flat(model):
    """All weights of a model as one array."""
    return torch.cat([part.detach().flatten().cpu()
                      for part in model.parameters()]).numpy().copy()


def main():
    chapter = definitions('7-6')
    trainer = Watched(max_epochs=10, num_gpus=0, seed=0, precision='fp32')
    data = FashionMNIST(batch_size=128)
    X, _ = next(iter(data.get_dataloader(train=True)))
    model = chapter['LeNet'](lr=0.1)
    model.apply_init([X], chapter['init_cnn'])
    trainer.fit(model, data)
    recorded = flat(load_weights(chapter['LeNet'](), 'lenet'))
    apart = abs(trainer.weights[-1] - recorded).max()
    print(f'From the recorded weights these are at most {apart:.4f} apart.')
    steps = [np.rint(weights / STEP)
             for weights in (*trainer.weights[:-1], recorded)]
    back = np.diff(np.stack(steps[::-1]), axis=0)
    assert abs(back).max() < 128
    FILE.write_bytes(zlib.compress(back.astype(np.int8).tobytes(), 9))
    print(f'{FILE.name}: {FILE.stat().st_size:,} bytes')


if __name__ == '__main__':
    main()
