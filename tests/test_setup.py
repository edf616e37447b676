"""What tools/setup.sh does and says, on machines that are and are not ready.

No network is asked: uv is a stand-in that writes down how it was called, or
asks an index on loopback.
"""
import hashlib
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT

PROGRAMS = ('sh', 'dirname', 'rm', 'mkdir', 'touch', 'ls', 'cat', 'chmod',
            'sed', 'sleep', 'ln', 'awk')
# The least that setup.sh takes for a Python, and for uv.
PYTHON = '''
case $2 in
venv) mkdir -p $3/bin; ln -s $0 $3/bin/python ;;
pip) ln -s $HOME/bin/stand-in .venv/bin/uv ;;
esac'''
UV = '''
[ "$1" = --version ] && exit
echo "${UV_TORCH_BACKEND:-registry} $*" >>$HOME/uv.log
case "$*" in
*--dry-run*) exit ${UNREACHED:-0} ;;
*) mkdir -p .venv/lib/python3/site-packages/torch; exit ${FAILS:-0} ;;
esac'''


@pytest.fixture
def checkout(tmp_path):
    """A copy of what setup.sh reads, and a folder of programs it may find."""
    for folder in 'tools', 'bin', 'requirements':
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / 'tools' / 'setup.sh', tmp_path / 'tools')
    (tmp_path / 'requirements.txt').touch()
    for name in 'book', 'no-deps', 'lab', 'uv', 'colab':
        (tmp_path / 'requirements' / f'{name}.txt').touch()
    for name in PROGRAMS:
        (tmp_path / 'bin' / name).symlink_to(shutil.which(name))
    program(tmp_path, 'df', 'echo; echo / 0 0 99000000')
    program(tmp_path, 'uname', 'echo Linux')
    program(tmp_path, 'python3', PYTHON)
    program(tmp_path, 'stand-in', UV)
    return tmp_path


def program(checkout, name, script):
    path = checkout / 'bin' / name
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)


def settings(checkout, **environment):
    return {'cwd': checkout, 'text': True, 'env': {
        'PATH': str(checkout / 'bin'), 'HOME': str(checkout), **environment}}


def setup(checkout, what='all', **environment):
    return subprocess.run([shutil.which('sh'), 'tools/setup.sh', what],
                          capture_output=True,
                          **settings(checkout, **environment))


def calls(checkout):
    log = checkout / 'uv.log'
    return log.read_text().splitlines() if log.exists() else []


def last_line(process):
    assert process.returncode == 1, process.stdout
    return process.stderr.strip().split('\n')[-1]


@pytest.mark.parametrize('version,good', [
    ('3, 10', False), ('3, 11', True), ('3, 14', True), ('3, 15', False)])
def test_a_python_of_another_age_is_refused(checkout, version, good):
    program(checkout, 'python3', f'''
[ "$1" = -c ] && [ "$2" ] && exec {sys.executable} -c "import sys
sys.version_info = ({version})
exec(sys.argv[1])" "$2"
{PYTHON}''')
    process = setup(checkout, 'book')
    if good:
        assert process.returncode == 0, process.stderr
    else:
        assert last_line(process).startswith(
            "No Python 3.11, 3.12, 3.13 or 3.14 answers to 'python3 ")
        assert not (checkout / '.venv').exists()


def test_a_wrong_choice_of_python_is_named(checkout):
    line = last_line(setup(checkout, PYTHON='/no/such/python'))
    assert "answers to '/no/such/python'" in line and 'PYTHON=' in line


def test_a_shim_that_does_not_run_is_no_python_for_colab(checkout):
    program(checkout, 'python3.13', 'echo no version is set >&2; exit 127')
    line = last_line(setup(checkout, 'colab'))
    assert line.startswith('No Python 3.13, which Colab has, answers')
    assert 'COLAB_PYTHON=' in line


def test_a_missing_venv_module_says_what_to_install(checkout):
    program(checkout, 'python3',
            '[ "$2" != venv ] || { echo ensurepip is missing >&2; exit 1; }')
    process = setup(checkout)
    assert 'apt-get install python3-venv' in last_line(process)
    assert process.stderr.count('\n') == 1
    assert not (checkout / '.venv').exists()


