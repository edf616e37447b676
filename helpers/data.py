"""Fashion-MNIST, kept in memory as one tensor and handed out in batches.

The data set is by Xiao, Rasul and Vollgraf (2017), MIT licence.
"""
from pathlib import Path

import torch
from d2l import torch as d2l
from torch.nn import functional as F
from torchvision.io import decode_image

from helpers import fetch
from helpers.pictures import show_images

LABELS = ['t-shirt', 'trouser', 'pullover', 'dress', 'coat', 'sandal',
          'shirt', 'sneaker', 'bag', 'ankle boot']


def load_sample(train=False):
    """The sample that ships with the course: the same on every machine.

    Returns `(X, y)`: images of shape (4000 or 1000, 1, 28, 28), float32
    between 0 and 1, and int64 labels, as many of each class, the first ones
    of Fashion-MNIST's training or test set in their order.
    """
    images, labels = fetch.load_uint8_sample(train)
    return images.float() / 255, labels


def load_photograph():
    """A colour photograph, (3, 192, 164), float32 between 0 and 1.

    Commodore Grace M. Hopper in 1984, by James S. Davis of the U.S. Navy and
    so in the public domain; the channels are red, green and blue.
    """
    return decode_image(str(Path(__file__).with_name('photograph.png'))) / 255


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
    above 32x32 pixels (see `fetch.run_mode`). `resize` is (height, width)
    or one number for both. Pixels are those of `d2l.FashionMNIST` to within
    2/255.

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
        self.mode = fetch.run_mode(resize)
        self.train, self.val = self._dataset(True), self._dataset(False)

    def _dataset(self, train):
        images, labels = fetch.load_images(train, self.mode, self.resize)
        return ImageDataset(images, labels, self.resize)

    def __repr__(self):
        return (f'FashionMNIST({self.mode}: {len(self.train):,} training and '
                f'{len(self.val):,} validation images, {self.resize[0]}x'
                f'{self.resize[1]}, batches of {self.batch_size})')

    def facts(self):
        """What a record says of the data: name, sizes, SHA-256."""
        return {'dataset': 'Fashion-MNIST', 'train': len(self.train),
                'validation': len(self.val),
                'sha256': fetch.SHA256['train-images-idx3-ubyte']}

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
        X, y = batch
        n = nrows * ncols
        show_images(X[:n], labels or self.text_labels(y[:n]),
                    num_cols=ncols)


def _is_positive(n):
    return isinstance(n, int) and not isinstance(n, bool) and n > 0
