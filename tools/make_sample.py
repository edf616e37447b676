"""Make helpers/sample.npz from the full Fashion-MNIST.

The first 400 training and 100 test images of every class, in their order.
"""
from pathlib import Path

import numpy as np
import torch

from helpers import fetch


def make_sample():
    """The arrays of the sample, by name, from the full data set."""
    arrays = {}
    for train, kind, n in (True, 'train', 400), (False, 'val', 100):
        images, labels = fetch.load_full(train)
        indices = torch.cat([(labels == label).nonzero()[:n, 0]
                             for label in range(10)]).sort().values
        arrays[f'{kind}_images'] = images[indices].numpy()
        arrays[f'{kind}_labels'] = labels[indices].to(torch.uint8).numpy()
    return arrays


if __name__ == '__main__':
    path = Path(fetch.__file__).parent / 'sample.npz'
    np.savez_compressed(path, **make_sample())
    print(f'{path.name}: {path.stat().st_size / 2 ** 20:.1f} MB')
