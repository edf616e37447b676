"""Figures: what they draw, their size, and that they change no setting."""
import io
import itertools

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import figures, load_sample


@pytest.fixture
def shown(monkeypatch):
    """The figures and pictures that a notebook would have been given."""
    seen = []
    monkeypatch.setattr(figures, 'get_ipython', lambda: object())
    monkeypatch.setattr(figures.display, 'display', seen.append)
    original = figures._show

    def show(fig, place=None):
        seen.append(fig)
        original(fig, place)
    monkeypatch.setattr(figures, '_show', show)
    return seen


def draw_all():
    X, y = load_sample()
    figures.show_images(X[:8], [f'image {i}' for i in range(8)])
    figures.show_matrices([torch.eye(3), -torch.rand(2, 4)], ['a', 'b'])
    figures.plot([1, 2, 3], [[1, 2, 3], [3, 2, 1]], 'x', 'y', ['up', 'down'])
    run = [{'epoch': n, 'train_loss': 2 / n, 'val_loss': 2.1 / n,
            'val_acc': n / 9} for n in (1, 2, 3)]
    figures.show_runs([run])
    figures.show_runs([run, run])
    figures.show_points([10, 1000], [[0.7, 0.8], [0.9]], ['a', 'b'], 'x', 'y')
    figures.show_confusion(torch.randint(100, (10, 10)), list('abcdefghij'))


def test_every_figure_is_a_light_png_of_known_size(shown):
    draw_all()
    pictures = shown[1::2]
    assert len(pictures) == 7
    for picture in pictures:
        image = Image.open(io.BytesIO(picture.data))
        assert image.format == 'PNG' and len(picture.data) < 60_000
        assert abs(picture.width - image.width / 2) <= 1
        assert picture.width <= 560
        corners = np.asarray(image.convert('RGB'))[[0, 0, -1, -1],
                                                   [0, -1, 0, -1]]
        assert (corners == 255).all()  # white, whatever the page is


def test_settings_of_the_reader_are_left_alone(shown):
    matplotlib.rcParams['figure.dpi'] = 77
    before = dict(matplotlib.rcParams)
    draw_all()
    assert dict(matplotlib.rcParams) == before
    matplotlib.rcdefaults()


def test_images_keep_their_pixels_and_titles(shown):
    X, _ = load_sample()
    figures.show_images([X[0], X[1, 0] - 0.5], ['one', 'two'])
    one, two = shown[0].axes
    assert np.array_equal(one.images[0].get_array(), X[0, 0].numpy())
    assert one.images[0].get_cmap().name == 'gray'
    assert two.images[0].get_cmap().name == 'RdBu_r'
    low, high = two.images[0].get_clim()
    assert low == -high == -0.5
    assert [axes.get_title() for axes in (one, two)] == ['one', 'two']


def test_matrices_show_their_numbers(shown):
    figures.show_matrices([torch.tensor([[1.0, -2.0]]),
                           torch.tensor([[0.25]])])
    assert [text.get_text() for axes in shown[0].axes
            for text in axes.texts] == ['1', '-2', '0.25']


def test_a_plot_shows_every_line_however_many(shown):
    lines = [[i, i + 1] for i in range(7)]
    figures.plot([1, 2], lines, 'x', 'y')
    drawn = [line.get_ydata() for line in shown[0].axes[0].lines]
    np.testing.assert_allclose(drawn, lines)


def test_runs_show_every_run_and_their_mean(shown):
    runs = [[{'epoch': n, 'val_acc': n * scale} for n in (1, 2)]
            for scale in (0.1, 0.3)]
    figures.show_runs(runs)
    lines = [line.get_ydata() for line in shown[0].axes[0].lines]
    np.testing.assert_allclose(lines, [[0.1, 0.2], [0.3, 0.6], [0.2, 0.4]])
    assert shown[0].axes[0].get_legend().get_texts()[0].get_text() == (
        'validation accuracy')


def test_points_are_means_with_bars_from_the_worst_run_to_the_best(shown):
    figures.show_points([10, 1000], [[0.7, 0.8, 0.75], [0.9]], ['a', 'b'],
                        'cost', 'accuracy')
    axes = shown[0].axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(),
                               [[10, 0.75], [1000, 0.9]])
    bars = [path.vertices[:, 1] for path in axes.collections[0].get_paths()]
    np.testing.assert_allclose(bars, [[0.7, 0.8], [0.9, 0.9]])
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
    figures.show_confusion(torch.tensor([[90, 10], [0, 100]]), ['a', 'b'])
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
    monkeypatch.setattr(figures, 'get_ipython', lambda: Shell())
    monkeypatch.setattr(figures.display, 'display', lambda *a, **k: handle)
    place = figures.Place()
    print('\r 50%', file=place.file, flush=True)
    print('\r     \r', file=place.file)
    figures.show_runs([[{'epoch': 1, 'val_acc': 0.5}]], place)
    assert handle.shown[0] == {'text/plain': '50%'}
    assert isinstance(handle.shown[1], figures.display.Image)
    assert len(handle.shown) == 2


def test_a_run_in_a_terminals_ipython_shows_its_figure(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, 'get_ipython', object)
    monkeypatch.setattr(figures.display, 'display', drawn.append)
    place = figures.Place()
    figures.show_runs([[{'epoch': 1, 'val_acc': 0.5}]], place)
    assert isinstance(drawn[0], figures.display.Image)
