"""The figures that answer, worked in a browser as a reader works them."""
import gzip
import json
import re

import pytest
import torch
from test_site import WIDTHS, Visit, axe, browser, overflow, site  # noqa: F401
from torch.nn import functional as F

from conftest import ROOT, find_chapter

MAX_CODE = 15_000  # bytes, gzip, of all modules that a figure loads
# Each cell that has a live figure: chapter, cell, how many come before it.
CELLS = [(path.stem, number, place)
         for path in sorted((ROOT / 'chapters').glob('*.ipynb'))
         for place, number in enumerate(
             number for number, cell in enumerate(
                 json.loads(path.read_text())['cells'])
             if 'live' in cell['metadata'])]
BENCH = {side: f'chapters/{find_chapter(number).stem}.html'
         for side, number in (('kernel', '7-2'), ('size', '7-3'),
                              ('pool', '7-5'))}
NEAR = """place => {
  const figure = document.querySelectorAll('.live')[place];
  // One below an output that is held back is shown with it.
  figure.closest('.held')?.previousElementSibling.previousElementSibling
    .querySelector('[type=button]').click();
  figure.scrollIntoView();
}"""


def bring(visit, place=0):
    """The live figure of that number, or of that name, once it runs."""
    if isinstance(place, str):
        place = [json.loads(settings)['figure'] for settings in
                 visit.page.locator('.live').evaluate_all(
                     'places => places.map(place => place.dataset.live)')
                 ].index(place)
    figure = visit.page.locator('.live').nth(place)
    visit.page.evaluate(NEAR, place)
    visit.page.wait_for_function(
        "place => document.querySelectorAll('.live')[place].textContent",
        arg=place)
    return figure


def weight(html, *names):
    """The bytes, gzip, of modules and of all that these import."""
    found, left = {}, list(names)
    while left:
        name = left.pop()
        if name not in found:
            code = (html / '_static' / 'live' / f'{name}.mjs').read_text()
            found[name] = len(gzip.compress(code.encode()))
            left += re.findall(r"from\s*'\./(\w+)\.mjs'", code)
    return sum(found.values())


class Bench:
    """The bench on a page, in a reader's words."""
    def __init__(self, visit):
        self.page, self.figure = visit.page, bring(visit)

    def cell(self, name, i, j):
        return self.figure.locator(f'[data-cell="{name},{i},{j}"]')

    def table(self, name):
        """The numbers of a table as a tensor."""
        rows = self.figure.locator('tr', has=self.page.locator(
            f'[data-cell^="{name},"]'))
        return torch.tensor([[
            float(text.replace('−', '-')) for text in
            row.locator('td').all_inner_texts()] for row in rows.all()])

    def lit(self, name):
        """The places of the cells of a table that are lit."""
        return [tuple(map(int, cell.split(',')[1:])) for cell in
                self.figure.locator('.lit').evaluate_all(
                    'cells => cells.map(cell => cell.dataset.cell)')
                if cell.startswith(f'{name},')]

    def told(self):
        return ' '.join(self.figure.locator('.told').inner_text().split())

    def fault(self):
        return self.figure.locator('.fault').inner_text()

    def set(self, name, text):
        box = self.figure.get_by_label(name, exact=True)
        box.fill(text)
        box.press('Enter')

    def choose(self, name, option):
        self.figure.get_by_label(name, exact=True).select_option(option)

    def click(self, name):
        self.figure.get_by_role('button', name=name, exact=True).click()


@pytest.fixture(params=WIDTHS.values(), ids=WIDTHS)
def wide(request):
    return {'viewport': {'width': request.param, 'height': 900}}


@pytest.mark.parametrize('chapter,number,place', CELLS)
def test_each_figure_starts(browser, site, html, wide,  # noqa: F811
                            chapter, number, place):
    with Visit(browser, f'{site}/chapters/{chapter}.html', **wide,
               color_scheme='light') as visit:
        early = [response.url for response in visit.responses
                 if response.url.endswith('.mjs')]
        assert not early, 'loaded before it is near'
        figure = bring(visit, place)
        where = f'{chapter}, cell {number}: its live figure'
        assert not visit.problems, f'{where} fails: {visit.problems}'
        assert 'runs' in figure.get_attribute('class'), where
        assert not axe(visit.page, '.live'), where
        assert overflow(visit.page) <= 0, where
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast']), where
        assert not visit.outside(), where
        name = json.loads(figure.get_attribute('data-live'))['figure']
        assert weight(html, name) <= MAX_CODE, where
        visit.page.emulate_media(media='print')
        assert not figure.is_visible(), where


