"""Chapters in Colab: what their first cell does, and that the others run.

`make colab-test` runs every chapter with Colab's own versions.
"""
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from colab import FIRST_CELL, prepare
from conftest import ROOT, find_chapter
from try_colab import run_chapter, serve_repository, write_kernel

COMMIT = '0123456789' * 4
CHAPTERS = sorted((ROOT / 'chapters').glob('*.ipynb'))


def run_first_cell(source):
    """Execute the cell as IPython does: the lines that pip was given."""
    lines = []
    names = {}

    def run_line_magic(magic, line):
        lines.append(f'{magic} {line}'.format(**names))
    names['get_ipython'] = lambda: types.SimpleNamespace(
        run_line_magic=run_line_magic)
    exec(TransformerManager().transform_cell(source), names)
    return lines


@pytest.fixture(params=['Colab', 'Kaggle'])
def colab(monkeypatch, request):
    """As in a new runtime, which knows what it is; helpers are not there."""
    if request.param == 'Colab':
        monkeypatch.setitem(sys.modules, 'google.colab', types.ModuleType('x'))
    else:
        monkeypatch.setenv('KAGGLE_KERNEL_RUN_TYPE', 'Interactive')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)


def prepared(path=None, repository='someone/a-course', commit=COMMIT):
    notebook = json.loads((path or CHAPTERS[0]).read_text())
    prepare(notebook, repository, commit)
    return notebook


def test_elsewhere_the_first_cell_does_nothing():
    assert run_first_cell(FIRST_CELL) == []
    assert run_first_cell(''.join(prepared()['cells'][0]['source'])) == []


def test_it_fetches_what_the_page_was_built_from_and_only_once(
        colab, monkeypatch):
    source = ''.join(prepared()['cells'][0]['source'])
    assert run_first_cell(source) == [
        'pip install -q --no-deps d2l==1.0.3 '
        f'git+https://github.com/someone/a-course@{COMMIT}']
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: 'is there')
    assert run_first_cell(source) == []


def test_a_copy_that_was_never_published_says_so(colab):
    with pytest.raises(RuntimeError, match='open the chapter with a button'):
        run_first_cell(FIRST_CELL)


@pytest.mark.parametrize('repository,commit,message', [
    ('', COMMIT, 'is no repository: say owner/name'),
    ("a/b'; x", COMMIT, 'is no repository'), ('a/b', 'main', 'is no commit')])
def test_an_address_that_is_none_is_refused(repository, commit, message):
    with pytest.raises(SystemExit, match=message):
        prepared(None, repository, commit)


def test_a_chapter_without_the_cell_is_refused():
    with pytest.raises(SystemExit, match='run make refresh'):
        prepare({'cells': [{'source': ['import torch']}]}, 'a/b', COMMIT)


@pytest.mark.parametrize('path', CHAPTERS, ids=lambda path: path.stem[:3])
def test_every_link_of_a_chapter_leads_somewhere_in_colab(path):
    """Links to chapters open these in Colab; there are no others that need a
    site, no pictures in files, and no directives or roles of Sphinx."""
    cells = prepared(path)['cells']
    text = '\n'.join(''.join(cell['source']) for cell in cells
                     if cell['cell_type'] == 'markdown')
    text = re.sub(r'```.*?```|`[^`]*`', '', text, flags=re.S)
    for target in re.findall(r'\]\(([^)]*)\)', text):
        assert target.startswith('https://'), target
        if 'colab' in target:
            assert target.startswith('https://colab.research.google.com/'
                                     'github/someone/a-course/blob/colab/')
            assert (ROOT / target.split('/colab/')[1]).exists(), target
    assert not re.search(r'^:::|^```\{|\{\w+\}`', text, re.M)


def test_the_tool_changes_the_chapters_where_it_is_run(tmp_path):
    shutil.copytree(ROOT / 'chapters', tmp_path / 'chapters')
    subprocess.run([sys.executable, ROOT / 'tools' / 'colab.py', 'a/b',
                    COMMIT], cwd=tmp_path, check=True)
    for path in CHAPTERS:
        changed = tmp_path / 'chapters' / path.name
        assert json.loads(changed.read_text()) == prepared(path, 'a/b')
        before, after = (set(file.read_text().split('\n'))
                         for file in (path, changed))
        assert len(after - before) < 25  # and not every line of the file


def test_a_chapter_runs_in_an_empty_folder(tmp_path, monkeypatch):
    """With this environment's torch, and helpers fetched from a git server."""
    environment = tmp_path / 'environment'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip',
                    environment], check=True)
    there = next((environment / 'lib').glob('python*/site-packages'))
    for package in Path(pytest.__file__).parents[1].iterdir():
        if 'cnn_course' not in package.name:  # the installed helpers
            (there / package.name).symlink_to(package)
    # The packages that build helpers are in this environment.
    monkeypatch.setenv('PIP_NO_BUILD_ISOLATION', '0')
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path))
    monkeypatch.delenv('PYTHONPATH', raising=False)
    commit = serve_repository(tmp_path)
    write_kernel(tmp_path, environment / 'bin' / 'python')
    notebook, _ = run_chapter(find_chapter('7-6'), commit, tmp_path)
    assert (there / 'helpers' / 'sample.npz').exists()
    printed = str([cell.get('outputs') for cell in notebook.cells])
    assert 'Quick run: ' in printed and 'image/png' in printed
    assert os.listdir(tmp_path / 'content' / '7-6-lenet') == []
