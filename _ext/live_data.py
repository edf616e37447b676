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

from PIL import Image

# Images of each class that the figures offer.
PER_CLASS = {'lenet': 2, 'batch': 15}
TRAINED = {'train': 100, 'val': 20}  # those on which a reader trains it


class _Weights(pickle.Unpickler):
    """A state_dict as torch saved it: its names, shapes and bytes only."""
    def __init__(self, archive):
        index, = (name for name in archive.namelist()
                  if name.endswith('/data.pkl'))
        self.archive, self.top = archive, index.removesuffix('data.pkl')
        super().__init__(io.BytesIO(archive.read(index)))

    def find_class(self, module, name):
        try:
            return {'OrderedDict': OrderedDict, 'FloatStorage': 4,
                    'LongStorage': 8,  # batches that a normalization saw
                    '_rebuild_tensor_v2': self._tensor}[name]
        except KeyError:
            raise pickle.UnpicklingError(
                f'{module}.{name} is no part of float32 weights.') from None

    def persistent_load(self, place):
        return place[1], self.archive.read(f'{self.top}data/{place[2]}')

    @staticmethod
    def _tensor(stored, offset, shape, strides, *_):
        size, storage = stored
        if offset or len(storage) != size * math.prod(shape):
            raise pickle.UnpicklingError('Weights share their memory.')
        places = (size * sum(map(int.__mul__, index, strides)) for index in
                  itertools.product(*map(range, shape)))  # in C order
        return shape, b''.join(storage[i:i + size] for i in places)


def _read_npy(data):
    """The shape and the bytes of an array that numpy saved, in C order."""
    start = 10 + struct.unpack('<H', data[8:10])[0]
    header = ast.literal_eval(data[10:start].decode())
    if data[:7] != b'\x93NUMPY\x01' or header['fortran_order'] or header[
            'descr'] != '|u1':
        raise ValueError('The sample is not of bytes as numpy saves them.')
    return header['shape'], data[start:]


def _constant(source, name):
    """What a name stands for in some code, without running it."""
    return next(ast.literal_eval(node.value) for node in ast.parse(source).body
                if isinstance(node, ast.Assign)
                and node.targets[0].id == name)


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
def network(folder, figure, weights):
    """A network's recorded weights, and validation images of the sample.

    Four bytes say how long the index is, a JSON text that names labels,
    weights with their shapes, and the images' classes; after it come the
    weights as float32, lowest byte first, and the images as bytes.
    """
    with zipfile.ZipFile(folder / 'results' / weights) as archive:
        weights = {
            name: part for name, part in _Weights(archive).load().items()
            if not name.endswith('num_batches_tracked')}
    places, images, classes = _images(folder, 'val', PER_CLASS[figure])
    labels = _constant((folder / 'helpers' / 'data.py').read_text(), 'LABELS')
    index = json.dumps({
        'labels': labels, 'classes': list(classes), 'images': places,
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


def _sums(folder, side):
    """The photograph's three channels, summed over side x side pixels."""
    with Image.open(folder / 'helpers' / 'photograph.png') as picture:
        width, height = picture.size
        channels = [channel.tobytes() for channel in picture.split()]
    corners = [i * width + j for i in range(0, height - side + 1, side)
               for j in range(0, width - side + 1, side)]
    return [[sum(sum(channel[corner + width * a:corner + width * a + side])
                 for a in range(side)) for corner in corners]
            for channel in channels]


@functools.cache
def kernels(folder):
    """Kernels: the photograph in grey, 96 x 82, exactly as 7.2 computes it.

    A pixel is the mean of two rows, two columns and three channels. Each is
    stored as the sum of these twelve bytes, in two bytes, the lowest first.
    """
    sums = [sum(pixel) for pixel in zip(*_sums(folder, 2))]
    return struct.pack(f'<{len(sums)}H', *sums)


@functools.cache
def mixer(folder):
    """Mixer: the boot and the pullover of 7.4 side by side, 28 x 56 bytes."""
    _, images, _ = _images(folder, 'val', 1)
    return b''.join(images[784 * label + 28 * i:784 * label + 28 * i + 28]
                    for i in range(28) for label in (9, 2))


@functools.cache
def photograph(folder):
    """The photograph in colour, 3 x 64 x 54 bytes: means of 3 x 3 pixels."""
    return bytes(round(pixel / 9) for channel in _sums(folder, 3)
                 for pixel in channel)


@functools.cache
def runs(folder):
    """Every recorded run of every network that the page compares, as JSON.

    Their names and order are those of the page; what it does not name comes
    last. As in `helpers.load_records`, a record without one learning rate for
    all of its runs is no network's. Losses keep six digits.
    """
    page = json.loads((folder / 'chapters' / 'compare.ipynb').read_text())
    # Where the page is reduced to its headings, there are none.
    names = next((_constant(''.join(cell['source']), 'NAMES')
                  for cell in page['cells']
                  if 'NAMES = ' in ''.join(cell['source'])), {})
    records = {path.stem: json.loads(path.read_text())
               for path in sorted((folder / 'results').glob('*.json'))}

    def called(name):  # alexnet-xavier: AlexNet, Xavier
        network, _, weights = name.rpartition('-')
        return names.get(name) or (f'{names[network]}, {weights.title()}'
                                   if network in names else name)

    return json.dumps([{
        'name': called(name),
        'runs': [{
            'seed': run['seed'],
            'machine': f'{run["device"]}, {run["precision"]}',
            'date': run['date'], 'commit': run['commit'][:8],
            **{key: [float(f'{epoch[key]:.6g}') for epoch in run['epochs']]
               for key in ('val_acc', 'val_loss', 'train_loss')}}
            for run in records[name]['runs']]}
        for name in sorted(records, key=[*names, *records].index)
        if 'lr' in records[name].get('hyperparameters', ())],
        separators=(',', ':')).encode()


def lenet_epochs(folder):
    """LeNet's weights while it was trained, as tools/lenet_epochs.py says."""
    return (folder / 'results' / 'lenet-epochs.bin').read_bytes()


@functools.cache
def cone(folder):
    """Cone: the first ankle boot of the sample, which 8.2 shows, 784 bytes."""
    return _images(folder, 'train', 1)[1][784 * 9:]


# The data of a figure, by its name.
DATA = {'lenet': functools.partial(network, figure='lenet',
                                   weights='lenet.pt'),
        'batch': functools.partial(network, figure='batch',
                                   weights='bn-lenet.pt'),
        'lenet-epochs': lenet_epochs, 'cone': cone, 'train': train,
        'runs': runs, 'kernels': kernels, 'mixer': mixer,
        'photograph': photograph}


def size(app, figure):
    """How many bytes of data a figure loads when its reader asks for them."""
    return (len(DATA[figure](Path(app.srcdir))) if figure in DATA else 0)


def write(app, error):
    """Put the data of the figures beside their modules."""
    folder = Path(app.outdir, '_static', 'live')
    for name, export in DATA.items() if not error and folder.is_dir() else ():
        try:
            data = export(Path(app.srcdir))
        except FileNotFoundError:  # a book without the page that shows them
            continue
        (folder / f'{name}.bin').write_bytes(data)
