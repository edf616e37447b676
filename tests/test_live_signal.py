"""Signal: random deep networks, against torch and against theory."""
import numpy as np
import pytest
import torch
from test_live import bring
from test_live_cone import PAGES, PHONE, fault, found, run_module, told
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch import nn

from helpers import spreads

PAGE = PAGES['8-2']
LAYERS = {'ReLU': nn.ReLU, 'tanh': nn.Tanh, 'sigmoid': nn.Sigmoid,
          'none': nn.Identity}


def settings(**changes):
    return {'activation': 'ReLU', 'depth': 20, 'width': 64, 'gain': 2 ** 0.5,
            'measure': 'size', 'first': 1, **changes}


@pytest.mark.parametrize('activation', LAYERS)
def test_its_numbers_are_those_of_torch(activation):
    state = settings(activation=activation, depth=6, width=24, gain=1.3)
    result = run_module('signal', '''(Z => ({
      weights: Z.map((_, n) => Array.from(own.drawn(3, given.width, n))),
      sizes: Z.map(own.size), differences: Z.map(own.difference)}))(
      own.outputs(given, 3))''', state)
    X, *weights = (torch.tensor(numbers, dtype=torch.float64).reshape(-1, 24)
                   for numbers in result['weights'])
    net, sizes = nn.Sequential(), [X.square().mean().sqrt()]
    for weight in weights:
        layer = nn.Linear(24, 24, bias=False).double()
        layer.weight.data = weight * 1.3 / 24 ** 0.5
        net.append(layer)
        with torch.no_grad():
            sizes.append(net(X).square().mean().sqrt())
        net.append(LAYERS[activation]())
    torch.testing.assert_close(torch.tensor(result['sizes']),
                               torch.stack(sizes).float())
    # `spreads` computes in single precision.
    np.testing.assert_allclose(result['differences'][1:],
                               spreads(net, X.float()), rtol=1e-3)


def test_theory_is_that_of_integrals():
    gains = {'ReLU': 1.2, 'tanh': 1.7, 'sigmoid': 3, 'none': 0.9}
    found = run_module(
        'signal', '''given.map(state => [own.theory(state), own.theory(
        {...state, measure: 'difference'})])''', [settings(
            activation=name, gain=gain) for name, gain in gains.items()])
    z = torch.linspace(-9, 9, 90_001, dtype=torch.float64)
    density = torch.exp(-z ** 2 / 2) / (2 * torch.pi) ** 0.5
    for (name, gain), (sizes, _) in zip(gains.items(), found):
        q = gain ** 2
        for size in sizes[1:]:
            assert size == pytest.approx(q ** 0.5, rel=1e-4), name
            outputs = LAYERS[name]()(q ** 0.5 * z)
            q = gain ** 2 * torch.trapezoid(outputs ** 2 * density, z).item()
    # Between two inputs, a ReLU makes of the angle a (Cho and Saul, 2009):
    angle, size = np.pi / 2, 1.2
    for layer, difference in enumerate(found[0][1][1:]):
        expected = size * (1 - np.cos(angle)) ** 0.5
        assert difference == pytest.approx(expected, rel=0.02), layer
        angle = np.arccos((np.sin(angle) + (np.pi - angle) * np.cos(angle))
                          / np.pi)
        size *= 1.2 / 2 ** 0.5


def test_relu_is_level_at_the_root_of_2_and_tanh_near_the_theory():
    """Over 40 networks the mean square of a ReLU's layers neither grows nor
    falls: from layer to layer it is multiplied by 1 within a per cent."""
    relu, tanh = run_module('signal', '''given.map(state => Array.from(
      {length: state.seeds}, (_, n) => own.outputs(state, n + 1).map(own.size)
      ))''', [settings(width=128, seeds=40),
              settings(width=128, seeds=5, activation='tanh', gain=5 / 3)])
    squares = np.square(relu).mean(axis=0)
    slope = (squares[20] / squares[1]) ** (1 / 19)
    assert slope == pytest.approx(1, abs=0.02), 'two per cent of a square'
    assert np.mean(tanh, axis=0)[20] == pytest.approx(1.086, rel=0.03)


def start(visit):
    place = visit.page.evaluate('''[...document.querySelectorAll('.live')]
        .findIndex(({dataset}) => JSON.parse(dataset.live).figure === 'signal')
        ''')
    return bring(visit, place)


