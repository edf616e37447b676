"""Figures: what they show, that it can be read, and that nothing misleads."""
import io
import itertools
import warnings

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image
from scipy import stats
from torch import nn
from torch.nn import functional as F

from conftest import definitions
from helpers import canvas, drawings, figures, load_runs, load_sample, pictures

PHONE = 320  # pixels, as wide as a figure can be on a phone of 360


@pytest.fixture
def shown(monkeypatch):
    """The figures and pictures that a notebook would have been given."""
    seen = []
    monkeypatch.setattr(canvas, 'get_ipython', lambda: object())
    monkeypatch.setattr(canvas.display, 'display', seen.append)
    original = canvas.show_figure

    def show(fig, *arguments):
        seen.append(fig)
        original(fig, *arguments)
    monkeypatch.setattr(canvas, 'show_figure', show)
    return seen


def run(scale=1):
    return [{'epoch': n, 'train_loss': 2 / n, 'val_loss': 2.1 / n,
             'val_acc': scale * n / 9} for n in (1, 2, 3)]


def used(module, shape):
    """A module whose lazy layers know their shapes."""
    module(torch.rand(shape))
    return module


def draw_residual(strides=2):
    block = used(definitions('8-6')['Residual'](16, strides > 1, strides),
                 (2, 16 // strides, 6, 6))
    drawings.show_block(
        block, (1, 16 // strides, 6, 6),
        [[block.conv1, block.bn1, F.relu, block.conv2, block.bn2],
         [block.conv3] if block.conv3 else []], after=[F.relu])


def draw_inception():
    block = definitions('8-4')['Inception'](192, 64, (96, 128), (16, 32), 32)
    drawings.show_block(block, (1, 192, 28, 28), block.branches, 'concat')


def draw_resnext():
    block = used(definitions('8-6')['ResNeXtBlock'](64, 8, 0.5, True, 2),
                 (2, 32, 8, 8))
    drawings.show_block(
        block, (1, 32, 8, 8),
        [[block.conv1, block.bn1, F.relu, block.conv2, block.bn2, F.relu,
          block.conv3, block.bn3], [*block.shortcut]], after=[F.relu])


def draw_lenet():
    drawings.show_chain(definitions('7-6')['LeNet']().net, (1, 1, 28, 28))


def draw_norms():
    drawings.show_norms(
        [nn.BatchNorm2d(6), nn.LayerNorm((6, 3, 3)), nn.InstanceNorm2d(6),
         nn.GroupNorm(2, 6)], ['batch', 'layer', 'instance', 'group'])


X, y = load_sample()
BOOT = X[y == 9][0, 0]
EDGES = BOOT[:, 1:] - BOOT[:, :-1]
DRAW = {
    'images': lambda: pictures.show_images(
        X[:8], [f'image {i}' for i in range(8)]),
    'maps': lambda: pictures.show_images(
        [BOOT, EDGES, 3 * EDGES.abs()], ['boot', 'left minus right', 'both']),
    'matrices': lambda: pictures.show_matrices(
        [torch.eye(3), -torch.rand(2, 4)], ['a', 'b'], '='),
    'wide matrix': lambda: pictures.show_matrices([torch.ones(4, 16)]),
    'many matrices': lambda: pictures.show_matrices(
        [torch.rand(5, 5)] * 4, ['together'] * 4),
    'window': lambda: pictures.show_window(
        torch.eye(4), torch.ones(2, 2), (1, 0), padding=1),
    'confusion': lambda: pictures.show_confusion(
        torch.randint(100, (10, 10)), ['ankle boot'] * 10),
    'plot': lambda: figures.plot([1, 2, 3], [[1, 2, 3], [3, 2, 1]], 'x', 'y',
                                 ['up', 'down, slowly']),
    'run': lambda: figures.show_runs([run()]),
    'runs': lambda: figures.show_runs([run(), run(0.9), run(0.8)]),
    'seeds': lambda: figures.show_seeds(
        {'a long name': [0.7, 0.8], 'b': [0.9]}, 'accuracy'),
    'points': lambda: figures.show_points(
        [10, 1000], [[0.7, 0.8], [0.9]], ['a', 'b'], 'x', 'y'),
    'lenet': draw_lenet, 'inception': draw_inception,
    'residual': draw_residual, 'identity': lambda: draw_residual(1),
    'resnext': draw_resnext, 'norms': draw_norms,
    'channels': lambda: drawings.show_channels(nn.Conv2d(6, 6, 3, groups=3)),
}


def words(fig):
    """All texts of a figure that are seen."""
    beyond = {label for axes in fig.axes
              for axis in (axes.xaxis, axes.yaxis)
              for tick in axis.get_major_ticks() + axis.get_minor_ticks()
              for label in (tick.label1, tick.label2)
              if not min(axis.get_view_interval()) <= tick.get_loc()
              <= max(axis.get_view_interval())}
    return [text for text in fig.findobj(Text) if text not in beyond
            and text.get_text().strip() and text.get_visible()]


@pytest.fixture(params=DRAW)
def name(request):
    """The name of each figure."""
    return request.param


DRAWN = {}  # each figure is drawn once for the three tests that look at it


@pytest.fixture
def drawn(shown, name):
    """A figure and its PNG."""
    if name not in DRAWN:
        with warnings.catch_warnings(action='error'):  # a missing glyph
            DRAW[name]()
        DRAWN[name] = shown
    return DRAWN[name]


def test_a_figure_is_a_png_that_can_be_read_on_a_phone(drawn):
    fig, picture = drawn
    image = Image.open(io.BytesIO(picture.data))
    assert image.format == 'PNG' and len(picture.data) < 60_000
    assert abs(picture.width - image.width / 2) <= 1
    smallest = min((text.get_size() for text in words(fig)), default=99)
    pixels = smallest / 72 * canvas.DPI / 2
    assert pixels * min(1, PHONE / picture.width) >= 9


def test_no_text_is_cut_off_and_none_lies_on_another(drawn):
    fig = drawn[0]
    fig.draw_without_rendering()
    boxes = {text: Text.get_window_extent(text) for text in words(fig)
             if not text.get_rotation() % 90}
    for text, box in boxes.items():
        assert box.x0 > -1 and box.x1 < fig.bbox.x1 + 1, text
        assert box.y0 > -1 and box.y1 < fig.bbox.y1 + 1, text
    for a, b in itertools.combinations(boxes, 2):
        assert not boxes[a].padded(-1).overlaps(boxes[b].padded(-1)), (a, b)


def test_in_the_dark_a_figure_has_a_ground_that_can_change_or_none(
        drawn, name):
    """Pictures of data have no ground and grey words, the rest is on white.

    A site turns white into its own dark (course.css) but not the data.
    """
    fig, picture = drawn
    image = Image.open(io.BytesIO(picture.data))
    if name in ('images', 'maps', 'own'):
        assert image.mode == 'RGBA'
        assert image.getpixel((0, 0))[3] == 0
        assert {text.get_color() for text in words(fig)} <= {canvas.GREY}
        for page in (1.0, 0.0075):  # luminance: white, and Furo's #131416
            grey = (int(canvas.GREY[3:5], 16) / 255 + 0.055) / 1.055
            high, low = sorted([page, grey ** 2.4], reverse=True)
            assert (high + 0.05) / (low + 0.05) > 4
    else:
        corners = np.asarray(image.convert('RGB'))[[0, 0, -1, -1],
                                                   [0, -1, 0, -1]]
        assert (corners == 255).all()


def test_settings_of_the_reader_are_left_alone(shown):
    matplotlib.rcParams['figure.dpi'] = 77
    before = dict(matplotlib.rcParams)
    for name in 'plot', 'maps', 'residual':
        DRAW[name]()
    assert dict(matplotlib.rcParams) == before
    matplotlib.rcdefaults()


def test_images_keep_their_pixels_and_titles(shown):
    pictures.show_images([X[:1], X[1] - 0.5], ['one', 'two'])
    one, two, bar = shown[0].axes
    assert np.array_equal(one.images[0].get_array(), X[0, 0].numpy())
    assert one.images[0].get_cmap().name == 'gray'
    assert two.images[0].get_cmap().name == 'RdBu_r'
    assert two.images[0].get_clim() == (-0.5, 0.5)
    assert [axes.get_title() for axes in (one, two)] == ['one', 'two']


def test_panels_share_one_scale_which_a_bar_tells(shown):
    small, large = torch.tensor([[-0.1, 0.2]]), torch.tensor([[-3.0, 0.5]])
    pictures.show_images([small, large, BOOT, 3 * BOOT])
    *panels, bar, other = shown[0].axes
    assert [axes.images[0].get_clim() for axes in panels] == [
        (-3, 3), (-3, 3), (0, 3 * BOOT.max()), (0, 3 * BOOT.max())]
    assert bar.get_label() == other.get_label() == '<colorbar>'


def test_pictures_run_from_black_to_white_without_a_bar(shown):
    pictures.show_images([BOOT, BOOT * 0.1])
    assert [axes.images[0].get_clim() for axes in shown[0].axes] == [
        (0, 1), (0, 1)]


def test_matrices_show_their_numbers(shown):
    pictures.show_matrices([torch.tensor([[1.0, -2.0]]),
                            torch.tensor([[0.25]])])
    assert [text.get_text() for text in words(shown[0])] == [
        '1', '-2', '0.25']


def test_matrices_have_cells_of_one_size_even_gaps_and_signs(shown):
    matrices = [torch.zeros(3, 3), torch.zeros(2, 2), torch.ones(1, 2),
                torch.ones(2, 1)]
    pictures.show_matrices(matrices, ['a', 'b', 'longer', 'd'], '∗=+')
    axes, = shown[0].axes
    extents = [image.get_extent() for image in axes.images]
    for (left, right, low, high), matrix in zip(extents, matrices):
        cell = (abs(high - low) / matrix.shape[0],
                (right - left) / matrix.shape[1])
        np.testing.assert_allclose(cell, 0.34)
    gaps = [b[0] - a[1] for a, b in zip(extents, extents[1:])]
    np.testing.assert_allclose(gaps, gaps[0])
    assert len({tuple(image.get_clim()) for image in axes.images}) == 1
    signs = {text.get_text(): text.get_position()[0] for text in axes.texts
             if text.get_text() in '∗=+'}
    np.testing.assert_allclose(
        [signs[sign] for sign in '∗=+'],
        [(a[1] + b[0]) / 2 for a, b in zip(extents, extents[1:])])


@pytest.mark.parametrize('padding,stride,at', [(0, 1, (0, 1)), (1, 2, (1, 0)),
                                               (2, 1, (3, 2))])
def test_the_marked_window_makes_the_marked_output(shown, padding, stride,
                                                   at):
    image, kernel = torch.arange(25.0).reshape(5, 5), torch.rand(3, 2)
    pictures.show_window(image, kernel, at, padding, stride)
    axes, = shown[0].axes
    marks = [patch.get_bbox() for patch in axes.patches
             if patch.get_linewidth() == 3]

    def inside(drawn, mark):
        left, right, low, high = drawn.get_extent()
        side = (right - left) / drawn.get_array().shape[1]
        top = min(low, high)
        c0, c1 = round((mark.x0 - left) / side), round(
            (mark.x1 - left) / side)
        r0, r1 = round((mark.y0 - top) / side), round((mark.y1 - top) / side)
        return np.asarray(drawn.get_array())[r0:r1, c0:c1]

    padded, K, Y = axes.images
    window, output = inside(padded, marks[0]), inside(Y, marks[1])
    assert output.shape == (1, 1)
    np.testing.assert_allclose((window * kernel.numpy()).sum(), output[0, 0],
                               rtol=1e-5)
    assert Y.get_array()[at] == output[0, 0]


def test_a_plot_shows_every_line_however_many(shown):
    lines = [[i, i + 1] for i in range(7)]
    figures.plot([1, 2], lines, 'x', 'y')
    drawn = [line.get_ydata() for line in shown[0].axes[0].lines]
    np.testing.assert_allclose(drawn, lines)


def test_names_stand_at_the_ends_of_lines_outside_the_data(shown):
    ends = [0.5, 0.501, 0.502, 0.2]
    figures.plot([1, 2], [[0, end] for end in ends], 'x', 'y',
                 ['one', 'two, or so', 'three', 'four'])
    fig = shown[0]
    axes, = fig.axes
    fig.draw_without_rendering()
    assert axes.get_legend() is None and not fig.legends
    boxes = [Text.get_window_extent(label) for label in axes.texts]
    assert len(boxes) == 4
    for box in boxes:
        assert box.x0 > axes.bbox.x1 and box.x1 < fig.bbox.x1 + 1
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    assert sorted(boxes, key=lambda box: box.y0) == [
        boxes[i] for i in (3, 0, 1, 2)]
    free = axes.transData.transform(axes.texts[3].xy)[1]
    assert abs((boxes[3].y0 + boxes[3].y1) / 2 - free) < 2


def test_several_runs_are_dots_a_mean_and_a_t_interval(shown):
    runs = torch.tensor([[1.0, 2.0], [2.0, 2.5], [6.0, 2.0]])
    figures.plot([10, 20], [runs], 'x', 'y')
    axes, = shown[0].axes
    mean, *dots = axes.lines[:3]
    np.testing.assert_allclose(mean.get_ydata(), [3, 6.5 / 3])
    assert all(line.get_linestyle() == 'None' for line in axes.lines[1:4])
    np.testing.assert_allclose([line.get_ydata() for line in axes.lines[1:4]],
                               runs)
    ends = np.array([path.vertices[:, 1] for path in
                     axes.collections[0].get_paths()])
    low, high = stats.t.interval(0.95, 2, runs.mean(0),
                                 stats.sem(runs, axis=0))
    np.testing.assert_allclose(ends, np.c_[low, high], rtol=1e-5)


def test_runs_have_losses_and_accuracies_on_axes_of_their_own(shown):
    figures.show_runs([run(), run(0.5)])
    losses, accuracies = shown[0].axes
    assert losses.get_ylabel() == 'loss'
    assert accuracies.get_ylabel() == 'accuracy'
    np.testing.assert_allclose(losses.lines[0].get_ydata(), [2, 1, 2 / 3])
    np.testing.assert_allclose(accuracies.lines[0].get_ydata(),
                               np.array([1, 2, 3]) / 9 * 0.75)
    assert [text.get_text() for text in losses.texts + accuracies.texts] == [
        'training', 'validation', 'validation']


def test_recorded_runs_are_shown_as_they_are_loaded(shown):
    runs = load_runs('lenet')
    figures.show_runs(runs)
    accuracies = shown[0].axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(accuracies[-1], np.mean(
        [run['epochs'][-1]['val_acc'] for run in runs]), rtol=1e-6)


def test_categories_have_names_and_are_not_joined(shown):
    results = {'stride': [0.7, 0.8, 0.9], 'max': [0.6, 0.7], 'one': [0.5]}
    figures.show_seeds(results, 'accuracy')
    axes, = shown[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *results]
    assert all(line.get_linestyle() == 'None' for line in axes.lines
               if len(line.get_xdata()) > 1)
    dots = [line.get_xdata() for line in axes.lines
            if line.get_marker() == 'o']
    for drawn, values in zip(dots, results.values()):
        np.testing.assert_allclose(drawn, values)
    ends = [path.vertices[:, 0] for bars in axes.collections
            for path in bars.get_paths()]
    np.testing.assert_allclose(ends[0], stats.t.interval(
        0.95, 2, 0.8, stats.sem([0.7, 0.8, 0.9])))


def test_points_are_means_with_every_run_and_an_interval(shown):
    figures.show_points([10, 1000], [[0.7, 0.8, 0.75], [0.9]], ['a', 'b'],
                        'cost', 'accuracy')
    axes = shown[0].axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(),
                               [[10, 0.75], [1000, 0.9]])
    bars = [path.vertices[:, 1] for path in axes.collections[0].get_paths()]
    np.testing.assert_allclose(bars, [stats.t.interval(
        0.95, 2, 0.75, stats.sem([0.7, 0.8, 0.75])), [np.nan, np.nan]])
    drawn = [list(line.get_ydata()) for line in axes.lines]
    assert [0.7, 0.8, 0.75] in drawn
    assert {text.get_text(): tuple(map(float, text.xy))
            for text in axes.texts} == {'a': (10, pytest.approx(0.75)),
                                        'b': (1000, 0.9)}
    assert axes.get_xscale() == 'log'


def test_names_of_points_that_lie_close_cover_neither_each_other_nor_points(
        shown):
    X, Y = [100, 101, 104, 110], [[0.9], [0.901], [0.895], [0.9]]
    figures.show_points(X, Y, ['one', 'another', 'a third', 'four'], 'x', 'y')
    axes = shown[0].axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 4
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    for point in axes.transData.transform(list(zip(X, sum(Y, [])))):
        assert not any(box.contains(*point) for box in boxes)


def test_a_name_does_not_lie_on_the_axis(shown):
    figures.show_points([10, 100, 120, 1000], [[1], [1], [1], [2]],
                        ['a very long name', 'another', 'b', 'c'], 'x', 'y')
    axes = shown[0].axes[0]
    assert all(text.get_window_extent().x0 > axes.bbox.x0
               for text in axes.texts)


@pytest.mark.parametrize('X,labels', [
    ([15, 103], ['20', '50', '100']),
    ([2000, 6000], ['2,000', '5,000']),
    ([1e4, 1e6], [f'$\\mathdefault{{10^{{{n}}}}}$' for n in (4, 5, 6)])])
def test_costs_have_round_numbers_on_their_axis(shown, X, labels):
    figures.show_points(X, [[1], [2]], ['a', 'b'], 'x', 'y')
    axes = shown[0].axes[0]
    shown[0].draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = axes.xaxis.get_major_ticks() + axes.xaxis.get_minor_ticks()
    assert [tick.label1.get_text() for tick in ticks
            if low <= tick.get_loc() <= high
            and tick.label1.get_text()] == labels


def test_confusion_colours_the_mistakes_alone(shown):
    pictures.show_confusion(torch.tensor([[90, 10], [0, 100]]), ['a', 'b'])
    colours = shown[0].axes[0].images[0].get_array()
    assert colours.tolist() == [[0, 10], [0, 0]]
    assert [text.get_text() for text in shown[0].axes[0].texts] == [
        '90', '10', '0', '100']


def test_a_place_shows_text_and_then_a_figure(monkeypatch):
    class Shell:
        kernel = True

    class Handle:
        def __init__(self):
            self.shown = []

        def update(self, thing, raw=False):
            self.shown.append(thing)

    handle = Handle()
    monkeypatch.setattr(canvas, 'get_ipython', lambda: Shell())
    monkeypatch.setattr(canvas.display, 'display', lambda *a, **k: handle)
    place = canvas.Place()
    print('\r 50%', file=place.file, flush=True)
    print('\r     \r', file=place.file)
    figures.show_runs([[{'epoch': 1, 'val_acc': 0.5}]], place)
    assert handle.shown[0] == {'text/plain': '50%'}
    assert isinstance(handle.shown[1], canvas.display.Image)
    assert len(handle.shown) == 2


def test_a_run_in_a_terminals_ipython_shows_its_figure(monkeypatch):
    drawn = []
    monkeypatch.setattr(canvas, 'get_ipython', object)
    monkeypatch.setattr(canvas.display, 'display', drawn.append)
    place = canvas.Place()
    figures.show_runs([[{'epoch': 1, 'val_acc': 0.5}]], place)
    assert isinstance(drawn[0], canvas.display.Image)


def test_a_chain_is_to_scale_and_names_measured_shapes(shown):
    net = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(),
                        nn.MaxPool2d(2), nn.Conv2d(8, 8, 1), nn.Flatten(),
                        nn.Linear(128, 10))
    drawings.show_chain(net, (1, 2, 8, 8))
    axes, = shown[0].axes
    labels = [text.get_text() for text in axes.texts if text.get_text()]
    assert labels == ['input', '8×8\n× 2', '3×3\nconv', '8×8\n× 8',
                      '2×2\nmax\npool', '4×4\n× 8', '1×1\nconv',
                      '4×4\n× 8', 'linear', '10']
    fronts = [patch.get_xy() for patch in axes.patches[::3]]
    sizes = np.array([np.ptp(front, axis=0) for front in fronts])
    np.testing.assert_allclose(sizes[1] / sizes[0], (4, 1))
    np.testing.assert_allclose(sizes[2] / sizes[1], (1, 0.5))
    np.testing.assert_allclose(sizes[3], sizes[2])


def test_a_chain_with_too_few_names_is_refused():
    with pytest.raises(ValueError, match='1 boxes after the input: give'):
        drawings.show_chain([nn.Conv2d(1, 2, 3)], (1, 1, 8, 8), ['a', 'b'])


def test_a_network_is_as_it_was_after_it_was_drawn(shown):
    block = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2).eval())
    before = {key: value.clone() for key, value in block.state_dict().items()}
    drawings.show_chain(block, (1, 2, 4, 4))
    drawings.show_block(block, (1, 2, 4, 4), [[*block]])
    assert block.training and block[0].training and not block[1].training
    for key, value in block.state_dict().items():
        assert torch.equal(value, before[key])


