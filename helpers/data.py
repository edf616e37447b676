"""Fashion-MNIST, kept in memory as one tensor and handed out in batches.

The data set is by Xiao, Rasul and Vollgraf (2017), MIT licence.
"""
import gzip
import hashlib
import os
import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch
import torchvision
from d2l import torch as d2l
from filelock import FileLock
from torch.nn import functional as F

LABELS = ['t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal',
          'shirt', 'sneaker', 'bag', 'ankle boot']
# SHA-256 of the decompressed IDX files: every copy of the data agrees on
# these, while the .gz around them differs from one distributor to another.
SHA256 = {
    'train-images-idx3-ubyte':
        'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    'train-labels-idx1-ubyte':
        'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    't10k-images-idx3-ubyte':
        '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    't10k-labels-idx1-ubyte':
        '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34'}
DEBIAN = Path('/usr/share/datasets/fashion-mnist')
# of the sample, for training and validation: up to 32x32 pixels, and above
QUICK_IMAGES = {True: (512, 128), False: (256, 64)}
_in_memory = {}


def run_mode(resize=(28, 28)):
    """'full' or 'quick': `$COURSE_RUN`, or else what this machine can do.

    Without a GPU, images up to 32x32 still train in full (LeNet takes about
    a minute); larger ones run quick. Raises ValueError for another value.
    """
    mode = os.environ.get('COURSE_RUN', '')
    if mode not in ('', 'full', 'quick'):
        raise ValueError(f"COURSE_RUN={mode} is not a run mode: set it to "
                         "'full' or 'quick', or leave it unset.")
    small = torch.cuda.is_available() or max(resize) <= 32
    return mode or ('full' if small else 'quick')


def cache_folder():
    """The folder in which a downloaded copy of the data is kept."""
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'cnn-course' / 'fashion-mnist'


def load_sample(train=False):
    """The sample that ships with the course: the same on every machine.

    Returns `(X, y)`: images of shape (4000 or 1000, 1, 28, 28), float32
    between 0 and 1, and int64 labels, as many of each class, the first ones
    of Fashion-MNIST's training or test set in their order.
    """
    images, labels = _load_sample(train)
    return images.float() / 255, labels


def _load_sample(train):
    with np.load(Path(__file__).parent / 'sample.npz') as sample:
        kind = 'train' if train else 'val'
        return (torch.from_numpy(sample[f'{kind}_images']),
                torch.from_numpy(sample[f'{kind}_labels']).long())


def _read_idx(folder):
    """The checked bytes of the four files in a folder, by name."""
    files = {}
    for name, expected in SHA256.items():
        path = folder / name
        if path.exists():
            raw = path.read_bytes()
        else:
            path = folder / f'{name}.gz'
            if not path.exists():
                raise FileNotFoundError(f'{folder} has no {name}[.gz].')
            try:
                raw = gzip.decompress(path.read_bytes())
            except (OSError, EOFError, zlib.error) as error:
                raise ValueError(f'{path} is damaged ({error}).') from error
        found = hashlib.sha256(raw).hexdigest()
        if found != expected:
            raise ValueError(f'{path} is not the Fashion-MNIST file: SHA-256 '
                             f'{expected} was expected, {found} was found.')
        files[name] = raw
    return files


def _download(folder):
    """Fetch the four files with torchvision; put them in place if right."""
    partial = folder / 'partial'
    shutil.rmtree(partial, ignore_errors=True)  # of a fetch that was killed
    try:
        torchvision.datasets.FashionMNIST(partial, download=True)
        raw = partial / 'FashionMNIST' / 'raw'
        files = _read_idx(raw)
        for name in SHA256:
            os.replace(raw / name, folder / name)
        return files
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _find_files():
    """The four files: from $COURSE_DATA, the cache, Debian or the network."""
    own = os.environ.get('COURSE_DATA')
    if own:
        try:
            return _read_idx(Path(own))
        except (OSError, ValueError) as error:
            raise RuntimeError(
                f'COURSE_DATA={own} cannot be used: {error} Put the four IDX '
                f'files of Fashion-MNIST there, or unset COURSE_DATA.'
            ) from error
    cache = cache_folder()
    for folder in cache, DEBIAN:
        try:
            return _read_idx(folder)
        except FileNotFoundError:
            pass
        except ValueError as error:
            warnings.warn(f'{error} Looking for another copy.', stacklevel=4)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / '.lock'):
            try:  # another process may have fetched it meanwhile
                return _read_idx(cache)
            except (FileNotFoundError, ValueError):
                return _download(cache)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).split('\n')[0].rstrip('.')
        raise RuntimeError(
            f'Fashion-MNIST is not on this machine and could not be fetched '
            f'into {cache} ({reason}): set COURSE_DATA to a folder with its '
            f'four IDX files, or install the Debian package '
            f'dataset-fashion-mnist, or connect to the network and try '
            f'again; COURSE_RUN=quick needs none of them.') from error