def test_a_figure_that_fails_says_so_and_the_picture_stays(
        browser, site):  # noqa: F811
    for answer in ({'status': 404}, {'body': 'throw new Error("no")',
                                     'content_type': 'text/javascript'}):
        with Visit(browser, f'{site}/index.html') as visit:
            visit.page.route('**/live/bench.mjs',
                             lambda route: route.fulfill(**answer))  # noqa
            visit.page.goto(f'{site}/{BENCH["kernel"]}')
            figure = bring(visit)
            assert 'does not run in this browser' in figure.inner_text()
            above = figure.locator('xpath=preceding-sibling::*[1]')
            assert above.locator('img').is_visible()
            assert visit.problems  # for the editor, in the console
    with Visit(browser, f'{site}/{BENCH["kernel"]}') as visit:
        bench = Bench(visit)  # one that fails later
        visit.page.evaluate("Array.prototype.flatMap = null")
        bench.cell('Y', 1, 1).focus()
        assert 'does not run in this browser' in bench.figure.inner_text()


def test_a_chosen_output_shows_its_window_and_its_sum(
        browser, site, wide):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["kernel"]}', **wide) as visit:
        bench = Bench(visit)
        bench.cell('Y', 3, 1).click()
        assert bench.lit('X') == [(3, 1), (3, 2)]
        assert bench.told() == 'Y[3, 1] = 1·0 + (−1)·1 = −1'
        bench.cell('Y', 5, 5).hover()  # for as long as the pointer is there
        assert bench.told() == 'Y[5, 5] = 1·1 + (−1)·0 = 1'
        visit.page.mouse.move(1, 1)
        assert bench.told() == 'Y[3, 1] = 1·0 + (−1)·1 = −1'
        bench.cell('X', 2, 2).click()
        assert bench.lit('Y') == [(2, 1), (2, 2)]
        assert bench.told() == ('X[2, 2] = 1: read by 2 windows. (−1) · it in '
                                'Y[2, 1], 1 · it in Y[2, 2]')
        bench.cell('K', 0, 1).click()
        assert len(bench.lit('X')) == 8 * 7
        assert not visit.problems


def test_the_question_is_answered_by_changing_the_kernel(
        browser, site, wide):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["kernel"]}', **wide) as visit:
        bench = Bench(visit)
        found = bench.figure.locator('.found')
        bench.choose('kernel', 'Sobel')
        assert bench.table('Y').abs().max() == 4
        assert not found.count()
        for i, row in enumerate([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]):
            for j, value in enumerate(row):
                bench.cell('K', i, j).click()
                bench.set(f'K[{i}, {j}]', f'{value}')
        assert 'adds up to 0' in found.inner_text()
        X, K = bench.table('X'), bench.table('K')
        assert torch.equal(F.conv2d(X[None, None], K[None, None])[0, 0],
                           bench.table('Y'))
        bench.click('next question')
        assert 'One pixel is 1' in bench.figure.inner_text()
        bench.figure.get_by_label('flip the kernel').check()
        assert 'flips the kernel first' in found.inner_text()
        # The pixel's window ends at it: the kernel is where it was written.
        assert bench.table('Y')[2:4, 2:4].tolist() == [[0, 1], [2, 3]]
        bench.click('reset')
        assert not found.count()
        assert not visit.problems


def test_the_last_column_is_grey_where_the_stride_does_not_divide(
        browser, site, wide):  # noqa: F811
    """n = 8, k = 3, s = 2: other explainers refuse it, torch rounds down."""
    with Visit(browser, f'{site}/{BENCH["size"]}', **wide) as visit:
        bench = Bench(visit)
        unread = bench.figure.locator('.unread').evaluate_all(
            'cells => cells.map(cell => cell.dataset.cell)')
        assert set(unread) == ({f'X,{i},7' for i in range(8)}
                               | {f'X,7,{j}' for j in range(8)})
        assert bench.table('Y').shape == (3, 3)
        size = bench.figure.locator('.size')
        assert ('⌊(8 + 2 · 0 − 3) / 2⌋ + 1 = ⌊2.5⌋ + 1 = 3'
                in size.inner_text())
        bench.cell('X', 2, 7).click()
        assert 'no window reads it' in bench.told()
        assert 'Three windows read 7 of 8' in bench.figure.locator(
            '.found').inner_text()
        before = bench.table('Y')
        bench.set('X[2, 7]', '99')
        assert torch.equal(bench.table('Y'), before)
        bench.click('next question')
        bench.click('padding: one more')
        assert not bench.figure.locator('.unread').count()
        assert bench.table('Y').shape == (4, 4)
        assert 'A padding of 1 does it' in bench.figure.locator(
            '.found').inner_text()
        X, K = bench.table('X'), bench.table('K')  # X with its padding
        assert torch.equal(F.conv2d(X[None, None], K[None, None], stride=2)[
            0, 0], bench.table('Y'))
        bench.cell('X', -1, 3).click()
        assert bench.told().startswith('Padding, always 0: read by')
        assert overflow(visit.page) <= 0
        assert not visit.problems


