"""Drawings of networks, whose shapes and counts are measured by running them.

What is drawn to scale: heights, widths and channels of feature maps, and the
number of channels and kernels. All lengths are in inches.
"""
from contextlib import contextmanager
from textwrap import fill

import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from torch import nn

from helpers.canvas import COLORS, INK, LETTER, WIDTH, canvas, in_rows, paper

LINE = 0.19  # the height of a line of text
GAP = 0.17  # between the maps of a chain
SLANT = 0.35  # of a box's depth, by which its back lies right and above
WORDS = {'AdaptiveAvgPool': 'global avg pool', 'AvgPool': 'avg pool',
         'MaxPool': 'max pool', 'BatchNorm': 'batch norm', 'Conv': 'conv',
         'ReLU': 'ReLU', 'relu': 'ReLU'}
BLUE, YELLOW = '#d3e5f5', '#f3ecd0'
PALE = {'conv': BLUE, 'linear': BLUE, 'norm': '#dcefdd', 'pool': '#e6e6e6',
        'relu': '#fbe3d2', 'sigmoid': '#fbe3d2', 'tanh': '#fbe3d2'}


def show_chain(layers, shape, names=()):
    """Show a network as its chain of feature maps, each drawn to scale.

    `layers` is a sequence of modules, which are run on zeros of `shape`,
    (1, c, h, w). Whatever has weights or changes the shape has a box: as high
    and as deep as its maps, as long as it has channels; a vector is a bar. The
    text above says what makes the box; `names`, one for each box but the
    first, say it in other words. Raises ValueError if there are not as many.
    """
    texts, shapes = ['input'], [shape[1:]]
    with _as_in_use(nn.Sequential(*layers)):
        X = torch.zeros(shape)
        for layer in layers:
            X = layer(X)
            if not isinstance(layer, nn.Flatten) and (
                    X.shape[1:] != shapes[-1]
                    or any(p.ndim > 1 for p in layer.parameters())):
                texts.append(layer_text(layer).split(',')[0])
                shapes.append(X.shape[1:])
    if names and len(names) != len(shapes) - 1:
        raise ValueError(f'There are {len(shapes) - 1} boxes after the input: '
                         f'give so many names, not {len(names)}.')
    texts = [fill(text, 6, break_long_words=False)
             for text in (['input', *names] if names else texts)]
    labels = [f'{box[1]}×{box[2]}\n× {box[0]}' if len(box) > 1
              else f'{box[0]}' for box in shapes]
    pixel = 1.15 / shape[2]
    channel = 0.42 / max(box[0] for box in shapes if len(box) > 1)
    entry = min(channel, 1.15 / max(box[0] for box in shapes))
    sizes = [(max(channel * box[0], 0.03), pixel * box[1], pixel * box[2])
             if len(box) > 1 else (0.09, max(entry * box[0], 0.08), 0)
             for box in shapes]
    widths = [max(length + SLANT * depth, LETTER * max(
        map(len, f'{text}\n{label}'.split('\n'))))
        for (length, _, depth), text, label in zip(sizes, texts, labels)]
    rows = in_rows(widths, GAP)
    across = max(x + widths[i] for row in rows for i, x in row) + GAP
    tall = [max(sizes[i][1] + SLANT * sizes[i][2] + LINE * (
        texts[i].count('\n') + 1) for i, _ in row) + 0.1 for row in rows]
    below = 2 * LINE + 0.15
    with canvas(across, sum(tall) + below * len(rows)) as fig:
        axes, foot = paper(fig), -below
        for row, high in zip(rows, tall):
            foot += high + below
            for i, left in row:
                middle = left + GAP / 2 + widths[i] / 2
                top = _cuboid(axes, middle, foot, *sizes[i])
                axes.text(middle, top - 0.06, texts[i], ha='center',
                          va='bottom', linespacing=1.05)
                axes.text(middle, foot + 0.06, labels[i], ha='center',
                          va='top', linespacing=1.05)
                if left:
                    _arrow(axes, (left - GAP / 2 + 0.04, foot - 0.07),
                           (left + GAP / 2 + 0.03, foot - 0.07))


