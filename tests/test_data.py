"""The data: its pixels, its batches, and what happens when it is missing.

A small stand-in for the full data set is made from the sample, so that the
ways in which data is found and fetched are tested without network and without
the real files; where these are there, the real ones are tested too.
"""
import gzip
import hashlib
import http.server
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from d2l import torch as d2l
from PIL import Image
from torchvision import transforms

from helpers import FashionMNIST, fetch, load_photograph, load_sample

ROOT = Path(__file__).parent.parent
MIRROR = torchvision.datasets.FashionMNIST


def idx(array):
    """An array of uint8 in the IDX format of MNIST."""
    return (struct.pack('>HBB', 0, 8, array.ndim)
            + struct.pack(f'>{array.ndim}I', *array.shape) + array.tobytes())


def small_files():
    """The four files, with 200 and 100 images of the sample."""
    files = {}
    for train, kind, n in (True, 'train', 200), (False, 't10k', 100):
        X, y = load_sample(train)
        pixels = (X[:n, 0] * 255).round().to(torch.uint8)
        files[f'{kind}-images-idx3-ubyte'] = idx(pixels.numpy())
        files[f'{kind}-labels-idx1-ubyte'] = idx(
            y[:n].to(torch.uint8).numpy())
    return files


def write_files(folder, files, compress=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        if compress:
            (folder / f'{name}.gz').write_bytes(gzip.compress(raw))
        else:
            (folder / name).write_bytes(raw)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The small data set takes the full one's place; nothing has it yet."""
    files = small_files()
    monkeypatch.setattr(fetch, 'SHA256', {
        name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()})
    monkeypatch.setattr(fetch, '_in_memory', {})
    monkeypatch.setattr(fetch, 'DEBIAN', tmp_path / 'no-debian')
    monkeypatch.setattr(MIRROR, 'mirrors', ['http://127.0.0.1:9/'])
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('COURSE_RUN', 'full')
    return files


@pytest.fixture
def mirror(small, monkeypatch, tmp_path):
    """A server on loopback from which torchvision downloads `small`."""
    folder = tmp_path / 'mirror'
    write_files(folder, small)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            asked.add(self.path)  # torchvision asks twice for each

    asked = set()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(MIRROR, 'mirrors', [
        f'http://127.0.0.1:{server.server_port}/'])
    monkeypatch.setattr(MIRROR, 'resources', [
        (f'{name}.gz', hashlib.md5(
            (folder / f'{name}.gz').read_bytes()).hexdigest())
        for name in small])
    yield folder, asked
    server.shutdown()
    server.server_close()


def cached():
    return {name: (fetch.cache_folder() / name).read_bytes()
            for name in fetch.SHA256}


# What the data is

def test_sample_is_balanced_and_has_its_shape():
    for train, n in (True, 4000), (False, 1000):
        X, y = load_sample(train)
        assert X.shape == (n, 1, 28, 28) and X.dtype == torch.float32
        assert (X.min(), X.max()) == (0, 1)
        assert torch.bincount(y).tolist() == [n // 10] * 10


def test_the_photograph_is_what_its_file_holds():
    X = load_photograph()
    assert X.shape == (3, 192, 164) and X.dtype == torch.float32
    with Image.open(ROOT / 'helpers' / 'photograph.png') as photograph:
        for x, y in (0, 0), (163, 191), (40, 100):
            assert (X[:, y, x] * 255).round().int().tolist() == list(
                photograph.getpixel((x, y)))


def has_full_data():
    try:
        fetch._read_idx(fetch.cache_folder())
    except (OSError, ValueError):
        return fetch.DEBIAN.exists()
    return True


@pytest.mark.skipif(not has_full_data(), reason='needs the full data set')
def test_sample_is_what_the_tool_makes_from_the_full_data():
    from make_sample import make_sample
    with np.load(ROOT / 'helpers' / 'sample.npz') as sample:
        for name, array in make_sample().items():
            assert np.array_equal(sample[name], array)


@pytest.mark.parametrize('resize', [(28, 28), (96, 96), (224, 224),
                                    (14, 14), (32, 48)])
def test_pixels_are_those_of_d2l(resize):
    """d2l resizes each image with PIL and then turns it into a tensor."""
    ours = FashionMNIST(batch_size=64, resize=resize)
    theirs = transforms.Compose([transforms.ToPILImage(),
                                 transforms.Resize(resize),
                                 transforms.ToTensor()])
    expected = torch.stack([theirs(image) for image in ours.val.data[:64]])
    X, _ = next(iter(ours.val_dataloader()))
    assert X.shape == (64, 1, *resize) and X.dtype == torch.float32
    assert (X - expected).abs().max() <= 2 / 255
    torch.testing.assert_close(ours.val[3][0], X[3])


def test_quick_mode_takes_a_few_hundred_images():
    quick = FashionMNIST(batch_size=100)
    assert (len(quick.train), len(quick.val)) == (512, 256)
    assert [len(y) for _, y in quick.val_dataloader()] == [100, 100, 56]
    assert len(quick.train_dataloader()) == 6
    large = FashionMNIST(resize=33)
    assert (len(large.train), len(large.val)) == (128, 64)


def test_every_epoch_has_every_image_once_in_another_order():
    loader = FashionMNIST(batch_size=100).get_dataloader(train=True)
    torch.manual_seed(0)
    epochs = [torch.cat([y for _, y in loader]) for _ in range(2)]
    assert not torch.equal(*epochs)
    assert torch.equal(epochs[0].bincount(), epochs[1].bincount())
    torch.manual_seed(0)
    assert torch.equal(torch.cat([y for _, y in loader]), epochs[0])


def test_it_has_the_methods_of_d2l():
    ours = FashionMNIST(batch_size=8)
    assert isinstance(ours, d2l.DataModule)
    assert ours.text_labels([0, 9]) == ['t-shirt', 'ankle boot']
    X, label = ours.train[0]
    assert X.shape == (1, 28, 28) and isinstance(label, int)
    with pytest.raises(IndexError):
        ours.train[512]
    ours.visualize(next(iter(ours.val_dataloader())))


@pytest.mark.parametrize('resize', [0, (28,), (28, 28, 1), (0, 28),
                                    (28.5, 28), None, 'big', True])
def test_a_wrong_size_is_an_error(resize):
    with pytest.raises(ValueError, match='is not a size'):
        FashionMNIST(resize=resize)


@pytest.mark.parametrize('batch_size', [0, -1, 2.5, None])
def test_a_wrong_batch_size_is_an_error(batch_size):
    with pytest.raises(ValueError, match='batch_size'):
        FashionMNIST(batch_size=batch_size)


def test_one_number_is_both_sides():
    assert FashionMNIST(resize=96).resize == (96, 96)


def test_an_unknown_run_mode_is_an_error_that_lists_both(monkeypatch):
    monkeypatch.setenv('COURSE_RUN', 'fast')
    with pytest.raises(ValueError, match="COURSE_RUN=fast.*'full'.*'quick'"):
        FashionMNIST()


def test_run_mode_without_a_choice_is_full_for_small_images(monkeypatch):
    monkeypatch.delenv('COURSE_RUN')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert fetch.run_mode((28, 28)) == 'full'
    assert fetch.run_mode((96, 96)) == 'quick'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert fetch.run_mode((96, 96)) == 'full'


# Where it is found

def check_small_is_loaded():
    loaded = FashionMNIST(batch_size=50)
    assert (len(loaded.train), len(loaded.val)) == (200, 100)
    X, y = load_sample(False)
    assert torch.equal(loaded.val.targets, y[:100])
    torch.testing.assert_close(loaded.val[7][0], X[7])


@pytest.mark.parametrize('compress', [True, False])
def test_own_folder(small, tmp_path, monkeypatch, compress):
    write_files(tmp_path / 'own', small, compress)
    monkeypatch.setenv('COURSE_DATA', str(tmp_path / 'own'))
    check_small_is_loaded()


@pytest.mark.parametrize('fault', ['missing', 'altered', 'truncated', 'bad'])
def test_a_bad_own_folder_is_an_error_and_stays_as_it_is(
        small, tmp_path, monkeypatch, fault):
    own, name = tmp_path / 'own', 't10k-images-idx3-ubyte'
    write_files(own, small)
    path = own / f'{name}.gz'
    if fault == 'missing':
        path.unlink()
    elif fault == 'altered':
        path.write_bytes(gzip.compress(b'something else'))
    elif fault == 'truncated':
        path.write_bytes(path.read_bytes()[:-100])
    else:  # a byte that begins no block
        content = path.read_bytes()
        path.write_bytes(content[:10] + b'\xff' + content[11:])
    before = sorted((p.name, p.read_bytes()) for p in own.iterdir())
    monkeypatch.setenv('COURSE_DATA', str(own))
    with pytest.raises(RuntimeError, match=f'COURSE_DATA=.*{name}'):
        FashionMNIST()
    assert before == sorted((p.name, p.read_bytes()) for p in own.iterdir())


def test_debians_package(small, tmp_path):
    write_files(tmp_path / 'no-debian', small)
    check_small_is_loaded()
    assert not fetch.cache_folder().exists()


def test_download_is_checked_and_cached(mirror):
    folder, asked = mirror
    check_small_is_loaded()
    assert asked == {f'/{name}.gz' for name in fetch.SHA256}
    asked.clear()
    fetch._in_memory.clear()
    check_small_is_loaded()
    assert not asked
    assert sorted(p.name for p in fetch.cache_folder().iterdir()
                  if not p.name.startswith('.')) == sorted(fetch.SHA256)


@pytest.mark.parametrize('fault', ['altered', 'truncated'])
def test_a_bad_file_in_the_cache_is_named_and_fetched_again(
        mirror, small, fault):
    name = 'train-labels-idx1-ubyte'
    bad = (b'x' * len(small[name]) if fault == 'altered'
           else small[name][:-1])
    write_files(fetch.cache_folder(), {**small, name: bad}, compress=False)
    with pytest.warns(UserWarning) as warned:
        check_small_is_loaded()
    message = str(warned[0].message)
    assert name in message and fetch.SHA256[name] in message
    assert hashlib.sha256(bad).hexdigest() in message
    assert len(mirror[1]) == 4
    assert cached() == small


def test_a_bad_download_is_an_error_and_replaces_nothing(
        mirror, small, monkeypatch):
    folder, _ = mirror
    name = 'train-images-idx3-ubyte'
    good = {key: raw for key, raw in small.items() if key != name}
    write_files(fetch.cache_folder(), good, compress=False)
    path = folder / f'{name}.gz'
    path.write_bytes(gzip.compress(small[name][:-1] + b'x'))
    monkeypatch.setattr(MIRROR, 'resources', [
        (file, hashlib.md5((folder / file).read_bytes()).hexdigest())
        for file, _ in MIRROR.resources])
    with pytest.raises(RuntimeError, match=f'{name}.*{fetch.SHA256[name]}'):
        FashionMNIST()
    assert {p.name for p in fetch.cache_folder().iterdir()} == {
        *good, '.lock'}
    assert all((fetch.cache_folder() / key).read_bytes() == raw
               for key, raw in good.items())


def test_no_network_names_three_ways_and_quick_mode_works(
        small, monkeypatch):
    with pytest.raises(RuntimeError) as error:
        FashionMNIST()
    for word in ('COURSE_DATA', 'dataset-fashion-mnist', 'network',
                 'COURSE_RUN=quick'):
        assert word in str(error.value)
    assert '\n' not in str(error.value)
    monkeypatch.setenv('COURSE_RUN', 'quick')
    assert len(FashionMNIST().train) == 512


def test_a_cache_that_cannot_be_written_is_one_sentence(
        mirror, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with pytest.raises(RuntimeError, match='could not be fetched into'):
        FashionMNIST()
    assert (tmp_path / 'file').read_text() == ''


# In a process of its own: what the system does to it

def child(mirror, small, tmp_path, before=''):
    """A process that loads the small data set from the mirror."""
    folder, _ = mirror
    code = f'''
import resource, torchvision
from pathlib import Path
from helpers import FashionMNIST, fetch
fetch.SHA256 = {fetch.SHA256!r}
fetch.DEBIAN = Path({str(tmp_path / "no-debian")!r})
torchvision.datasets.FashionMNIST.mirrors = {MIRROR.mirrors!r}
torchvision.datasets.FashionMNIST.resources = {MIRROR.resources!r}
{before}
print('ready', flush=True)
print(len(FashionMNIST().train))
'''
    return subprocess.Popen([sys.executable, '-c', code], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**os.environ, 'COURSE_RUN': 'full'})


def test_two_processes_fetch_at_once(mirror, small, tmp_path):
    both = [child(mirror, small, tmp_path) for _ in range(2)]
    for process in both:
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0 and '200' in out, error
    assert cached() == small


def test_a_process_killed_while_fetching_leaves_a_clean_start(
        mirror, small, tmp_path):
    # It is killed when it has two of the four files.
    process = child(mirror, small, tmp_path, before='''
import os, signal
original = torchvision.datasets.mnist.download_and_extract_archive
def download(url, *args, **kwargs):
    if 't10k' in url:
        os.kill(os.getpid(), signal.SIGKILL)
    original(url, *args, **kwargs)
torchvision.datasets.mnist.download_and_extract_archive = download
''')
    process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL
    assert list((fetch.cache_folder() / 'partial').rglob('train-*'))
    assert not list(fetch.cache_folder().glob('train-*'))
    check_small_is_loaded()
    assert not (fetch.cache_folder() / 'partial').exists()
    assert cached() == small


def test_a_full_disk_is_one_sentence_with_nothing_half_written(
        mirror, small, tmp_path):
    # No file may grow beyond 50 kB: writing fails as on a full disk.
    process = child(mirror, small, tmp_path, before='''
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
''')
    _, error = process.communicate(timeout=600)
    last = error.strip().split('\n')[-1]
    assert process.returncode == 1
    assert last.startswith('RuntimeError: Fashion-MNIST') and (
        'File too large' in last)
    assert [p.name for p in fetch.cache_folder().iterdir()] == ['.lock']