def test_dilation_leaves_holes(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["size"]}') as visit:
        bench = Bench(visit)
        bench.set('stride', '1')
        bench.set('dilation', '2')
        bench.cell('Y', 1, 0).click()
        assert bench.lit('X') == [(i, j) for i in (1, 3, 5)
                                  for j in (0, 2, 4)]
        assert '(8 + 2 · 0 − (2 · (3 − 1) + 1)) / 1' in bench.figure.locator(
            '.size').inner_text()
        assert bench.table('Y').shape == (4, 4)


def test_a_gradient_lands_on_the_largest_number(
        browser, site, wide):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["pool"]}', **wide) as visit:
        bench = Bench(visit)
        X, dY = bench.table('X').requires_grad_(), bench.table('dY')
        Y = F.max_pool2d(X[None], 2)[0]
        assert torch.equal(bench.table('Y'), Y)
        assert torch.equal(bench.table('dX'),
                           torch.autograd.grad(Y, X, dY)[0])
        bench.cell('dY', 0, 1).click()
        assert bench.lit('dX') == bench.lit('X') == [(1, 2)]
        assert bench.told() == ('dY[0, 1] = 2 lands on dX[1, 2], since '
                                'X[1, 2] = 8 is the largest of its window.')
        assert 'On one pixel' in bench.figure.locator('.found').inner_text()
        bench.choose('pool', 'average')
        Y = F.avg_pool2d(X[None], 2)[0]
        assert torch.equal(bench.table('Y'), Y)
        assert torch.equal(bench.table('dX'),
                           torch.autograd.grad(Y, X, dY)[0])
        assert '2 / 4 = 0.5 for each' in bench.told()
        bench.choose('pool', 'max')
        bench.set('window', '3')
        bench.set('stride', '1')
        bench.cell('dX', 1, 2).click()
        assert bench.told() == 'dX[1, 2] = 1 + 2 + 3 = 6: from 3 gradients.'
        assert overflow(visit.page) <= 0
        assert not visit.problems


def test_it_works_by_keyboard_alone(browser, site, wide):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["kernel"]}', **wide) as visit:
        bench, press = Bench(visit), visit.page.keyboard.press
        focused = 'document.activeElement.dataset.cell'
        bench.figure.get_by_label('flip the kernel').focus()
        press('Tab')  # each table is one stop
        assert visit.page.evaluate(focused) == 'X,0,0'
        for key in ('ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowUp'):
            press(key)
        assert visit.page.evaluate(focused) == 'X,0,2'
        assert bench.told().startswith('X[0, 2] = 0: read by 2 windows.')
        label = visit.page.evaluate('document.activeElement.ariaLabel')
        assert label == 'X[0, 2] = 0'
        visit.page.keyboard.type('-2.5')
        press('Enter')
        assert visit.page.evaluate(focused) == 'X,0,2'
        assert bench.cell('X', 0, 2).inner_text() == '−2.5'
        assert bench.cell('Y', 0, 1).inner_text() == '2.5'
        visit.page.keyboard.type('7')
        press('Escape')
        assert bench.cell('X', 0, 2).inner_text() == '−2.5'
        press('Tab')
        assert visit.page.evaluate(focused) == 'K,0,0'
        press('Tab')
        press('ArrowRight')
        assert visit.page.evaluate(focused) == 'Y,0,1'
        assert visit.page.evaluate(
            'getComputedStyle(document.activeElement).outlineStyle') == 'solid'
        assert not visit.problems