def _cuboid(axes, middle, foot, length, height, depth):
    """Draw a box that stands at `foot`; return the height of its back."""
    d = SLANT * depth
    x, top = middle - (length + d) / 2, foot - height
    front, right = [x, x + length], [x + length, x + length + d]
    for xs, ys, color in (
            ([*front, *front[::-1]], [foot, foot, top, top], BLUE),
            ([*front, right[1], x + d], [top, top, top - d, top - d],
             '#e8f1fa'),
            ([*right, *right[::-1]], [foot, foot - d, top - d, top],
             '#a9cbe8')):
        axes.add_patch(Polygon(np.c_[xs, ys], facecolor=color, edgecolor=INK,
                               linewidth=0.8, joinstyle='round'))
    return top - d


def show_block(block, shape, branches, join='+', after=()):
    """Show a block with branches and a shortcut, and what they are made of.

    `branches` lists the steps of each branch, modules of `block` or
    functions; a branch without steps is an identity. They are run on random
    numbers of `shape`, joined by a sum or by 'concat', and followed by the
    steps `after`. Raises ValueError if that is not what `block` computes.
    """
    with _as_in_use(block):
        X = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        expected, ends = block(X), [_run(steps, X) for steps in branches]
        Y = _run(after, sum(ends) if join == '+' else torch.cat(ends, dim=1))
    if Y.shape != expected.shape or not torch.allclose(Y, expected,
                                                       atol=1e-5):
        raise ValueError('The branches do not compute what the block '
                         'computes: name all steps in their order.')
    before, behind = ('{2} × {3} × {1}'.format(*s) for s in (shape, Y.shape))
    column = min(WIDTH / len(branches), 2.1)
    width, across = column - 0.12, column * len(branches)
    texts = [[fill(layer_text(step), int(width / LETTER)) for step in steps]
             for steps in branches]
    heights = [[_height(text) for text in some] for some in texts]
    tall = max(sum(some) + 0.2 * (len(some) - 1) for some in heights)
    start, joint = 0.37, 0.37 + 0.22 + tall + 0.42
    with canvas(across, joint + 0.55 * len(after) + 0.98) as fig:
        axes = paper(fig)
        _box(axes, 0.06, 0.04, across - 0.12, before, 'white')
        for i, (some, sizes) in enumerate(zip(texts, heights)):
            x, y = column * (i + 0.5), start
            gap = (tall - sum(sizes)) / max(len(some) - 1, 1)
            top = start + 0.22 + gap / 2 * (len(some) == 1)
            for text, height in zip(some, sizes):
                _arrow(axes, (x, y), (x, top))
                _box(axes, x - width / 2, top, width, text)
                y, top = top + height, top + height + gap
            _arrow(axes, (x, y), (x, joint))
            if join != '+':
                axes.text(x + 0.06, joint - 0.2, ends[i].shape[1], va='center')
        _box(axes, 0.06, joint, across - 0.12, '+' if join == '+' else
             'concatenate the channels', YELLOW)
        y = joint + _height('+')
        for text in [*map(layer_text, after), behind]:
            _arrow(axes, (across / 2, y), (across / 2, y + 0.22))
            _box(axes, across / 2 - width / 2, y + 0.22, width, text)
            y += 0.22 + _height(text)


def _run(steps, X):
    for step in steps:
        X = step(X)
    return X