def test_a_block_says_its_layers_and_its_measured_shapes(shown):
    draw_inception()
    found = [text.get_text() for text in shown[0].axes[0].texts
             if text.get_text()]
    for text in ('28 × 28 × 192', '1×1 conv, 64', '3×3 conv, 128',
                 '5×5 conv, 32', '3×3 max pool', '28 × 28 × 256'):
        assert text in found
    assert found.count('ReLU') == 6
    draw_resnext()
    found = [text.get_text() for text in shown[2].axes[0].texts]
    assert '3×3 conv, 32, 4\ngroups, /2' in found
    assert '4 × 4 × 64' in found


def test_branches_that_are_not_the_blocks_are_refused():
    block = used(definitions('8-6')['Residual'](4), (2, 4, 6, 6))
    with pytest.raises(ValueError, match='name all steps in their order'):
        drawings.show_block(block, (1, 4, 6, 6),
                            [[block.conv1, block.bn1, block.conv2], []],
                            after=[F.relu])


@pytest.mark.parametrize('layer,text', [
    (nn.Conv2d(3, 64, 3, 2), '3×3 conv, 64, /2'),
    (nn.Conv2d(4, 8, (1, 3), groups=2), '1×3 conv, 8, 2 groups'),
    (nn.MaxPool2d(3, 2), '3×3 max pool, /2'),
    (nn.AdaptiveAvgPool2d(1), 'global avg pool'),
    (nn.LazyBatchNorm2d(), 'batch norm'), (nn.Linear(3, 10), 'linear, 10'),
    (nn.ReLU(), 'ReLU'), (F.relu, 'ReLU'), (nn.Dropout(), 'dropout')])
