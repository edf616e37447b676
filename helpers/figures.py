"""Plots, and the one look that all figures have: ink on the page.

No text is smaller than 9 pixels on a phone of 360. Every function shows its
figure as a PNG and returns nothing, draws without pyplot and so leaves the
reader's matplotlib settings alone.
"""
import io
from contextlib import contextmanager
from itertools import cycle

import matplotlib
import numpy as np
import torch
from IPython import display, get_ipython
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image
from scipy.special import stdtrit

COLORS = ['#0b66ad', '#c44900', '#2a7a3f', '#7a3fa0', '#5c5c5c']
MARKERS = ['o', 's', '^', 'D', 'v']
DPI = 180  # pixels of the PNG an inch; it is shown at half that size
WIDTH = 5.5  # inches, the widest figure; a phone shows it 320 pixels wide
SIZE = 11.5  # points, of all text: 9 of those pixels
INK = '#1f2328'
GREY = '#767a80'  # as far from white as from a dark page
STYLE = {'font.size': SIZE, 'axes.titlesize': SIZE, 'text.color': INK,
         'axes.labelcolor': INK, 'xtick.color': INK, 'ytick.color': INK,
         'axes.edgecolor': '#555555', 'axes.spines.top': False,
         'axes.spines.right': False, 'axes.grid': True,
         'grid.color': '#e3e3e3', 'axes.axisbelow': True, 'axes.titlepad': 5,
         'lines.linewidth': 1.8, 'lines.markersize': 4.5,
         'errorbar.capsize': 3, 'image.interpolation': 'nearest'}
ON_ANY_PAGE = {'text.color': GREY, 'axes.labelcolor': GREY,
               'xtick.color': GREY, 'ytick.color': GREY,
               'axes.edgecolor': GREY}


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


def plot(X, Y, xlabel, ylabel, legend=(), xscale='linear',
         yscale='linear'):
    """Plot lines over the numbers `X`, each with its name at its end.

    `Y` has for each line a sequence as long as X, or a tensor (runs, len(X)):
    a dot for each run, a line through the means and their 95 % intervals.
    """
    with canvas(WIDTH, 3.3) as fig:
        axes = fig.subplots()
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
        if xscale == 'linear' and all(x == round(x) for x in as_array(X)):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _lines(axes, X, Y, legend)


def show_runs(runs, place=None):
    """Show losses and, on an axis of its own, accuracy over the epochs.

    `runs` is a list of runs, recorded ones (`load_runs`) or lists of one
    dict an epoch as `Trainer.fit` returns them: a dot for each, the mean and
    its 95 % interval. `place` is the output to replace.
    """
    runs = [run['epochs'] if isinstance(run, dict) else run for run in runs]
    kinds = {kind: [key for key in runs[0][0] if key.endswith(kind)]
             for kind in ('loss', 'acc')}
    kinds = {kind: keys for kind, keys in kinds.items() if keys}
    with canvas(WIDTH, 0.6 + 1.9 * len(kinds), place) as fig:
        panels = fig.subplots(len(kinds), sharex=True, squeeze=False)[:, 0]
        for axes, (kind, keys) in zip(panels, kinds.items()):
            axes.set_ylabel({'acc': 'accuracy'}.get(kind, kind))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            _lines(axes, range(1, len(runs[0]) + 1),
                   [[[row[key] for row in run] for run in runs]
                    for key in keys],
                   [{'train': 'training', 'val': 'validation'}[
                       key.split('_')[0]] for key in keys])
        panels[-1].set_xlabel('epoch')


def show_seeds(results, xlabel):
    """Show a dot for each run, and below the mean and its 95 % interval.

    `results` is a dict: for each name the results of its runs, a sequence.
    """
    with canvas(WIDTH, 0.8 + 0.48 * len(results)) as fig:
        axes = fig.subplots()
        for row, (values, color) in enumerate(
                zip(results.values(), cycle(COLORS))):
            values = as_array(values)
            axes.plot(values, [row - 0.12] * len(values), 'o', color=color,
                      alpha=0.6)
            axes.errorbar(values.mean(), row + 0.18, xerr=interval(values),
                          fmt='|', color=color, markersize=11)
        axes.set_yticks(range(len(results)), results)
        axes.set(xlabel=xlabel, ylim=(len(results) - 0.5, -0.5))
        axes.tick_params(axis='y', length=0)
        axes.grid(visible=False, axis='y')


def show_points(X, Y, names, xlabel, ylabel):
    """Show one named point for each network, over X on a logarithmic scale.

    `X` has a number for each, `Y` the results of its runs, a sequence: a
    pale dot for each, their mean and its 95 % interval.
    """
    Y = [as_array(y) for y in Y]
    means = np.array([y.mean() for y in Y])
    with canvas(WIDTH, 3.6) as fig:
        axes = fig.subplots()
        axes.errorbar(as_array(X), means, [interval(y) for y in Y], fmt='o',
                      color=COLORS[0], markersize=6)
        for x, y in zip(X, Y):
            axes.plot([x] * len(y), y, 'o', color=COLORS[0], alpha=0.4)
        axes.set(xlabel=xlabel, ylabel=ylabel, xscale='log')
        axes.set_xmargin(0.12)
        if max(X) < 30 * min(X):  # the powers of ten are too few
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter('{x:,.0f}')
            axes.xaxis.set_minor_formatter('')
        fig.draw_without_rendering()  # settles where the points are
        taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in
                 axes.transData.transform(np.c_[as_array(X), means])]
        for x, mean, name in sorted(zip(X, means, names), reverse=True):
            taken.append(_name(axes, (x, mean), name, taken))