def show_channels(layer):
    """Show the kernels of a convolution between its channels.

    A column for each input channel, a row for each output channel, and where
    they meet the slice of the kernel between them, its weights blue below
    zero and red above; there is none between channels of two groups.
    """
    weight, groups = layer.weight.detach().cpu().numpy(), layer.groups
    c_o, slices, h, w = weight.shape
    c_i, bound = slices * groups, abs(weight).max()
    step = min(0.69, (WIDTH - 0.9) / (c_i + 1.45))
    side, rows = 0.8 * step, 0.35 + 1.2 * step  # where the kernels begin
    high, wide = side * h / max(h, w), side * w / max(h, w)
    right, bottom = 0.5 + c_i * step, rows + c_o * step
    across = right + 0.45 * step + side + 0.4
    with canvas(across, bottom + 0.5) as fig:
        axes = paper(fig)
        biases = '' if layer.bias is None else f', biases: {c_o}'
        for x, y, text, turn in (
                (0.5 + (c_i * step - step + side) / 2, 0.2,
                 f'input channels: {c_i}', 0),
                (0.2, (rows + bottom) / 2, f'kernels: {c_o}', 90),
                (across - 0.2, (rows + bottom) / 2,
                 f'output channels: {c_o}', 270),
                (across / 2, bottom + 0.22, f'weights: {c_o} × {slices} × '
                 f'{h} × {w} = {weight.size:,}{biases}', 0)):
            axes.text(x, y, text, ha='center', va='center', rotation=turn)
        for c in range(c_i):
            _sheet(axes, 0.5 + c * step, 0.35, side, side, '#e3e6ea')
        for row, kernel in enumerate(weight):
            y = rows + row * step
            for c, values in enumerate(kernel, row * groups // c_o * slices):
                x = 0.5 + c * step
                axes.imshow(values, cmap='RdBu_r', vmin=-bound, vmax=bound,
                            extent=(x, x + wide, y + high, y))
                _sheet(axes, x, y, high, wide, 'none')
            _arrow(axes, (right - step + side + 0.06, y + side / 2),
                   (right + 0.35 * step, y + side / 2))
            _sheet(axes, right + 0.45 * step, y, side, side,
                   f'{COLORS[row % len(COLORS)]}66')
        axes.set(xlim=(0, across), ylim=(bottom + 0.5, 0))


def _sheet(axes, x, y, height, width, color):
    axes.add_patch(Rectangle((x, y), width, height, facecolor=color,
                             edgecolor=INK, linewidth=0.8))


def show_norms(layers, names, shape=(4, 6, 3, 3)):
    """Show which numbers share a mean and a variance in each of the layers.

    A row is an image, a column a channel, a tile its pixels. What is dark
    changes the first pixel of the first image and channel when the layer
    normalizes numbers of `shape`: it was measured by the gradient.
    """
    n, c, h, w = shape
    X = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with canvas(WIDTH, 0.6 + 1.6 * -(-len(layers) // 2)) as fig:
        grid = fig.subplots(-(-len(layers) // 2), 2, squeeze=False).flatten()
        for axes, layer, name in zip(grid, layers, names):
            X = X.detach().requires_grad_()
            layer(X)[0, 0, 0, 0].backward()
            tiles = np.full((n, h + 1, c, w + 1), np.nan)  # a gap after each
            tiles[:, :h, :, :w] = (X.grad != 0).permute(0, 2, 1, 3)
            tiles = tiles.reshape(n * (h + 1), -1)[:-1, :-1]
            axes.pcolormesh(tiles, cmap=ListedColormap(['#dfe3e7', COLORS[0]]),
                            edgecolor='white', linewidth=0.4)
            axes.set(title=name, xlabel='channels', ylabel='images',
                     xticks=[], yticks=[], aspect='equal', frame_on=False,
                     ylim=(len(tiles), 0))
        for axes in grid[len(layers):]:
            axes.set_visible(False)


def layer_text(layer):
    """What a layer is, such as '3×3 conv, 64, /2': filters and stride."""
    name = getattr(layer, '__name__', type(layer).__name__)
    text = next((word for part, word in WORDS.items() if part in name),
                name.lower())
    if hasattr(layer, 'kernel_size'):
        text = '{}×{} '.format(*np.broadcast_to(layer.kernel_size, 2)) + text
    for size in 'out_channels', 'out_features':
        if hasattr(layer, size):
            text += f', {getattr(layer, size)}'
    if getattr(layer, 'groups', 1) > 1:
        text += f', {layer.groups} groups'
    stride = np.max(getattr(layer, 'stride', 1))
    return text + (f', /{stride}' if stride > 1 else '')


def _height(text):
    """The height of a box with this text."""
    return 0.14 + LINE * (text.count('\n') + 1)


def _arrow(axes, start, end):
    axes.annotate('', end, start, arrowprops={
        'arrowstyle': '-|>', 'color': INK, 'lw': 1,
        'shrinkA': 0, 'shrinkB': 0, 'mutation_scale': 9})


def _box(axes, x, y, width, text, color=None):
    color = color or next((PALE[word] for word in PALE
                           if word in text.lower()), 'white')
    axes.add_patch(FancyBboxPatch(
        (x, y), width, _height(text), 'round,pad=0,rounding_size=0.06',
        facecolor=color, edgecolor=INK, linewidth=0.8, zorder=3))
    axes.text(x + width / 2, y + _height(text) / 2, text, ha='center',
              va='center', zorder=4)


@contextmanager
def _as_in_use(net):
    """Run a network without gradients and leave it as it was."""
    training = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        yield
    for module, mode in training.items():
        module.training = mode
