"""What tools/setup.sh says when the machine is not ready."""
import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.fixture
def checkout(tmp_path):
    """A copy of what setup.sh reads, and a folder of programs it may find."""
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'bin').mkdir()
    shutil.copy(ROOT / 'tools' / 'setup.sh', tmp_path / 'tools')
    for name in ('requirements-book.txt', 'requirements.txt',
                 'requirements-no-deps.txt'):
        shutil.copy(ROOT / name, tmp_path)
    for name in ('dirname', 'rm', 'sh'):
        (tmp_path / 'bin' / name).symlink_to(shutil.which(name))
    return tmp_path


def program(checkout, name, script):
    path = checkout / 'bin' / name
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)


def setup(checkout, what='book', **environment):
    return subprocess.run(
        [shutil.which('sh'), 'tools/setup.sh', what], cwd=checkout, text=True,
        capture_output=True, env={'PATH': str(checkout / 'bin'),
                                  'HOME': os.environ.get('HOME', '/'),
                                  **environment})


def last_line(process):
    assert process.returncode == 1
    return process.stderr.strip().split('\n')[-1]


def test_a_python_that_is_too_old_is_named(checkout):
    program(checkout, 'python3', 'exit 1')  # says: not 3.11 to 3.13
    line = last_line(setup(checkout))
    assert line.startswith("No Python 3.11, 3.12 or 3.13 answers to 'python3'")
    assert 'PYTHON=' in line and not (checkout / '.venv').exists()


def test_a_wrong_choice_of_python_is_named(checkout):
    line = last_line(setup(checkout, PYTHON='/no/such/python'))
    assert "answers to '/no/such/python'" in line


def test_a_missing_venv_module_says_what_to_install(checkout):
    program(checkout, 'python3', f'[ "$2" = venv ] || exec {sys.executable} '
            '"$@"\nmkdir .venv; echo ensurepip is missing >&2; exit 1')
    line = last_line(setup(checkout))
    assert 'apt-get install python3-venv' in line
    assert not (checkout / '.venv').exists()


def test_a_failed_download_says_so_and_can_be_repeated(checkout):
    program(checkout, 'python3', f'exec {sys.executable} "$@"')
    offline = {'PIP_INDEX_URL': 'http://127.0.0.1:9/simple',
               'PIP_CONFIG_FILE': os.devnull, 'PIP_RETRIES': '0'}
    for _ in range(2):
        line = last_line(setup(checkout, **offline))
        assert line.startswith('Installing into .venv failed')
        assert 'run the same command again' in line


def test_uv_installs_where_a_build_of_torch_is_chosen(checkout):
    program(checkout, 'python3', f'exec {sys.executable} "$@"')
    program(checkout, 'uv', 'echo "$UV_TORCH_BACKEND $@"')
    process = setup(checkout, 'all', UV_TORCH_BACKEND='cpu')
    assert process.returncode == 0, process.stderr
    assert [line for line in process.stdout.split('\n')
            if line.startswith('cpu ')] == [
        f'cpu pip install -q --python .venv/bin/python {what}' for what in (
            '-r requirements.txt', '--no-deps -r requirements-no-deps.txt',
            '--no-deps --no-build-isolation -e .')]
    (checkout / 'bin' / 'uv').unlink()
    line = last_line(setup(checkout, 'all', UV_TORCH_BACKEND='cpu'))
    assert line.startswith('Installing into .venv failed')


def test_make_does_nothing_twice():
    """With the environment there, make book starts with building."""
    planned = subprocess.run(['make', '-n', 'book', 'test'], cwd=ROOT,
                             text=True, capture_output=True, check=True)
    ready = {'.venv/book-ready', '.venv/all-ready'}
    if not all((ROOT / name).exists() for name in ready):
        pytest.skip('make test has not made this environment')
    assert 'setup.sh' not in planned.stdout
