"""Where the images come from: the sample, or the full data set, checked.

The full one is looked for in `$COURSE_DATA`, in the course's cache and in
Debian's package; else torchvision downloads it.
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
from filelock import FileLock

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


def load_images(train, mode, resize):
    """The images of a run mode, uint8 (n, 1, 28, 28), and int64 labels."""
    if mode == 'full':
        return load_full(train)
    n = QUICK_IMAGES[train][max(resize) > 32]
    return tuple(part[:n] for part in load_uint8_sample(train))


def load_uint8_sample(train):
    """The sample as it is stored: uint8 images and int64 labels."""
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
            warnings.warn(f'{error} Looking for another copy.', stacklevel=6)
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


def load_full(train):
    """All images, uint8 of shape (n, 1, 28, 28), and their int64 labels.

    Raises RuntimeError where the data set is neither found nor fetched.
    """
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
