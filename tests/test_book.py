"""The built book: strict, complete, and alone on the network."""
import ast
import base64
import io
import re
import subprocess
from importlib.metadata import packages_distributions

import nbformat
import pytest
from nbformat import v4
from PIL import Image

import colab
from book import build, copy_sources
from conftest import ROOT
from course import whole_sentences


@pytest.fixture(scope='module')
def pages(html):
    """The HTML of every page, by name."""
    return {str(path.relative_to(html)): path.read_text()
            for path in html.rglob('*.html') if '_static' not in path.parts}


def test_building_needs_nothing_but_what_is_installed_for_it():
    """The tests' environment has more: what _ext imports must be listed."""
    listed = {line.split('==')[0].lower() for line in (
        ROOT / 'requirements' / 'book.txt').read_text().split('\n')}
    owners = packages_distributions()
    for path in (ROOT / '_ext').glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                name = getattr(node, 'module', None) or node.names[0].name
                known = owners.get(name.split('.')[0], ())
                assert not known or listed & {one.lower() for one in known}, (
                    f'{path.name} imports {name}')


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


def test_every_picture_has_an_alt_text_and_a_size(pages):
    assert sum('_images/' in html for html in pages.values()) > 10
    for name, html in pages.items():
        for tag in re.findall(r'<img\b[^>]*_images/[^>]*>', html):
            # On the landing page the words of the same link say it.
            assert name == 'index.html' or re.search(
                r'alt="[^"]{20,}"', tag), f'{name}: {tag}'
            assert re.search(r'width[:=]', tag), f'{name}: {tag}'


def test_the_first_mention_of_a_term_leads_to_the_glossary(pages):
    def terms(name):
        return re.findall(r'<a class="term[^>]*#(term-[^"]*)">\s*(.*?)\s*</a>',
                          pages[f'chapters/{name}.html'], re.S)
    found = terms('8-4-googlenet')
    assert ('term-batch-normalization', 'batch normalization') in {
        (anchor, ' '.join(words.lower().split())) for anchor, words in found}
    assert any('He\u2019s rule' in words for _, words in found)
    assert len(found) == len({anchor for anchor, _ in found})
    assert not [words for _, words in terms('7-2-convolutions-for-images')
                if words == 'front']


def test_a_changed_term_is_linked_in_the_next_build(tmp_path):
    copy_sources(tmp_path)
    for path in (tmp_path / 'chapters').iterdir():
        path.unlink()
    (tmp_path / '_toc.yml').write_text(
        'format: jb-book\nroot: glossary\nchapters:\n- file: chapters/a\n')
    (tmp_path / 'chapters' / 'a.md').write_text('# A\n\nA stride is a step.\n')
    page = tmp_path / '_build' / 'html' / 'chapters' / 'a.html'
    for term in 'stride', 'step':
        (tmp_path / 'glossary.md').write_text(
            f'# Words\n\n```{{glossary}}\n{term}\n  A word.\n```\n')
        status, log = build(tmp_path)
        assert status == 0, log
        assert re.findall(r'#term-(\w+)"', page.read_text()) == [term]


def test_a_changed_style_is_in_the_next_build(tmp_path):
    copy_sources(tmp_path)
    (tmp_path / '_toc.yml').write_text('format: jb-book\nroot: index\n')
    (tmp_path / 'index.md').write_text('# A page\n')
    assert build(tmp_path)[0] == 0
    style = tmp_path / '_static' / 'course.css'
    style.write_text(style.read_text() + '.a-new-rule {}')
    assert build(tmp_path)[0] == 0
    built = tmp_path / '_build' / 'html' / '_static' / 'course.css'
    assert built.read_text().endswith('.a-new-rule {}')


def test_a_shared_link_says_whole_sentences_and_has_a_picture(pages):
    assert whole_sentences('One. Two is long.', 10) == 'One.'
    assert whole_sentences(r'A 5 \times 5 kernel. ' * 20, 40) == (
        'A 5×5 kernel. A 5×5 kernel.')
    assert whole_sentences('No end') == 'No end'
    for name, html in pages.items():
        if name.startswith('chapters/'):
            told = re.search(r'og:description" content="([^"]*)', html)[1]
            assert re.search(r'[.?!]$', told) and '...' not in told, told
            assert 'twitter:card' in html and 'og:image"' in html


def test_boxes_are_marked(pages):
    html = pages['chapters/7-3-padding-and-stride.html']
    assert '<blockquote class="cost">' in html
    assert html.count('<blockquote class="correction">') >= 2