def test_it_works_by_touch(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["pool"]}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        bench = Bench(visit)
        bench.cell('dY', 1, 1).tap()
        assert bench.lit('dX') == [(3, 3)]
        bench.cell('X', 0, 0).tap()
        more = bench.figure.get_by_role('button', name='X[0, 0]: one more')
        for _ in range(5):
            more.tap()
        assert bench.cell('X', 0, 0).inner_text() == '6'
        assert bench.cell('Y', 0, 0).inner_text() == '6'
        assert bench.cell('dX', 0, 0).inner_text() == '1'
        side = bench.cell('X', 0, 0).bounding_box()
        assert min(side['width'], side['height']) >= 24
        assert not visit.problems


@pytest.mark.parametrize('name,text,sentence', [
    ('stride', '0', 'stride must be a whole number from 1 to 4.'),
    ('stride', '1e99', 'stride must be a whole number from 1 to 4.'),
    ('padding', '-1', 'padding must be a whole number from 0 to 3.'),
    ('padding', '', 'padding must be a whole number from 0 to 3.'),
    ('pixels', 'many', 'pixels must be a whole number from 1 to 10.'),
    ('pixels', '2', 'The window spans 3 pixels, and the padded image has '
                    'only 2.'),
    ('kernel', '2.5', 'kernel must be a whole number from 1 to 5.')])
def test_a_bad_size_is_a_sentence(browser, site,  # noqa: F811
                                  name, text, sentence):
    with Visit(browser, f'{site}/{BENCH["size"]}') as visit:
        bench = Bench(visit)
        before = bench.table('Y')
        bench.set(name, text)
        assert bench.fault() == sentence
        box = bench.figure.get_by_label(name, exact=True)
        assert box.get_attribute('aria-invalid') == 'true'
        assert torch.equal(bench.table('Y'), before)
        bench.click('dilation: one more')  # the figure lives
        assert not bench.fault()
        assert bench.table('Y').shape == (2, 2)
        assert not visit.problems


def test_a_bad_number_is_a_sentence(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["kernel"]}') as visit:
        bench = Bench(visit)
        bench.cell('K', 0, 0).click()
        for text, sentence in {
                'abc': '“abc” is not a number.',
                '': 'K[0, 0] is empty: type a number.',
                '1e99': 'K[0, 0] can be from −999 to 999.',
                '1/0': 'K[0, 0] can be from −999 to 999.',
                '<b>': '“<b>” is not a number.'}.items():
            bench.set('K[0, 0]', text)
            assert bench.fault() == sentence
            assert bench.table('K').tolist() == [[1, -1]]
        bench.set('K[0, 0]', '1/4')
        assert bench.table('K').tolist() == [[0.25, -1]]
        bench.set('K[0, 0]', '0,5')
        assert bench.table('K').tolist() == [[0.5, -1]]
        assert not bench.fault()
        assert not visit.problems


def test_an_address_holds_what_is_shown(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{BENCH["kernel"]}') as visit:
        bench = Bench(visit)
        bench.cell('X', 0, 0).click()
        bench.set('X[0, 0]', '5')
        bench.click('next question')
        bench.figure.get_by_label('flip the kernel').check()
        bench.cell('Y', 2, 2).click()
        link = bench.figure.get_by_role('link').get_attribute('href')
        assert re.fullmatch(r'#bench=[\w.,;/-]+', link)
        with Visit(browser, f'{site}/{BENCH["kernel"]}{link}') as other:
            page = other.page
            page.locator('.live.runs').wait_for()  # without any scrolling
            again = Bench(other)
            assert again.told() == bench.told()
            for name in ('X', 'K', 'Y'):
                assert torch.equal(again.table(name), bench.table(name))
            page.wait_for_function("""(box => box.top >= 0
                && box.top < innerHeight)(document.querySelector('.live')
                .getBoundingClientRect())""")
            for bad in ('#bench=', '#bench=max/1/1/0/1/1//Y,0,0', '#bench=%',
                        '#bench=correlation/1,2;3/1/0/1/1//',
                        '#bench=correlation/1/1/0/0/1//',
                        '#bench=correlation/1/1,2/0/1/1//Y,0,0'):
                page.evaluate('link => { location.hash = link; }', bad)
                page.wait_for_function(
                    "document.querySelector('.fault').textContent")
                assert re.match('This address holds nothing|The window spans',
                                again.fault())
                again.click('reset')
                assert not again.fault()
            assert not other.problems