def test_a_server_that_is_not_reached_leaves_nothing(checkout):
    """With the real pip, which fetches uv."""
    program(checkout, 'python3', f'exec {sys.executable} "$@"')
    (checkout / 'requirements' / 'uv.txt').write_text('uv==0.13.9\n')
    for _ in range(2):
        line = last_line(setup(
            checkout, PIP_INDEX_URL='http://127.0.0.1:9/simple',
            PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX='0'))
        assert line.startswith("The packages' server was not reached")
        assert 'run the same command again' in line
        assert not (checkout / '.venv').exists()


INSTALLED = ['pip install --python .venv/bin/python ' + what for what in (
    '-r requirements.txt', '--no-deps -r requirements/no-deps.txt',
    '--no-deps --no-build-isolation -e .')]


def test_without_a_card_the_small_build_of_torch_is_taken(checkout):
    process = setup(checkout)
    assert process.returncode == 0, process.stderr
    assert calls(checkout)[1:] == [f'auto {what}' for what in INSTALLED]
    assert 'torch for the CPU: 0.5 GB to fetch' in process.stdout


def test_where_its_index_is_not_reached_the_registrys_is_taken(checkout):
    process = setup(checkout, UNREACHED='2')
    assert process.returncode == 0, process.stderr
    assert calls(checkout)[1:] == [f'registry {what}' for what in INSTALLED]
    assert ("PyTorch's own index is not reached, which has a small build:\n"
            'torch for NVIDIA cards: 3.5 GB to fetch') in process.stdout


@pytest.mark.parametrize('unreached,build', [('0', 'auto'), ('2', 'registry')])
def test_with_a_driver_the_build_for_cards_is_taken(checkout, unreached,
                                                    build):
    program(checkout, 'nvidia-smi', 'exit 0')
    process = setup(checkout, UNREACHED=unreached)
    assert calls(checkout)[1].startswith(f'{build} ')
    assert 'torch for NVIDIA cards: 3.5 GB' in process.stdout
    assert 'not reached' not in process.stdout


def test_elsewhere_than_on_linux_there_is_one_build(checkout):
    program(checkout, 'uname', 'echo Darwin')
    assert setup(checkout).returncode == 0
    assert calls(checkout) == [f'registry {what}' for what in INSTALLED]


@pytest.mark.parametrize('what,needed', [('book', 1), ('all', 2)])
def test_a_disk_that_is_too_full_is_refused_before_anything_is_fetched(
        checkout, what, needed):
    program(checkout, 'df', f'echo; echo / 0 0 {needed - 1}900000')
    line = last_line(setup(checkout, what))
    assert line.startswith(f'This needs {needed} GB on the disk and there are '
                           f'{needed - 1}: make room')
    assert not [call for call in calls(checkout) if '--dry-run' not in call]
    program(checkout, 'df', f'echo; echo / 0 0 {needed}000000')
    assert setup(checkout, what).returncode == 0


def test_a_disk_that_fills_while_it_installs_is_begun_anew(checkout):
    line = last_line(setup(checkout, FAILS='2'))  # it left torch's folder
    assert line.startswith('Installing into .venv failed, see above: check '
                           'the network and the space on the disk')
    torch = checkout / '.venv/lib/python3/site-packages/torch'
    (torch / 'half').touch()
    assert setup(checkout).returncode == 0
    assert torch.exists() and not (torch / 'half').exists()