def drag(figure, gain):
    figure.get_by_label('gain, slider').fill(f'{gain}')


def test_the_gains_that_keep_it_level(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = start(visit)
        result, = run_module('signal', 'given.map(own.compute)',
                             [settings(gain=1)])
        figure.get_by_text('The numbers').click()
        cells = figure.locator('td').all_inner_texts()
        shown = {(cells[i], int(cells[i + 1])): cells[i + 2]
                 for i in range(0, len(cells), 3)}
        assert len(shown) == 7 * 21
        assert float(shown['seed 5', 3]) == pytest.approx(
            result['seeds'][4][3], rel=1e-3)
        assert float(shown['mean', 8]) == pytest.approx(
            result['mean'][8], rel=1e-3)
        assert float(shown['theory', 3]) == pytest.approx(0.5, rel=1e-3)
        assert 'theory 0.7071' in told(figure)
        assert figure.locator('polyline').count() == 7
        assert figure.locator('polyline.faint').count() == 5
        drag(figure, 1.3)
        assert not found(figure)
        drag(figure, 1.41)
        assert '√2' in found(figure)
        more = figure.get_by_role('button', name='next question')
        more.click()
        drag(figure, 1)
        assert not found(figure)
        drag(figure, 1.66)
        assert 'finds a level by itself' in found(figure)
        more.click()
        figure.get_by_label('show').select_option('difference')
        assert '10⁻⁶' in told(figure)
        assert not found(figure)
        drag(figure, 6)
        assert 'needs a large gain' in found(figure)
        more.click()
        assert not found(figure)
        figure.get_by_label('show').select_option('difference')
        assert 'falls slowly' in found(figure)
        more.click()
        assert not found(figure)
        box = figure.get_by_label('width', exact=True)
        box.fill('128')
        box.press('Enter')
        assert 'a mean over many units' in found(figure)
        figure.get_by_role('button', name='reset').click()
        assert not found(figure)
        assert not axe(visit.page, '.live')
        assert not visit.problems


def test_it_works_by_keys_and_refuses(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure, press = start(visit), visit.page.keyboard.press
        figure.get_by_label('gain, slider').focus()
        for _ in range(39):
            press('ArrowRight')
        assert not found(figure)
        press('ArrowRight')  # 1.40
        assert 'This is He’s rule' in found(figure)
        figure.get_by_label('depth', exact=True).focus()
        press('ArrowUp')
        assert told(figure).startswith('Layer 21:')
        before = told(figure)
        gain = figure.get_by_label('gain', exact=True)
        for text, sentence in {
                'abc': '“abc” is not a number.', '': 'gain is empty',
                '1e99': 'from −999 to 999', '0': 'from 0.1 to 20.',
                '-1': 'from 0.1 to 20.'}.items():
            gain.fill(text)
            gain.press('Enter')
            assert sentence in fault(figure)
            assert gain.get_attribute('aria-invalid') == 'true'
            assert told(figure) == before
        for name, most in {'depth': 40, 'width': 128}.items():
            box = figure.get_by_label(name, exact=True)
            box.fill('129')
            box.press('Enter')
            assert f'{name} must be a whole number' in fault(figure)
            assert f'to {most}.' in fault(figure)
        figure.get_by_role('button', name='other seeds').focus()
        press('Enter')
        assert not fault(figure)
        after, link = told(figure), figure.get_by_role(
            'link').get_attribute('href')
        assert after != before
        with Visit(browser, f'{site}/{PAGE}{link}', **PHONE) as other:
            again = start(other)
            assert told(again) == after
            for bad in ('', '%', 'ReLU/41/64/1/size/1', 'x/2/64/1/size/1',
                        'ReLU/20/64/0/size/1', 'ReLU/20/64/1/size/',
                        'constructor/20/64/1/size/1'):
                other.page.evaluate('x => { location.hash = x; }',
                                    f'#signal={bad}')
                again.locator('.fault', has_text='holds nothing').wait_for()
                again.get_by_role('button', name='reset').tap()
                assert not fault(again)
            again.get_by_label('depth: one more').tap()
            assert told(again).startswith('Layer 21:')
            assert overflow(other.page) <= 0
            assert not other.problems
        assert not visit.problems
