"""What live figures show of this repository, exported when the book is built.

Read without torch or numpy, which building the book does not need.
"""
import ast
import functools
import gzip
import io
import itertools
import json
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

PER_CLASS = 2  # images of each class that LeNet alive offers
TRAINED = {'train': 100, 'val': 20}  # and those on which a reader trains it


class _Weights(pickle.Unpickler):
    """A state_dict as torch saved it: its names, shapes and bytes only."""
    def __init__(self, archive):
        index, = (name for name in archive.namelist()
                  if name.endswith('/data.pkl'))
        self.archive, self.top = archive, index.removesuffix('data.pkl')
        super().__init__(io.BytesIO(archive.read(index)))

    def find_class(self, module, name):
        try:
            return {'OrderedDict': OrderedDict, 'FloatStorage': 'float32',
                    '_rebuild_tensor_v2': self._tensor}[name]
        except KeyError:
            raise pickle.UnpicklingError(
                f'{module}.{name} is no part of float32 weights.') from None

    def persistent_load(self, place):
        return self.archive.read(f'{self.top}data/{place[2]}')

    @staticmethod
    def _tensor(storage, offset, shape, strides, *_):
        if offset or len(storage) != 4 * math.prod(shape):
            raise pickle.UnpicklingError('Weights share their memory.')
        places = (4 * sum(map(int.__mul__, index, strides)) for index in
                  itertools.product(*map(range, shape)))  # in C order
        return shape, b''.join(storage[i:i + 4] for i in places)


def _read_npy(data):
    """The shape and the bytes of an array that numpy saved, in C order."""
    start = 10 + struct.unpack('<H', data[8:10])[0]
    header = ast.literal_eval(data[10:start].decode())
    if data[:7] != b'\x93NUMPY\x01' or header['fortran_order'] or header[
            'descr'] != '|u1':
        raise ValueError('The sample is not of bytes as numpy saves them.')
    return header['shape'], data[start:]


def _read_labels(path):
    """The names of the classes, without running the module."""
    return next(ast.literal_eval(node.value)
                for node in ast.parse(path.read_text()).body
                if isinstance(node, ast.Assign)
                and node.targets[0].id == 'LABELS')


def _images(folder, part, per_class):
    """The first images of each class of the sample, a row having each class.

    Gives their places, the images as one text of bytes, and their classes.
    """
    with zipfile.ZipFile(folder / 'helpers' / 'sample.npz') as archive:
        (_, images), (_, classes) = (_read_npy(archive.read(
            f'{part}_{kind}.npy')) for kind in ('images', 'labels'))
    places = [[i for i, c in enumerate(classes) if c == label][:per_class]
              for label in sorted(set(classes))]
    places = [i for row in zip(*places) for i in row]
    return (places, b''.join(images[784 * i:784 * (i + 1)] for i in places),
            bytes(classes[i] for i in places))


@functools.cache
def lenet(folder):
    """LeNet alive: recorded weights, and validation images of the sample.

    Four bytes say how long the index is, a JSON text that names labels,
    weights with their shapes, and the images' classes; after it come the
    weights as float32, lowest byte first, and the images as bytes.
    """
    with zipfile.ZipFile(folder / 'results' / 'lenet.pt') as archive:
        weights = _Weights(archive).load()
    places, images, classes = _images(folder, 'val', PER_CLASS)
    index = json.dumps({
        'labels': _read_labels(folder / 'helpers' / 'data.py'),
        'classes': list(classes), 'images': places,
        'weights': {name: shape for name, (shape, _) in weights.items()}})
    index += ' ' * (-len(index) % 4)  # float32 begins at a multiple of 4
    return b''.join([struct.pack('<I', len(index)), index.encode(),
                     *(storage for _, storage in weights.values()), images])


@functools.cache
def train(folder):
    """Train it here: training images, then validation images, then labels.

    Each is a byte; packed by gzip, which browsers can unpack.
    """
    parts = [_images(folder, *part) for part in TRAINED.items()]
    return gzip.compress(b''.join([*(images for _, images, _ in parts),
                                   *(labels for *_, labels in parts)]),
                         mtime=0)


# The data of a figure, by its name.
DATA = {'lenet': lenet, 'train': train}


def size(app, figure):
    """How many bytes of data a figure loads when its reader asks for them."""
    return (len(DATA[figure](Path(app.srcdir))) if figure in DATA else 0)


def write(app, error):
    """Put the data of the figures beside their modules."""
    folder = Path(app.outdir, '_static', 'live')
    if not error and folder.is_dir():
        for name, export in DATA.items():
            (folder / f'{name}.bin').write_bytes(export(Path(app.srcdir)))
