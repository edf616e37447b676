"""The built site in a real browser, served on loopback."""
import gzip
import itertools
import json
import re
import shutil
from urllib.parse import quote, unquote, urldefrag, urljoin, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from PIL import Image
from pypdf import PdfReader

from book import build, copy_sources
from browser import chromium, served
from conftest import ROOT, find_chapter
from print_book import print_book

PAGES = (['index', 'recall', 'glossary', 'errata', 'references', 'search',
          '404']
         + [f'chapters/{path.stem}'
            for path in sorted((ROOT / 'chapters').glob('*.ipynb'))])
WIDTHS = {'phone': 360, 'desktop': 1280}
MAX_WEIGHT = 165_000  # bytes, gzip, of HTML, styles, scripts and fonts
LENET, KERNELS = 'chapters/7-6-lenet', 'chapters/7-2-convolutions-for-images'


@pytest.fixture(scope='module')
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope='module')
def site(html):
    with served(html) as address:
        yield address


class Visit:
    """A page in a context of its own, and what happened while it loaded."""
    def __init__(self, browser, address, **settings):
        self.problems, self.responses = [], []
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        self.page.on('console', lambda message: self.problems.append(
            message.text) if message.type in ('error', 'warning') else None)
        self.page.on('pageerror',
                     lambda error: self.problems.append(str(error)))
        # What is broken off since the reader goes on is no fault.
        self.page.on('requestfailed', lambda request: self.problems.append(
            request.url) if request.failure != 'net::ERR_ABORTED' else None)
        self.page.on('response',
                     lambda response: self.responses.append(response))
        self.host = urlsplit(address).netloc
        self.page.goto(address)

    def outside(self):
        """The addresses on other hosts that were asked."""
        return [response.url for response in self.responses
                if urlsplit(response.url).netloc != self.host]

    def weight(self, html):
        """The bytes, gzip, of what was loaded from the folder but pictures."""
        files = {html / urlsplit(response.url).path.lstrip('/')
                 for response in self.responses}
        return sum(len(gzip.compress(path.read_bytes())) for path in files
                   if path.suffix in ('.html', '.css', '.js', '.woff2'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def overflow(page):
    """By how many pixels the page, its column or a section is too wide.

    A formula at the end of a line may stand over by two: KaTeX's `vlist-s`.
    """
    return page.evaluate('''Math.max(...[document.documentElement,
        ...document.querySelectorAll('.content, article section')].map(
            box => box.scrollWidth - box.clientWidth
                   - (box.matches('section') ? 2 : 0)))''')


def axe(page, part=None, **options):
    """What axe finds on the page, or in a part of it; empty if nothing."""
    found = Axe().run(page, part, {'resultTypes': ['violations'], **options})
    return found.generate_report() if found.violations_count else ''


@pytest.mark.parametrize('name,width', itertools.product(PAGES, WIDTHS))
def test_every_page(browser, site, html, name, width):
    with Visit(browser, f'{site}/{name}.html', color_scheme='light',
               viewport={'width': WIDTHS[width], 'height': 900}) as visit:
        # The colours of code have a test of their own, and are slow to check.
        visit.page.evaluate("""document.querySelectorAll('pre').forEach(
            pre => { pre.textContent = pre.textContent; })""")
        assert not axe(visit.page)
        assert overflow(visit.page) <= 0
        visit.page.emulate_media(color_scheme='dark')
        if width == 'desktop':  # which colours there are is the same on both
            assert not axe(visit.page, runOnly=['color-contrast'])
        assert overflow(visit.page) <= 0
        assert not visit.problems
        assert not visit.outside()
        assert visit.weight(html) <= MAX_WEIGHT


@pytest.mark.parametrize('theme', ['light', 'dark'])
def test_code_can_be_read(browser, site, theme):
    with Visit(browser, f'{site}/{LENET}.html', color_scheme=theme) as visit:
        assert not axe(visit.page, runOnly=['color-contrast'])


def test_links_and_anchors_lead_somewhere(html):
    pages = {path: BeautifulSoup(path.read_text(), 'html.parser')
             for path in html.rglob('*.html') if '_static' not in path.parts}
    anchors = {path: {tag['id'] for tag in page.find_all(id=True)}
               for path, page in pages.items()}
    dead = []
    for path, page in pages.items():
        base = '/' + str(path.relative_to(html))
        for link in page.find_all('a', href=True):
            if urlsplit(link['href']).scheme:
                continue
            address, anchor = urldefrag(urljoin(base, link['href']))
            target = html / unquote(urlsplit(address).path).lstrip('/')
            if target.is_dir():
                target /= 'index.html'
            if not target.exists() or (
                    anchor and target in anchors
                    and unquote(anchor) not in anchors[target]):
                dead.append(f'{base}: {link["href"]}')
    assert not dead, dead


@pytest.mark.parametrize('words,title', [
    ('receptive field', '7.2 Convolutions for images'),
    ('stride', '7.3 Padding and stride'),
    ('grouped convolution', '8.6 ResNet and ResNeXt'),
    ('vanishing gradient', 'Glossary'), ('dilation', '7.3'),
    ('receptive field formula', '7.2'), ('skip connection', 'Glossary'),
    ('parameters of vgg', '8.2 VGG'), ('translation invariance', '7.5'),
    ('batchnorm', 'Glossary'), ('1×1', '7.4'), ('depthwise', 'Glossary'),
    ('convlution', '7.2'), ('recptive feild', '7.2')])
def test_search_finds_the_right_page(browser, site, words, title):
    with Visit(browser, f'{site}/index.html') as visit:
        visit.page.locator('input[name=q]').first.fill(words)
        visit.page.keyboard.press('Enter')
        results = visit.page.locator('#search-results li a')
        results.first.wait_for()
        visit.page.wait_for_function(
            "document.querySelector('.search-summary').textContent"
            ".includes('matching')")
        assert any(title in text for text in results.all_inner_texts()[:3])
        assert not visit.problems


@pytest.mark.parametrize('words,place', [
    ('im2col', '#a-convolution-is-a-matrix-product'),
    ('1×1', '#the-1x1-convolution'), ('dead units', '#dead-units'),
    ('receptve field', '#feature-maps-and-receptive-fields')])
def test_a_result_leads_to_its_section(browser, site, words, place):
    with Visit(browser, f'{site}/search.html?q={quote(words)}') as visit:
        link = visit.page.locator(f'#search-results a[href$="{place}"]')
        link.first.wait_for()
        assert ' > ' in link.first.inner_text()
        link.click()  # it is the only one
        heading = visit.page.locator(place).get_by_role('heading').first
        heading.wait_for()
        visit.page.wait_for_function(
            'place => Math.abs(document.querySelector(place)'
            '.getBoundingClientRect().y) < 150', arg=place)
        assert not visit.problems


def test_the_theme_can_be_changed_and_is_kept(browser, site):
    with Visit(browser, f'{site}/index.html', color_scheme='light') as visit:
        page = visit.page
        color = 'getComputedStyle(document.body).backgroundColor'
        light = page.evaluate(color)
        page.locator('.theme-toggle:visible').click()
        dark = page.evaluate(color)
        assert dark != light
        page.goto(f'{site}/{LENET}.html')
        assert page.evaluate(color) == dark
        page.locator('.theme-toggle:visible').click()  # as the system has it
        assert page.evaluate(color) == light


def test_the_copy_button_copies_the_cell(browser, site):
    cells = [cell for cell in nbformat.read(find_chapter('7-2'), 4).cells[1:]
             if cell.cell_type == 'code']
    with Visit(browser, f'{site}/{KERNELS}.html', permissions=[
            'clipboard-read', 'clipboard-write']) as visit:
        code = visit.page.locator('div.cell_input').nth(1)
        code.hover()
        code.locator('button.copybtn').click()
        copied = visit.page.evaluate('navigator.clipboard.readText()')
        assert copied.strip() == cells[1].source.strip()


@pytest.mark.parametrize('width', WIDTHS)
def test_a_chapter_can_be_read_without_scripts(browser, site, width):
    with Visit(browser, f'{site}/{KERNELS}.html', java_script_enabled=False,
               viewport={'width': WIDTHS[width], 'height': 900}) as visit:
        assert visit.page.locator('.katex').count() > 10
        assert visit.page.locator('div.cell_output img').first.is_visible()
        following = visit.page.locator('a.next-page')
        assert following.is_visible()
        following.click()
        assert '7-3-padding' in visit.page.url
        if width == 'phone':
            visit.page.locator('label.nav-overlay-icon').click()
            visit.page.locator('.sidebar-tree a', has_text='7.6').click()
            assert visit.page.url.endswith(f'{LENET}.html')


def test_an_address_of_a_solution_opens_it(browser, site):
    with Visit(browser, f'{site}/{KERNELS}.html#solution-3') as visit:
        page = visit.page
        page.wait_for_function("document.getElementById('solution-3').open")
        assert page.locator('details.solution[open]').count() == 1
        page.evaluate("location.hash = '#solution-1'")
        page.wait_for_function("document.getElementById('solution-1').open")
        page.evaluate("location.hash = '#%'")  # which is no address
        assert not visit.problems


def test_what_was_unfolded_is_so_when_the_reader_comes_back(browser, site):
    with Visit(browser, f'{site}/{KERNELS}.html') as visit:
        page = visit.page
        page.locator('a.to-solution', has_text='Solution 2').click()
        page.wait_for_function("document.getElementById('solution-2').open")
        page.goto(f'{site}/{LENET}.html')
        page.go_back()
        page.wait_for_function("document.getElementById('solution-2').open")
        assert page.locator('details.solution[open]').count() == 1
        assert not visit.problems


def test_every_exercise_leads_to_its_solution(html):
    for path in (html / 'chapters').glob('[78]-*.html'):
        page = BeautifulSoup(path.read_text(), 'html.parser')
        assert ([link['href'] for link in page.select('a.to-solution')]
                == [f'#{box["id"]}' for box in page.select('.solution')
                    if not box['id'].startswith('solution-w')])


def test_a_figure_opens_in_full_size_by_keyboard_too(browser, site):
    with Visit(browser, f'{site}/{KERNELS}.html') as visit:
        page = visit.page
        link = page.locator('a.image-reference').first
        link.focus()
        page.keyboard.press('Enter')
        image = page.locator('dialog img')
        image.wait_for()
        assert (image.bounding_box()['width']
                > 1.5 * link.locator('img').bounding_box()['width'])
        assert not axe(page)
        page.keyboard.press('Escape')
        page.wait_for_function("!document.querySelector('dialog')")
        assert link.evaluate('link => link === document.activeElement')
        assert page.url.endswith('.html')


def test_a_folded_place_is_called_by_its_words(html):
    for path in (html / 'chapters').glob('*.html'):
        page = BeautifulSoup(path.read_text(), 'html.parser')
        for summary in page.find_all('summary'):
            assert summary.get_text(strip=True)
            assert 'aria-label' not in summary.attrs


def test_landmarks_have_names_and_the_header_the_pages_name(browser, site):
    with Visit(browser, f'{site}/{LENET}.html',
               viewport={'width': 360, 'height': 800}) as visit:
        page = visit.page
        assert page.get_by_role('navigation').count() == 2  # drawers are shut
        brand = page.locator('.mobile-header .brand')
        assert brand.inner_text() == '7.6 LeNet'
        page.set_viewport_size({'width': 1280, 'height': 800})
        for name in ('The course', 'This page', 'On this page',
                     'Next and previous page'):
            assert page.get_by_role('navigation', name=name,
                                    exact=True).is_visible()
        assert page.locator('.toc-drawer').bounding_box()['x'] < 1280


@pytest.mark.parametrize('width', (1280, 1440))
def test_both_sidebars_stay_in_view(browser, site, width):
    with Visit(browser, f'{site}/{LENET}.html',
               viewport={'width': width, 'height': 800}) as visit:
        visit.page.get_by_role('heading', name='Summary').first.evaluate(
            'heading => heading.scrollIntoView()')
        assert visit.page.evaluate('scrollY') > 2000
        for name in 'The course', 'On this page':
            links = visit.page.get_by_role('navigation', name=name).get_by_role(
                'link')
            assert 0 <= links.first.bounding_box()['y'] < 800, name


def test_the_contents_open_by_keyboard_on_a_phone(browser, site):
    with Visit(browser, f'{site}/{LENET}.html',
               viewport={'width': 360, 'height': 800}) as visit:
        page = visit.page
        link = page.locator('.sidebar-tree a', has_text='7.2')
        assert not link.is_visible()
        page.keyboard.press('Tab')  # to the content
        page.keyboard.press('Tab')
        assert page.evaluate(
            'getComputedStyle(document.activeElement).outlineStyle') == 'solid'
        page.keyboard.press('Enter')
        link.wait_for()
        page.wait_for_function("""document.activeElement.closest(
            '.sidebar-drawer')""")
        page.keyboard.press('Escape')
        link.wait_for(state='hidden')
        assert page.evaluate('document.activeElement.ariaExpanded') == 'false'


def test_the_sections_can_be_chosen_by_keyboard(browser, site):
    with Visit(browser, f'{site}/{LENET}.html',
               viewport={'width': 1000, 'height': 800}) as visit:
        page = visit.page
        page.locator('button.toc-overlay-icon:visible').focus()
        page.keyboard.press('Enter')
        page.wait_for_function("document.activeElement.closest('.toc-drawer')")
        page.keyboard.press('Tab')
        page.keyboard.press('Enter')
        assert '#' in page.url


def test_the_table_of_networks_can_be_sorted_by_each_column(browser, site):
    with Visit(browser, f'{site}/chapters/compare.html') as visit:
        def column(i):
            return visit.page.locator(
                f'.cell_output tbody >> nth=0 >> td:nth-child({i})'
            ).all_inner_texts()

        def number(text):
            return float(text.split()[0].replace(',', '')), text

        keys = [str.lower, number, number, number, number, number]
        heads = visit.page.locator(
            '.cell_output thead >> nth=0 >> th button').all()
        for i, (head, key) in enumerate(zip(heads, keys, strict=True), 1):
            head.click()
            assert column(i) == sorted(column(i), key=key)
            head.click()
            assert column(i) == sorted(column(i), key=key, reverse=True)


def test_a_page_that_is_not_there_offers_the_others(browser, site):
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f'{site}/chapters/9-9-nothing.html')
    assert answer.status == 404
    page.locator('.sidebar-tree a', has_text='7.2').click()
    assert page.url.endswith(f'{KERNELS}.html')
    for way_on in 'All chapters', 'Search':
        page.goto(f'{site}/chapters/9-9-nothing.html')
        page.locator('article a', has_text=way_on).click()
        assert page.locator('h1').inner_text() != 'Page not found'
    context.close()


def test_a_book_that_was_visited_is_read_without_a_network(browser, html,
                                                           tmp_path):
    folder = shutil.copytree(html, tmp_path / 'html')
    worker = folder / 'sw.js'  # which has all the time that it takes here
    worker.write_text(worker.read_text().replace('= 5000;', '= 600_000;'))
    with served(folder) as address, Visit(
            browser, f'{address}/index.html') as visit:
        page = visit.page
        page.evaluate("navigator.serviceWorker.register('/sw.js')")
        page.wait_for_function('navigator.serviceWorker.controller')
        visit.context.set_offline(True)
        page.goto(f'{address}/{LENET}.html')  # not visited so far
        assert page.locator('h1').inner_text().startswith('7.6')
        picture = page.locator('figure img').first
        picture.scroll_into_view_if_needed()
        page.wait_for_function("""document.querySelector('figure img')
            .naturalWidth > 0""")
        page.goto(f'{address}/search.html?q=stride')
        page.locator('#search-results li a').first.wait_for()
        visit.context.set_offline(False)
        chapter = folder / f'{LENET}.html'
        chapter.write_text(chapter.read_text().replace('7.6 LeNet', 'Today'))
        page.goto(f'{address}/{LENET}.html')
        while not page.locator('h1').inner_text().startswith('Today'):
            page.reload()  # the worker hears of the network a little later


def test_the_book_can_be_put_on_a_phones_screen(html):
    static = html / '_static'
    manifest = json.loads((static / 'site.webmanifest').read_text())
    assert (static / manifest['start_url']).resolve() == (
        html / 'index.html').resolve()
    for icon in manifest['icons']:
        assert (static / icon['src']).exists()
    with Image.open(static / 'icon.png') as icon:
        assert icon.size == (192, 192)


def test_the_notebook_can_be_downloaded(browser, site):
    with Visit(browser, f'{site}/{LENET}.html') as visit:
        with visit.page.expect_download() as download:
            visit.page.locator('a[download]').click()
        assert (download.value.path().read_bytes()
                == find_chapter('7-6').read_bytes())


def test_the_site_works_from_a_folder(browser, html):
    with Visit(browser, f'{(html / "index.html").as_uri()}') as visit:
        visit.page.locator('.chapters a').first.click()
        assert visit.page.locator('h1').inner_text().startswith('7.1')
        assert not visit.problems


def test_the_landing_page_shows_each_chapter_by_a_figure_of_its_own(html):
    page = BeautifulSoup((html / 'index.html').read_text(), 'html.parser')
    for card in page.select('.chapters li'):
        name = card.a['href']
        if name.startswith('chapters/'):
            chapter = BeautifulSoup((html / name).read_text(), 'html.parser')
            assert f'../{card.img["src"]}' in {
                image['src'] for image in chapter.find_all('img')}, name


def test_figures_are_small(html):
    pictures = list((html / '_images').iterdir())
    assert len(pictures) > 100
    for path in pictures:
        assert path.stat().st_size <= 60_000, path.name


def test_on_paper_nothing_asks_to_be_unfolded_and_links_tell_where(browser,
                                                                    site):
    with Visit(browser, f'{site}/{LENET}.html') as visit:
        page = visit.page
        page.emulate_media(media='print')
        assert page.locator('.solution .highlight').first.is_visible()
        for box in 'details.hide > summary', 'a.to-solution', '.page-buttons':
            assert page.locator(box).count()
            assert not any(one.is_visible() for one in page.locator(box).all())
        link = page.locator('article p > a.external').first
        assert link.get_attribute('href') in link.evaluate(
            "link => getComputedStyle(link, '::after').content")


def test_the_printed_book_has_contents_that_lead_to_its_pages(browser,
                                                              tmp_path):
    copy_sources(tmp_path, ['7-1', '7-2'])
    status, log = build(tmp_path, 'singlehtml')
    assert status == 0, log
    page = browser.new_page()
    page.goto((tmp_path / '_build/singlehtml/index.html').as_uri())
    print_book(page, tmp_path / 'course.pdf')
    pdf = PdfReader(tmp_path / 'course.pdf')
    text = [page.extract_text() for page in pdf.pages]
    contents = ''.join(text[:6])
    for title in '7.2 Convolutions for images', 'The layer':
        number = int(re.search(rf'{title} (\d+)', contents)[1])
        assert title in text[number - 1].splitlines()
        assert f'\n{number}' in text[number - 1]
    assert pdf.outline
