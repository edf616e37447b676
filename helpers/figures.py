"""Figures with one look: black on white, legible on a phone and in the dark.

Every function shows its figure as a PNG and returns nothing, draws without
pyplot and so leaves the reader's matplotlib settings alone.
"""
import io
from itertools import cycle

import matplotlib
import numpy as np
import torch
from IPython import display, get_ipython
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image

COLORS = ['#0b66ad', '#c44900', '#2a7a3f', '#7a3fa0', '#5c5c5c']
MARKERS = ['o', 's', '^', 'D', 'v']
DPI = 180  # pixels of the PNG an inch; it is shown at half that size
WIDTH = 5.4  # inches, the widest figure
STYLE = {'font.size': 9.5, 'axes.titlesize': 9.5, 'axes.spines.top': False,
         'axes.spines.right': False, 'axes.edgecolor': '#555555',
         'axes.grid': True, 'grid.color': '#e3e3e3', 'axes.axisbelow': True,
         'axes.titlepad': 4, 'lines.linewidth': 1.8, 'lines.markersize': 4,
         'legend.frameon': False, 'image.interpolation': 'nearest'}


class Place:
    """One output of a cell: tqdm writes its line there, a figure follows."""
    def __init__(self):
        in_notebook = hasattr(get_ipython(), 'kernel')
        self.handle = in_notebook and display.display(
            {'text/plain': ''}, raw=True, display_id=True)
        self.file = self if in_notebook else None

    def write(self, text):
        """Show the text, in place of what was there."""
        if text.strip():
            self.handle.update({'text/plain': text.strip()}, raw=True)

    def flush(self):
        """Nothing waits to be written."""


def show_images(images, titles=None, num_cols=6):
    """Show images or feature maps in a grid.

    Each is (h, w) or (1, h, w), or (h, w, 3) in colours from 0 to 1. One
    without negative values is grey, black the smallest and white the
    largest; one with negative values is blue below and red above zero, on a
    scale of its own that is symmetric about zero.
    """
    images = [_array(image).squeeze() for image in images]
    num_cols = min(num_cols, len(images))
    num_rows = -(-len(images) // num_cols)
    size = min(1.6, WIDTH / num_cols)
    with matplotlib.rc_context({**STYLE, 'axes.titlesize': 8.5}):
        fig = Figure((size * num_cols,
                      (size + (0.25 if titles else 0)) * num_rows),
                     layout='compressed')
        grid = fig.subplots(num_rows, num_cols, squeeze=False).flatten()
        for axes, image in zip(grid, images):
            look = (_symmetric(image) if image.min() < 0
                    else {'cmap': 'gray'})
            axes.imshow(image, **look)
            _frame(axes)
        for axes in grid[len(images):]:
            axes.set_visible(False)
        _title(grid, titles)
        _show(fig)


def show_matrices(matrices, titles=None):
    """Show small matrices, each (h, w), side by side with their numbers.

    Blue is below zero, red above, on a scale of each matrix.
    """
    matrices = [_array(matrix) for matrix in matrices]
    heights, widths = zip(*(matrix.shape for matrix in matrices))
    cell = min(0.4, WIDTH / (sum(widths) + len(widths)))
    with matplotlib.rc_context({**STYLE, 'axes.titlesize': 8.5}):
        fig = Figure((cell * (sum(widths) + len(widths)),
                      cell * max(heights) + 0.4), layout='compressed')
        grid = fig.subplots(1, len(matrices), width_ratios=widths,
                            squeeze=False)[0]
        for axes, matrix in zip(grid, matrices):
            # Pale colours, on which black numbers are legible.
            axes.imshow(matrix, **_symmetric(matrix, stretch=1.7))
            size = cell * (27 if np.all(matrix == matrix.round()) else 19)
            for (i, j), value in np.ndenumerate(matrix):
                axes.text(j, i, _number(value), ha='center', va='center',
                          size=size)
            _frame(axes)
        _title(grid, titles)
        _show(fig)


def show_confusion(counts, labels):
    """Show how often class i (row) was taken for class j (column).

    `counts` is a tensor (n, n); the diagonal, what is right, stays white so
    that the colour belongs to the mistakes.
    """
    counts = _array(counts)
    mistakes = np.where(np.eye(len(counts)), 0, counts)
    with matplotlib.rc_context({**STYLE, 'axes.grid': False}):
        fig = Figure((WIDTH, WIDTH * 0.9))
        axes = fig.subplots()
        axes.imshow(mistakes, cmap='Reds')
        for (i, j), value in np.ndenumerate(counts):
            dark = mistakes[i, j] > 0.6 * mistakes.max()
            axes.text(j, i, _number(value), ha='center', va='center', size=8,
                      color='white' if dark else 'black',
                      weight='bold' if i == j else 'normal')
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha='right')
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel='predicted', ylabel='true')
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        _show(fig)