def test_a_layer_is_named_with_its_sizes(layer, text):
    assert drawings.layer_text(layer) == text


def test_kernels_stand_where_their_channels_meet(shown):
    conv = nn.Conv2d(4, 2, 3, groups=2)
    drawings.show_channels(conv)
    axes, = shown[0].axes
    drawn = [np.asarray(image.get_array()) for image in axes.images]
    np.testing.assert_array_equal(
        drawn, conv.weight.detach().reshape(4, 3, 3))
    lefts = [image.get_extent()[0] for image in axes.images]
    assert lefts == sorted(lefts) and len(set(lefts)) == 4
    assert 'weights: 2 × 2 × 3 × 3 = 36, biases: 2' in [
        text.get_text() for text in axes.texts]


def test_what_is_normalized_together_is_dark(shown):
    draw_norms()
    expected = np.zeros((4, 4, 6, 3, 3))
    expected[0, :, 0] = 1
    expected[1, 0] = 1
    expected[2, 0, 0] = 1
    expected[3, 0, :3] = 1
    for axes, dark in zip(shown[0].axes, expected):
        tiles = axes.collections[0].get_array()
        for n, c in itertools.product(range(4), range(6)):
            tile = tiles[4 * n:4 * n + 3, 4 * c:4 * c + 3]
            np.testing.assert_array_equal(tile, dark[n, c])
        assert axes.collections[0].get_cmap()(1.0) == (
            matplotlib.colors.to_rgba(canvas.COLORS[0]))