def test_a_page_says_by_how_much_its_numbers_may_differ(tmp_path):
    copy_sources(tmp_path)
    for path in (tmp_path / 'chapters').iterdir():
        path.unlink()
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell('# A')] + [
        v4.new_code_cell(f'print({count}.5)', metadata=metadata, outputs=[
            v4.new_output('stream', text=f'{count}.5\n')])
        for count, metadata in enumerate((
            {}, {'tolerance': 0.02},
            {'tolerance': 0.005, 'tags': ['hide-output']}))],
        metadata={'language_info': {'name': 'python'}}),
        tmp_path / 'chapters' / 'a.ipynb')
    (tmp_path / '_toc.yml').write_text('format: jb-book\nroot: chapters/a\n')
    status, log = build(tmp_path)
    assert status == 0, log
    page = (tmp_path / '_build' / 'html' / 'chapters' / 'a.html').read_text()
    told = re.findall(r'<pre>(?:<span></span>)?(\d\.5)\n</pre></div>\n</div>\n'
                      r'<p class="tolerance">(.*?)</p>', page)
    assert told == [
        ('1.5', 'The numbers may differ by 0.02 on another machine.'),
        ('2.5', 'The numbers may differ by 0.005 on another machine.')]
    assert page.count('class="tolerance"') == 2
    hidden = page.partition('<details')[2]
    assert 'by 0.005' in hidden and 'by 0.02' not in hidden


def test_a_formula_that_is_none_fails_the_build(tmp_path):
    copy_sources(tmp_path)
    (tmp_path / '_toc.yml').write_text('format: jb-book\nroot: index\n')
    (tmp_path / 'index.md').write_text('# A page\n\n$\\frac{1}{2$\n')
    status, log = build(tmp_path)
    assert status != 0 and 'KaTeX parse error' in log


def test_each_mistake_in_a_page_fails_the_build(tmp_path):
    mistakes = {
        '[a chapter](7-9-nothing.ipynb)': 'cross-reference target not found',
        '[a section](#nowhere)': "cross-reference target not found: 'nowhere'",
        '{term}`a word`': "term not in glossary: 'a word'",
        '![A boot on a table](nothing.png)': 'image file not readable'}
    copy_sources(tmp_path)
    names = [f'page{i}' for i in range(len(mistakes))]
    for name, mistake in zip(names, mistakes):
        (tmp_path / f'{name}.md').write_text(f'# A page\n\n{mistake}\n')
    (tmp_path / '_toc.yml').write_text(
        'format: jb-book\nroot: page0\nchapters:\n' + ''.join(
            f'- file: {name}\n' for name in names[1:]))
    status, log = build(tmp_path)
    assert status != 0
    for name, message in zip(names, mistakes.values()):
        assert re.search(rf'{name}.md:.* WARNING: .*{re.escape(message)}',
                         log), f'{message} is not told of {name} in\n{log}'


def test_links_of_pages_and_of_their_code_are_asked(tmp_path):
    copy_sources(tmp_path)
    for path in (tmp_path / 'chapters').iterdir():
        path.unlink()
    nbformat.write(v4.new_notebook(cells=[
        v4.new_markdown_cell('# A\n\n[b](http://127.0.0.1:9/b)'),
        v4.new_code_cell('import torch\ntorch.eye(2)')],
        metadata={'language_info': {'name': 'python'}}),
        tmp_path / 'chapters' / 'a.ipynb')
    (tmp_path / '_toc.yml').write_text('format: jb-book\nroot: chapters/a\n')
    rules = tmp_path / '_ext' / 'code_links.py'
    rules.write_text(rules.read_text().replace(
        'https://docs.pytorch.org/docs/stable/', 'http://127.0.0.1:9/'))
    status, log = build(tmp_path, 'linkcheck')
    assert status != 0
    assert 'broken link: http://127.0.0.1:9/b' in log
    assert 'link: http://127.0.0.1:9/generated/torch.eye.html' in log


def png(mode):
    """A cell's output: a small picture, base64."""
    buffer = io.BytesIO()
    Image.new(mode, (8, 8)).save(buffer, 'png')
    return v4.new_output('display_data', {
        'image/png': base64.b64encode(buffer.getvalue()).decode()},
        metadata={'image/png': {'width': 4, 'height': 4}})


def figures_book(folder, *cells):
    """A book of one chapter; its build."""
    copy_sources(folder)
    for path in (folder / 'chapters').iterdir():
        path.unlink()
    nbformat.write(v4.new_notebook(
        cells=[v4.new_markdown_cell('# 7.1 A'), *cells],
        metadata={'language_info': {'name': 'python'}}),
        folder / 'chapters' / '7-1-a.ipynb')
    (folder / '_toc.yml').write_text(
        'format: jb-book\nroot: chapters/7-1-a\n')
    return build(folder)