def plot(X, Y, xlabel, ylabel, legend=(), xscale='linear',
         yscale='linear'):
    """Plot lines: `X` is shared, `Y` a list of sequences as long as X."""
    with matplotlib.rc_context(STYLE):
        fig = Figure((4.6, 2.7))
        axes = fig.subplots()
        for y, color, marker in zip(Y, cycle(COLORS), cycle(MARKERS)):
            axes.plot(_array(X), _array(y), color=color, marker=marker)
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale,
                 yscale=yscale)
        if xscale == 'linear' and all(x == round(x) for x in _array(X)):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if legend:
            axes.legend(legend)
        _show(fig)


def show_points(X, Y, names, xlabel, ylabel):
    """Show one named point for each network, over X on a logarithmic scale.

    `X` has a number for each, `Y` the results of its runs: a sequence, whose
    mean is the point and whose smallest and largest are the ends of a bar.
    """
    means = np.array([np.mean(_array(y)) for y in Y])
    ends = abs(np.array([[min(y), max(y)] for y in Y]).T - means)
    with matplotlib.rc_context(STYLE):
        fig = Figure((WIDTH, 3.2))
        axes = fig.subplots()
        axes.errorbar(_array(X), means, ends, fmt='o', color=COLORS[0],
                      capsize=3)
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale='log')
        axes.set_xmargin(0.12)
        if max(X) < 30 * min(X):  # the powers of ten are too few
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter('{x:,.0f}')
            axes.xaxis.set_minor_formatter('')
        fig.draw_without_rendering()  # settles where the points are
        taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in
                 axes.transData.transform(np.c_[_array(X), means])]
        for x, mean, name in sorted(zip(X, means, names), reverse=True):
            taken.append(_name(axes, (x, mean), name, taken))
        _show(fig)


def _name(axes, point, name, taken):
    """Write a name beside its point where nothing is; return its box."""
    text = axes.annotate(name, point, (0, 0), size=8.5,
                         textcoords='offset points')
    for x, y in (7, 3), (-7, 3), (7, -10), (-7, -10), (7, 12), (-7, 12):
        text.xyann = x, y
        text.set_horizontalalignment('left' if x > 0 else 'right')
        box = text.get_window_extent()
        if box.x0 > axes.bbox.x0 and not any(
                box.overlaps(other) for other in taken):
            break
    return box


def show_runs(histories, place=None):
    """Show the curves of one run, or of several and their mean.

    `histories` is a list of runs, each a list of one dict an epoch as
    `Trainer.fit` returns it. `place` is the output to replace.
    """
    with matplotlib.rc_context(STYLE):
        fig = Figure((4.8, 2.9))
        axes = fig.subplots()
        names = [key for key in histories[0][0] if key != 'epoch']
        for name, color, marker in zip(names, COLORS, MARKERS):
            runs = np.array([[row[name] for row in run]
                             for run in histories])
            epochs = range(1, runs.shape[1] + 1)
            if len(runs) > 1:
                axes.plot(epochs, runs.T, color=color, alpha=0.35, lw=0.9)
            axes.plot(epochs, runs.mean(axis=0), color=color, marker=marker,
                      label={'train': 'training ', 'val': 'validation '}[
                          name.split('_')[0]] + {'acc': 'accuracy'}.get(
                              name.split('_')[1], name.split('_')[1]))
        axes.set(xlabel='epoch', ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        _show(fig, place)


def _frame(axes):
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, linewidth=0.6, color='#777777')


def _title(grid, titles):
    for axes, title in zip(grid, titles or ()):
        axes.set_title(title)


def _symmetric(array, stretch=1):
    bound = max(abs(array).max(), 1e-12) * stretch
    return {'cmap': 'RdBu_r', 'vmin': -bound, 'vmax': bound}


def _array(tensor):
    if isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu().float()
    return np.asarray(tensor)


def _number(value):
    return f'{value:.0f}' if value == round(value) else f'{value:.2f}'


def _show(fig, place=None):
    if get_ipython() is None:  # a script: there is nowhere to show it
        return
    buffer = io.BytesIO()
    fig.savefig(buffer, dpi=DPI, bbox_inches='tight', pad_inches=0.06,
                facecolor='white')
    png = io.BytesIO()  # 256 colours are enough and a third of the bytes
    Image.open(buffer).convert('RGB').quantize(
        256, dither=Image.Dither.NONE).save(png, 'png', optimize=True)
    picture = display.Image(data=png.getvalue(), format='png', retina=True)
    if place and place.handle:
        place.handle.update(picture)
    else:
        display.display(picture)
