"""Plots: lines, runs, seeds and points, each run shown with the mean.

Every function shows its figure as a PNG and returns nothing.
"""
from itertools import cycle

import numpy as np
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import Bbox

from helpers.canvas import COLORS, WIDTH, as_array, canvas
from helpers.measure import interval

MARKERS = ['o', 's', '^', 'D', 'v']


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
                   ['training' if key.startswith('train') else 'validation'
                    for key in keys])
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
        axes.tick_params(axis='y', length=0, grid_alpha=0)


def show_points(X, Y, names, xlabel, ylabel):
    """Show one named point for each network, over X on a logarithmic scale.

    `X` has a number for each, `Y` the results of its runs, a sequence: a
    pale dot for each, their mean and, from three on, its 95 % interval.
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
    if labels:
        axes.figure.draw_without_rendering()  # settles where the ends are
        _spread(axes, labels)


def _spread(axes, labels):
    """Move names to the heights of their lines' ends, but clear of another."""
    labels = sorted(labels, key=lambda label: label.xy[1])
    ends = axes.transData.transform([label.xy for label in labels])[:, 1]
    high = 1 + max(Text.get_window_extent(label).height for label in labels)
    steps = high * np.arange(len(labels))
    at = np.maximum.accumulate(ends - steps) + steps
    at = np.minimum(at, axes.bbox.y1 - high / 2 - steps[::-1])
    for y, label in zip(at, labels):
        label.xyann = 1.04, (y - axes.bbox.y0) / axes.bbox.height