@pytest.mark.parametrize('where', ['venv', 'pip', 'uv'])
def test_what_was_killed_in_the_middle_is_begun_anew(checkout, where):
    script = {'venv': ('python3', PYTHON.replace('ln -s $0', 'sleep 9; ln -s '
                                                 '$0')),
              'pip': ('python3', PYTHON.replace('pip)', 'pip) sleep 9;')),
              'uv': ('stand-in', UV.replace('/torch;', '/torch; sleep 9;'))}
    program(checkout, *script[where])
    process = subprocess.Popen(
        [shutil.which('sh'), 'tools/setup.sh', 'all'], start_new_session=True,
        stdout=subprocess.DEVNULL, **settings(checkout))
    reached = checkout / '.venv' / {'venv': 'bin', 'pip': 'bin/python',
                                    'uv': 'lib/python3/site-packages'}[where]
    while not reached.exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half = checkout / '.venv' / 'half'
    half.touch()
    program(checkout, 'python3', PYTHON)
    program(checkout, 'stand-in', UV)
    assert setup(checkout).returncode == 0
    assert not half.exists()
    assert not (checkout / '.venv' / 'unfinished').exists()


class Index(http.server.BaseHTTPRequestHandler):
    """A package index with one package, sent whole or not."""
    def do_GET(self):
        wheel = self.server.wheel
        name = 'tiny-1-py3-none-any.whl'
        if self.path.endswith('.whl'):
            body, length = wheel[:self.server.sent], len(wheel)
        else:
            digest = hashlib.sha256(wheel).hexdigest()
            body = f'<a href="/{name}#sha256={digest}">{name}</a>'.encode()
            length = len(body)
        self.send_response(200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(length))
        self.end_headers()
        if self.command == 'GET':
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def index(tmp_path):
    with zipfile.ZipFile(tmp_path / 'tiny.whl', 'w') as wheel:
        for name, text in (('tiny.py', '#' * 100_000), (
                'tiny-1.dist-info/WHEEL', 'Wheel-Version: 1.0\nGenerator: a\n'
                'Root-Is-Purelib: true\nTag: py3-none-any\n'), (
                'tiny-1.dist-info/METADATA', 'Metadata-Version: 2.1\n'
                'Name: tiny\nVersion: 1\n'), ('tiny-1.dist-info/RECORD', '')):
            wheel.writestr(name, text)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Index)
    server.wheel, server.sent = (tmp_path / 'tiny.whl').read_bytes(), None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_download_broken_off_in_the_middle_installs_nothing(checkout,
                                                              index):
    """With the real uv, and an index that hangs up."""
    uv = Path(sys.executable).parent / 'uv'
    program(checkout, 'python3', f'''
[ "$2" = venv ] || exec {sys.executable} "$@"
{sys.executable} -m venv --without-pip $3 && ln -s {uv} $3/bin/uv''')
    (checkout / 'requirements' / 'book.txt').write_text('tiny\n')
    environment = {'UV_DEFAULT_INDEX': f'http://127.0.0.1:{index.server_port}',
                   'UV_HTTP_RETRIES': '0', 'UV_NO_CONFIG': '1'}
    index.sent = 50_000
    line = last_line(setup(checkout, 'book', **environment))
    assert line.startswith('Installing into .venv failed, see above')
    assert not list(checkout.glob('.venv/lib/*/site-packages/tiny*'))
    kept = checkout / '.venv' / 'kept'  # nothing was half-installed
    kept.touch()
    index.sent = None
    process = setup(checkout, 'book', **environment)
    assert process.returncode == 0, process.stderr
    assert list(checkout.glob('.venv/lib/*/site-packages/tiny.py'))
    assert kept.exists()


def test_make_does_nothing_twice():
    """With the environment there, make book starts with building."""
    ready = {'.venv/book-ready', '.venv/all-ready'}
    if not all((ROOT / name).exists() for name in ready):
        pytest.skip('make test has not made this environment')
    planned = subprocess.run(['make', '-n', 'book', 'test'], cwd=ROOT,
                             text=True, capture_output=True, check=True)
    assert 'setup.sh' not in planned.stdout


@pytest.mark.parametrize('command', [['tset'], ['test', 'CHAPTER=9-9']])
def test_a_target_or_chapter_that_is_not_there_names_the_chapters(command):
    process = subprocess.run(
        ['make', '-o', '.venv/all-ready', *command,
         f'BIN={Path(sys.executable).parent}'], cwd=ROOT, text=True,
        capture_output=True)
    assert process.returncode == 2
    assert re.search(r'There is no .* CHAPTER is one of 7-1.* 8-6',
                     process.stderr)