def _name(axes, point, name, taken):
    """Write a name beside its point where nothing is; return its box."""
    text = axes.annotate(name, point, (0, 0), textcoords='offset points')
    for x, y in (7, 3), (-7, 3), (7, -12), (-7, -12), (7, 14), (-7, 14):
        text.xyann = x, y
        text.set_horizontalalignment('left' if x > 0 else 'right')
        box = text.get_window_extent()
        if box.x0 > axes.bbox.x0 and not any(
                box.overlaps(other) for other in taken):
            break
    return box


def _lines(axes, X, Y, names):
    """Draw lines, or the means of several runs; write names at the ends."""
    X, labels = as_array(X), []
    for i, (y, color, marker) in enumerate(
            zip(Y, cycle(COLORS), cycle(MARKERS))):
        runs = np.atleast_2d(as_array(y))
        mean = runs.mean(axis=0)
        axes.plot(X, mean, color=color, marker=marker if len(X) < 30 else '')
        if len(runs) > 1:
            axes.plot(X, runs.T, 'o', color=color, alpha=0.35, markersize=3)
            axes.errorbar(X, mean, interval(runs), fmt='none', color=color)
        if len(names):
            last = np.flatnonzero(np.isfinite(mean))[-1]
            labels.append(axes.annotate(
                names[i].replace(', ', ',\n', 1), (X[last], mean[last]),
                (1.04, 0.5), textcoords='axes fraction', color=color,
                va='center', annotation_clip=False, arrowprops={
                    'arrowstyle': '-', 'color': color, 'lw': 0.6,
                    'relpos': (0, 0.5), 'shrinkA': 0, 'shrinkB': 3}))
    axes.figure.draw_without_rendering()  # settles where the ends are
    _spread(axes, labels)


def _spread(axes, labels):
    """Move names to the heights of their lines' ends, but clear of another."""
    labels = sorted(labels, key=lambda label: label.xy[1])
    heights = [Text.get_window_extent(label).height for label in labels]
    at = [axes.transData.transform(label.xy)[1] for label in labels]
    for i in range(1, len(at)):
        at[i] = max(at[i], at[i - 1] + (heights[i - 1] + heights[i]) / 2 + 1)
    top = axes.bbox.y1
    for i in reversed(range(len(at))):
        at[i] = min(at[i], top - heights[i] / 2)
        top = at[i] - heights[i] / 2 - 1
    for y, label in zip(at, labels):
        label.xyann = 1.04, (y - axes.bbox.y0) / axes.bbox.height


def interval(runs):
    """Half the width of the 95 % t-interval of the mean, over axis 0."""
    runs = np.asarray(runs)
    n = len(runs)
    if n == 1:  # nothing is known of the spread
        return np.zeros(runs.shape[1:])
    return stdtrit(n - 1, 0.975) * runs.std(axis=0, ddof=1) / n ** 0.5


def as_array(tensor):
    """A tensor or a sequence of numbers as an array."""
    if isinstance(tensor, torch.Tensor):
        tensor = tensor.detach().cpu().float()
    return np.asarray(tensor, dtype=float)


@contextmanager
def canvas(width, height, place=None, picture=False):
    """A new figure of so many inches, which is shown at the end.

    A figure that is a `picture` of data has no ground of its own and words
    in a grey for any page, since its colours must stay; the ink and the
    ground of all others change with the page.
    """
    with matplotlib.rc_context({**STYLE, **(ON_ANY_PAGE if picture else {})}):
        fig = Figure((width, height),
                     layout='compressed' if picture else 'constrained')
        yield fig
        show_figure(fig, place, picture)


def paper(fig):
    """Axes over the whole figure, in inches from the upper left corner."""
    fig.set_layout_engine('none')
    width, height = fig.get_size_inches()
    axes = fig.add_axes((0, 0, 1, 1))
    axes.axis('off')
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    return axes


def show_figure(fig, place=None, picture=False):
    """Show a figure in the cell, or in place of what `place` shows."""
    if get_ipython() is None:  # a script: there is nowhere to show it
        return
    buffer, png = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, dpi=DPI, bbox_inches='tight', pad_inches=0.03,
                facecolor='none' if picture else 'white')
    image = Image.open(buffer)
    if not picture:  # 256 colours are enough and a third of the bytes
        image = image.convert('RGB').quantize(256,
                                              dither=Image.Dither.NONE)
    image.save(png, 'png', optimize=True)
    shown = display.Image(data=png.getvalue(), format='png', retina=True)
    if place and place.handle:
        place.handle.update(shown)
    else:
        display.display(shown)
