"""The built book: strict, complete, and alone on the network."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

SOURCES = ['_config.yml', '_toc.yml', 'index.md', 'chapters', '_static',
           '_ext']


def build(folder):
    """Build a copy of the book as `make book` does: exit status and text."""
    with open(folder / 'log.txt', 'w+') as log:
        status = subprocess.run(
            [Path(sys.executable).parent / 'jupyter-book', 'build', '.', '-n',
             '-W', '--keep-going', '-q'], cwd=folder, stdout=log, stderr=log,
            timeout=300).returncode
        log.seek(0)
        return status, log.read()


def copy_sources(folder):
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """The HTML of every page, by name."""
    folder = tmp_path_factory.mktemp('book')
    copy_sources(folder)
    status, log = build(folder)
    assert status == 0, log
    html = folder / '_build' / 'html'
    return {str(path.relative_to(html)): path.read_text()
            for path in html.rglob('*.html') if '_static' not in path.parts}


def test_every_chapter_has_a_page(pages):
    for path in (ROOT / 'chapters').glob('*.ipynb'):
        assert f'chapters/{path.stem}.html' in pages


def test_no_page_loads_anything_from_elsewhere(pages):
    loads = re.compile(
        r'<(?:script|link|img|iframe|source)\b[^>]*?'
        r'(?:src|href)="(https?:)?//[^"]*"[^>]*>')
    for name, html in pages.items():
        found = [match[0] for match in loads.finditer(html)
                 if 'rel="canonical"' not in match[0]]
        assert not found, f'{name} loads {found}'


def test_mathematics_is_there_without_a_script(pages):
    html = pages['chapters/7-2-convolutions-for-images.html']
    assert html.count('class="katex"') > 10
    assert 'MathJax' not in html


def test_every_picture_has_an_alt_text_and_figures_a_size(pages):
    for name, html in pages.items():
        for tag in re.findall(r'<img\b[^>]*>', html):
            assert re.search(r'alt="[^"]{20,}"', tag), f'{name}: {tag}'
            if 'cell_output' not in tag and '_images/path' not in tag:
                assert re.search(r'width: \d+', tag), f'{name}: {tag}'


def test_boxes_are_marked(pages):
    html = pages['chapters/7-3-padding-and-stride.html']
    assert '<blockquote class="cost">' in html
    assert html.count('<blockquote class="correction">') >= 2


@pytest.mark.parametrize('mistake,message', [
    (r'$\frac{1}{2$', 'KaTeX parse error'),
    ('[a chapter](7-9-nothing.ipynb)', 'cross-reference target not found'),
    ('![A boot on a table](nothing.png)', 'image file not readable')])
def test_a_mistake_in_a_page_fails_the_build(tmp_path, mistake, message):
    copy_sources(tmp_path)
    (tmp_path / '_toc.yml').write_text('format: jb-book\nroot: index\n')
    (tmp_path / 'index.md').write_text(f'# A page\n\n{mistake}\n')
    status, log = build(tmp_path)
    assert status != 0 and message in log