def _load_full(train):
    if not _in_memory:
        files = _find_files()
        for key, kind in ((True, 'train'), (False, 't10k')):
            images, labels = (
                torch.frombuffer(bytearray(raw), dtype=torch.uint8,
                                 offset=offset)
                for raw, offset in ((files[f'{kind}-images-idx3-ubyte'], 16),
                                    (files[f'{kind}-labels-idx1-ubyte'], 8)))
            _in_memory[key] = (images.reshape(-1, 1, 28, 28), labels.long())
    return _in_memory[train]


class ImageLoader:
    """Batches `(X, y)` of images that wait in memory as one uint8 tensor.

    X has shape (batch, 1, height, width), float32 between 0 and 1; y holds
    int64 labels. Shuffling draws from torch's global generator, as a
    DataLoader does; the last batch may be smaller.
    """
    def __init__(self, images, labels, batch_size, resize, shuffle):
        self.images, self.labels = images, labels
        self.batch_size, self.resize, self.shuffle = (batch_size, resize,
                                                      shuffle)

    def __len__(self):
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self):
        n = len(self.labels)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for indices in order.to(self.labels.device).split(self.batch_size):
            yield (to_pixels(self.images[indices], self.resize),
                   self.labels[indices])

    def to(self, device):
        """The same loader with its images on `device`."""
        return ImageLoader(self.images.to(device), self.labels.to(device),
                           self.batch_size, self.resize, self.shuffle)


def to_pixels(images, resize):
    """uint8 images (n, 1, h, w) as float32 in [0, 1], of size `resize`.

    Interpolates bilinearly with antialiasing, as PIL does for d2l.
    """
    X = images.float() / 255
    if X.shape[-2:] == resize:
        return X
    return F.interpolate(X, size=resize, mode='bilinear', antialias=True)


class ImageDataset(torch.utils.data.Dataset):
    """Images one by one, `(X, label)` with X of shape (1, height, width)."""
    def __init__(self, images, labels, resize):
        self.data, self.targets, self.resize = images, labels, resize

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        i = range(len(self))[i]
        return (to_pixels(self.data[i:i + 1], self.resize)[0],
                int(self.targets[i]))


class FashionMNIST(d2l.DataModule):
    """Fashion-MNIST with the methods of `d2l.FashionMNIST` (d2l 4.2).

    In full mode all 60,000 training and 10,000 validation images; in quick
    mode 512 and 256 of the sample that ships with the course, or 128 and 64
    above 32x32 pixels (see `run_mode`). `resize` is (height, width) or one
    number for both. Pixels are those of `d2l.FashionMNIST` to within 2/255.

    Raises ValueError for a batch size or a size that is no positive whole
    number, and RuntimeError where the data set cannot be had.
    """
    def __init__(self, batch_size=64, resize=(28, 28)):
        super().__init__()
        size = (resize, resize) if isinstance(resize, int) else resize
        if not (isinstance(size, (tuple, list)) and len(size) == 2
                and all(_is_positive(n) for n in size)):
            raise ValueError(f'resize={resize} is not a size: give (height, '
                             f'width) in whole pixels, such as (96, 96).')
        resize = tuple(size)
        if not _is_positive(batch_size):
            raise ValueError(f'batch_size={batch_size} is not a positive '
                             f'whole number.')
        self.save_hyperparameters(ignore=['size'])
        self.mode = run_mode(resize)
        self.train, self.val = self._dataset(True), self._dataset(False)

    def _dataset(self, train):
        if self.mode == 'full':
            images, labels = _load_full(train)
        else:
            n = QUICK_IMAGES[train][max(self.resize) > 32]
            images, labels = (part[:n] for part in _load_sample(train))
        return ImageDataset(images, labels, self.resize)

    def __repr__(self):
        return (f'FashionMNIST({self.mode}: {len(self.train):,} training and '
                f'{len(self.val):,} validation images, {self.resize[0]}x'
                f'{self.resize[1]}, batches of {self.batch_size})')

    def facts(self):
        """What a record says of the data: name, sizes, SHA-256."""
        return {'dataset': 'Fashion-MNIST', 'train': len(self.train),
                'validation': len(self.val),
                'sha256': SHA256['train-images-idx3-ubyte']}

    def text_labels(self, indices):
        """The names of the classes with these indices, as a list."""
        return [LABELS[int(i)] for i in indices]

    def get_dataloader(self, train):
        """Batches of the training (shuffled) or the validation images."""
        part = self.train if train else self.val
        return ImageLoader(part.data, part.targets, self.batch_size,
                           self.resize, shuffle=train)

    def visualize(self, batch, nrows=1, ncols=8, labels=[]):
        """Show the first images of a batch `(X, y)` with their labels."""
        from helpers.figures import show_images
        X, y = batch
        n = nrows * ncols
        show_images(X[:n], labels or self.text_labels(y[:n]), num_cols=ncols)


def _is_positive(n):
    return isinstance(n, int) and not isinstance(n, bool) and n > 0
