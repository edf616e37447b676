"""What an editor meets: stale outputs, and the book that is served."""
import http.client
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

import check_chapter
from book import copy_sources
from conftest import ROOT, find_chapter

HELPED = ('from torch import nn\n'
          'from helpers import count_parameters\n'
          'count_parameters(nn.Linear(2, 3))')


def write_chapter(folder, name, source, shown):
    """A notebook with one cell and the result that it stores."""
    cell = v4.new_code_cell(source, execution_count=1, outputs=[
        v4.new_output('execute_result', {'text/plain': shown},
                      execution_count=1)])
    nbformat.write(v4.new_notebook(cells=[cell]), folder / f'{name}.ipynb')


def run_chapters(course):
    """The exit status of the tests of all chapters, and what is said."""
    process = subprocess.run(
        [sys.executable, '-m', 'pytest', 'chapters'], cwd=course, text=True,
        capture_output=True, env={**os.environ, 'PYTHONPATH': str(course)})
    return process.returncode, process.stdout


def test_outputs_that_became_stale_are_found_and_it_is_said_what_to_do(
        tmp_path):
    for name in 'conftest.py', 'pyproject.toml':
        shutil.copy(ROOT / name, tmp_path)
    for name in 'helpers', 'tools':
        shutil.copytree(ROOT / name, tmp_path / name)
    chapters = tmp_path / 'chapters'
    chapters.mkdir()
    # A cell was changed and not run again; a helper was; a cell was not.
    write_chapter(chapters, '9-1-edited', '1 + 2', '2')
    write_chapter(chapters, '9-2-helped', HELPED, '9')
    write_chapter(chapters, '9-3-as-it-was', '1 + 1', '2')
    helper = tmp_path / 'helpers' / 'measure.py'
    helper.write_text(helper.read_text().replace(
        'sum(p.numel()', '1 + sum(p.numel()'))
    status, told = run_chapters(tmp_path)
    assert status == 1 and '2 failed, 1 passed' in told, told
    assert 'as-it-was.ipynb prints' not in told
    for name, number in ('9-1-edited', '9-1'), ('9-2-helped', '9-2'):
        assert f'{name}.ipynb prints something else than it stores' in told
        assert f'run make refresh CHAPTER={number} and look' in told


@pytest.fixture
def served(tmp_path, tmp_path_factory):
    """A copy of the book as `make serve` does it: folder, log and address."""
    copy_sources(tmp_path, ['7-3'])
    shutil.copy(ROOT / 'conf.py', tmp_path)
    commands = subprocess.run(
        ['make', '-n', '--no-print-directory', 'serve', 'ARGS=--port 0',
         f'BIN={Path(sys.executable).parent}'], cwd=ROOT, text=True,
        capture_output=True, check=True).stdout.replace('\\\n', '')
    command = shlex.split(commands[commands.rindex('sphinx-autobuild'):])
    command.remove('--open-browser')
    command[0] = Path(sys.executable).parent / command[0]
    path = tmp_path_factory.mktemp('log') / 'log.txt'  # which is not watched
    log = open(path, 'w')
    process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log,
                               env={**os.environ, 'PYTHONUNBUFFERED': '1'})
    try:
        yield tmp_path, path, wait_for(lambda: re.search(
            r'http://[\d.]+:\d+', path.read_text()))[0]
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_for(find, seconds=600):
    """What `find` gives as soon as it is there; how long decides nothing."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = find()
        except (OSError, http.client.HTTPException):
            found = None  # such as a page that is being written
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f'{find} found nothing in {seconds} s.')


def test_what_is_saved_is_served(served):
    folder, log, address = served

    def read(page):
        with urllib.request.urlopen(f'{address}/{page}',
                                    timeout=120) as answer:
            return answer.read().decode()
    assert 'websocket' in wait_for(lambda: read('index.html')).lower()
    path = next((folder / 'chapters').glob('7-3-*.ipynb'))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source += '\n\nA sentence that was not there before.'
    nbformat.write(notebook, path)
    page = f'chapters/{path.stem}.html'
    wait_for(lambda: 'A sentence that was not there' in read(page))
    page = folder / 'glossary.md'
    page.write_text(page.read_text() + '\n\nAnother new sentence.\n')
    wait_for(lambda: 'Another new sentence.' in read('glossary.html'))
    changes = re.findall(r'Detected changes \((.*)\)',
                         log.read_text())
    assert changes and '_build' not in str(changes)  # what it wrote itself


def test_one_chapter_is_checked_alone(tmp_path, monkeypatch, capsys):
    path = shutil.copy(find_chapter('7-4'), tmp_path)
    cells = []
    monkeypatch.setattr(check_chapter.pytest, 'main',
                        lambda arguments: cells.append(arguments) or 0)
    assert check_chapter.check(Path(path)) == 0
    assert cells == [['-q', path]]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source += '\n\n[Nowhere](7-9-nothing.ipynb)'
    notebook.cells[2].outputs = []
    notebook.cells[2].source = 'x = 1  # ' + 'long ' * 20
    nbformat.write(notebook, path)
    assert check_chapter.check(Path(path)) == 1
    told = capsys.readouterr().out
    assert 'cross-reference target not found' in told
    assert 'cell 2' in told
    monkeypatch.setattr(check_chapter.pytest, 'main', lambda arguments: 1)
    assert check_chapter.check(find_chapter('7-4')) == 1