def test_a_caption_and_its_picture_become_a_figure(tmp_path):
    alt = {'mystnb': {'image': {'alt': 'A small black square, alone.'}}}
    status, log = figures_book(
        tmp_path,
        v4.new_code_cell('show()', outputs=[png('L')], metadata=alt),
        v4.new_markdown_cell('**Figure 7.1.1.** A *square*.\n\nMore text.'),
        v4.new_code_cell('show()', outputs=[png('RGBA')], metadata=alt),
        v4.new_markdown_cell('As Figure 7.1.1 shows.'))
    assert status == 0, log
    html = (tmp_path / '_build/html/chapters/7-1-a.html').read_text()
    figure = re.search(r'<figure[^>]*id="figure-7-1-1".*?</figure>', html,
                       re.S)[0]
    assert re.search(r'<img[^>]*class="ink"', figure)
    assert 'caption-number' not in figure  # it has one
    assert '<strong>Figure 7.1.1.</strong> A <em>square</em>.' in figure
    assert html.count('A <em>square</em>') == 1
    assert re.search(r'<img[^>]*class="picture"', html)
    assert re.search(r'As <a[^>]*href="[^"]*#figure-7-1-1"[^>]*>Figure 7.1.1'
                     '</a> shows', html)


def test_a_figure_that_is_not_there_fails_the_build(tmp_path):
    status, log = figures_book(
        tmp_path, v4.new_markdown_cell('**Figure 7.1.1.** Nothing.'),
        v4.new_markdown_cell('As Figure 7.1.2 shows.'))
    assert status != 0
    assert 'is a caption without a figure' in log
    assert 'Figure 7.1.2 is mentioned and is not there' in log


def test_the_renderer_is_started_until_it_answers(tmp_path):
    from course import start_renderer
    tries = []

    def start(folder, timeout):
        tries.append(folder)
        if len(tries) < 3:
            raise ConnectionRefusedError
        return 'a process', 'a socket'

    assert start_renderer(tmp_path, 1, start) == ('a process', 'a socket')
    assert len(set(tries)) == 3 and all(path.is_dir() for path in tries)


@pytest.mark.parametrize('remote', [
    'https://github.com/someone/a-course.git', 'https://github.com/someone/'
    'a-course', 'git@github.com:someone/a-course.git'])
def test_links_follow_the_remote(tmp_path, remote):
    from course import find_repository
    git = ['git', '-C', tmp_path, '-c', 'user.name=a', '-c', 'user.email=b']
    assert find_repository(tmp_path, {}) is None
    for command in ('init -q -b draft', 'commit -q --allow-empty -m first',
                    f'remote add origin {remote}'):
        subprocess.run([*git, *command.split()], check=True)
    assert find_repository(tmp_path, {}) == ('someone/a-course', 'draft')
    assert find_repository(tmp_path, {
        'GITHUB_REPOSITORY': 'fork/a-course', 'GITHUB_REF_NAME': '7/merge',
        'GITHUB_BASE_REF': 'main'}) == ('fork/a-course', 'main')


def test_a_published_book_knows_its_address(tmp_path, monkeypatch):
    copy_sources(tmp_path, ['7-6'])
    for name, value in (('SITE_URL', 'https://someone.github.io/a-course'),
                        ('GITHUB_REPOSITORY', 'someone/a-course'),
                        ('GITHUB_REF_NAME', 'main'),
                        ('GITHUB_BASE_REF', '')):
        monkeypatch.setenv(name, value)
    status, log = build(tmp_path)
    assert status == 0, log
    html = tmp_path / '_build' / 'html'
    page = (html / 'chapters' / '7-6-lenet.html').read_text()
    at = 'https://someone.github.io/a-course'
    figure = re.search(r'<img [^>]*src="../(_images/[^"]*)"', page)[1]
    for text in (
            f'<link rel="canonical" href="{at}/chapters/7-6-lenet.html">',
            f'<meta property="og:image" content="{at}/{figure}" />',
            f'href="{colab.address("someone/a-course")}chapters/'
            '7-6-lenet.ipynb"',
            f'href="{colab.kaggle_address("someone/a-course")}chapters/'
            '7-6-lenet.ipynb"',
            'href="https://codespaces.new/someone/a-course"',
            'href="https://github.com/someone/a-course/edit/main/chapters/'
            '7-6-lenet.ipynb"'):
        assert text in page, text
    assert f'content="{at}/_static/card.png"' in (
        html / 'index.html').read_text()
    assert '<loc>' + at + '/chapters/7-6-lenet.html</loc>' in (
        html / 'sitemap.xml').read_text()
    assert 'href="/a-course/_static/' in (html / '404.html').read_text()
