"""Drawings of networks, whose shapes and counts are measured by running them.

What is drawn to scale: heights, widths and channels of feature maps, and the
number of channels and kernels. All lengths are in inches.
"""
from contextlib import contextmanager
from textwrap import fill

import torch
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle
from matplotlib.textpath import TextPath
from torch import nn

from helpers.figures import (
    COLORS,
    INK,
    SIZE,
    WIDTH,
    as_array,
    canvas,
    paper,
)

LINE = 0.19  # the height of a line of text
SLANT = 0.35  # of a box's depth, by which its back lies right and above
PALE = {'conv': '#d3e5f5', 'linear': '#d3e5f5', 'norm': '#dcefdd',
        'pool': '#e6e6e6', 'relu': '#fbe3d2', 'sigmoid': '#fbe3d2',
        'tanh': '#fbe3d2'}


def show_chain(layers, shape, names=()):
    """Show a network as its chain of feature maps, each drawn to scale.

    `layers` is a sequence of modules, which are run on zeros of `shape`,
    (1, c, h, w). Whatever has weights or changes the shape has a box: as high
    and as deep as its maps, as long as it has channels; a vector is a bar. The
    text above says what makes the box; `names`, one for each box but the
    first, say it in other words. Raises ValueError if there are not as many.
    """
    boxes = [('input', shape[1:])]
    with _as_in_use(layers):
        X = torch.zeros(shape)
        for layer in layers:
            X = layer(X)
            if not isinstance(layer, nn.Flatten) and (
                    X.shape[1:] != boxes[-1][1]
                    or any(p.ndim > 1 for p in layer.parameters())):
                boxes.append((layer_text(layer, short=True), X.shape[1:]))
    if names and len(names) != len(boxes) - 1:
        raise ValueError(f'There are {len(boxes) - 1} boxes after the input: '
                         f'give so many names, not {len(names)}.')
    texts = ['input', *names] if names else [text for text, _ in boxes]
    texts = [fill(text, 7 if names else 6, break_long_words=False)
             for text in texts]
    shapes = [box for _, box in boxes]
    labels = [f'{box[1]}×{box[2]}\n× {box[0]}' if len(box) > 1
              else f'{box[0]}' for box in shapes]
    most = max(box[0] for box in shapes if len(box) > 1)
    longest = max([box[0] for box in shapes if len(box) == 1], default=1)
    pixel, channel = 1.15 / shape[2], 0.42 / most
    entry = min(1.15 / longest, channel)
    sizes = [(max(channel * box[0], 0.03), pixel * box[1], pixel * box[2])
             if len(box) > 1 else (0.09, max(entry * box[0], 0.08), 0)
             for box in shapes]
    widths = [max(size[0] + SLANT * size[2],
                  *map(text_width, f'{text}\n{label}'.split('\n')))
              for size, text, label in zip(sizes, texts, labels)]
    gap = 0.17
    total = sum(widths) + gap * (len(widths) - 1)
    num_rows, x, row, places = -(-total // WIDTH), 0, 0, []
    for width in widths:
        if x and (x + width > WIDTH or x + width / 2 > total / num_rows):
            x, row = 0, row + 1
        places.append((x, row))
        x += width + gap
    lines = max(text.count('\n') + 1 for text in texts)
    feet = [0]
    for i in range(row + 1):
        feet.append(feet[-1] + LINE * (lines + 2 * (i > 0)) + 0.2 + max(
            size[1] + SLANT * size[2] for size, place in zip(sizes, places)
            if place[1] == i))
    across = max(x + width for (x, _), width in zip(places, widths))
    with canvas(across + 0.08, feet[-1] + 2 * LINE + 0.15) as fig:
        axes = paper(fig)
        for size, text, label, width, (x, row) in zip(
                sizes, texts, labels, widths, places):
            foot = feet[row + 1]
            left = x + 0.04 + (width - size[0] - SLANT * size[2]) / 2
            _cuboid(axes, left, foot, *size)
            axes.text(x + 0.04 + width / 2,
                      foot - size[1] - SLANT * size[2] - 0.06, text,
                      ha='center', va='bottom', linespacing=1.05)
            axes.text(x + 0.04 + width / 2, foot + 0.06, label, va='top',
                      ha='center', linespacing=1.05)
            if x:
                middle = foot - 0.07
                _line(axes, (x - gap + 0.05, middle), (x + 0.03, middle),
                      arrow=True)


def _cuboid(axes, x, foot, length, height, depth):
    """A box whose lower front left corner is at (x, foot)."""
    d = SLANT * depth
    top, right = foot - height, x + length
    for corners, color in (
            ([(x, foot), (right, foot), (right, top), (x, top)], '#d3e5f5'),
            ([(x, top), (right, top), (right + d, top - d), (x + d, top - d)],
             '#e8f1fa'),
            ([(right, foot), (right, top), (right + d, top - d),
              (right + d, foot - d)], '#a9cbe8')):
        axes.add_patch(Polygon(corners, facecolor=color, edgecolor=INK,
                               linewidth=0.8, joinstyle='round'))


def show_block(block, shape, branches, join='+', after=()):
    """Show a block with branches and a shortcut, and what they are made of.

    `branches` lists the steps of each branch, modules of `block` or
    functions; a branch without steps is an identity. They are run on random
    numbers of `shape`, joined by a sum or by 'concat', and followed by the
    steps `after`. Raises ValueError if that is not what `block` computes.
    """
    with _as_in_use([block]):
        X = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        expected, ends = block(X), []
        for branch in branches:
            ends.append(X)
            for step in branch:
                ends[-1] = step(ends[-1])
        Y = sum(ends) if join == '+' else torch.cat(ends, dim=1)
        for step in after:
            Y = step(Y)
    if Y.shape != expected.shape or not torch.allclose(Y, expected,
                                                       atol=1e-5):
        raise ValueError('The branches do not compute what the block '
                         'computes: name all steps in their order.')
    column = min(WIDTH / len(branches), 2.1)
    width = column - 0.12
    texts = [[_broken(layer_text(step), width - 0.06) for step in branch]
             for branch in branches]
    heights = [[0.14 + LINE * (text.count('\n') + 1) for text in some]
               for some in texts]
    step = 0.2
    tall = max(sum(some) + step * (len(some) - 1) for some in heights)
    split, first = 0.46, 0.66
    joint = first + tall + 0.46
    middle = column * len(branches) / 2
    with canvas(column * len(branches), joint + 0.75
                + 0.55 * len(after)) as fig:
        axes = paper(fig)
        axes.text(middle, 0.12, _shape_text(shape[1:]), ha='center',
                  va='center')
        _line(axes, (middle, 0.26), (middle, split))
        for i, (some, sizes) in enumerate(zip(texts, heights)):
            x, y = column * (i + 0.5), split
            _line(axes, (middle, split), (x, split))
            gap = (tall - sum(sizes)) / max(len(sizes) - 1, 1)
            at = first if len(sizes) > 1 else first + gap / 2
            for text, size in zip(some, sizes):
                _line(axes, (x, y), (x, at), arrow=True)
                _box(axes, x - width / 2, at, width, size, text)
                y, at = at + size, at + size + gap
            if join == '+':
                _line(axes, (x, y), (x, joint))
                _line(axes, (x, joint), (
                    middle + (0.15 if x > middle else -0.15), joint),
                    arrow=True)
            else:
                _line(axes, (x, y), (x, joint - 0.15), arrow=True)
                axes.text(x + 0.06, joint - 0.3, ends[i].shape[1],
                          va='center')
        if join == '+':
            axes.add_patch(Circle((middle, joint), 0.15, facecolor='white',
                                  edgecolor=INK))
            axes.text(middle, joint, '+', ha='center', va='center_baseline',
                      size=15)
        else:
            _box(axes, 0.06, joint - 0.15, column * len(branches) - 0.12,
                 0.32, 'concatenate the channels', '#f3ecd0')
        y = joint + 0.16
        for function in after:
            _line(axes, (middle, y), (middle, y + 0.22), arrow=True)
            _box(axes, middle - width / 2, y + 0.22, width, 0.33,
                 layer_text(function))
            y += 0.55
        _line(axes, (middle, y), (middle, y + 0.24), arrow=True)
        axes.text(middle, y + 0.38, _shape_text(Y.shape[1:]), ha='center',
                  va='center')


def show_channels(layer):
    """Show the kernels of a convolution between its channels.

    A column for each input channel, a row for each output channel, and where
    they meet the slice of the kernel between them, its weights blue below
    zero and red above; there is none between channels of two groups.
    """
    weight, groups = as_array(layer.weight), layer.groups
    c_o, slices, h, w = weight.shape
    c_i = slices * groups
    step = min(0.69, (WIDTH - 0.9) / (c_i + 1.45))
    side = 0.8 * step
    x0, y0, bound = 0.5, 0.35, abs(weight).max()
    right, bottom = x0 + c_i * step, y0 + (c_o + 1.2) * step
    across = right + 0.45 * step + side + 0.4
    with canvas(across, bottom + 0.5) as fig:
        axes = paper(fig)
        axes.text(x0 + (c_i * step - step + side) / 2, 0.2,
                  _count(c_i, 'input channel'), ha='center', va='center')
        axes.text(0.2, y0 + 1.2 * step + c_o * step / 2,
                  _count(c_o, 'kernel'), ha='center', va='center', rotation=90)
        axes.text(across - 0.2, y0 + 1.2 * step + c_o * step / 2,
                  _count(c_o, 'output channel'), ha='center', va='center',
                  rotation=270)
        for c in range(c_i):
            _sheet(axes, x0 + c * step, y0, side, '#e3e6ea')
        for row in range(c_o):
            y = y0 + (row + 1.2) * step
            start = row // (c_o // groups) * slices
            for c, values in enumerate(weight[row], start):
                x = x0 + c * step
                axes.imshow(values, cmap='RdBu_r', vmin=-bound, vmax=bound,
                            extent=(x, x + side * w / max(h, w),
                                    y + side * h / max(h, w), y))
                _sheet(axes, x, y, side, 'none', h / max(h, w),
                       w / max(h, w))
            _line(axes, (right - step + side + 0.06, y + side / 2),
                  (right + 0.35 * step, y + side / 2), arrow=True)
            _sheet(axes, right + 0.45 * step, y, side,
                   f'{COLORS[row % len(COLORS)]}66')
        bias = '' if layer.bias is None else f' + {c_o} bias{"es" * (c_o > 1)}'
        axes.text(across / 2, bottom + 0.22,
                  f'{c_o} × {slices} × {h} × {w} = {weight.size:,} weights'
                  f'{bias}', ha='center', va='center')
        axes.set(xlim=(0, across), ylim=(bottom + 0.5, 0))


def _count(number, what):
    return f'{number} {what}{"s" * (number > 1)}'


def _sheet(axes, x, y, side, color, height=1, width=1):
    axes.add_patch(Rectangle((x, y), side * width, side * height,
                             facecolor=color, edgecolor=INK, linewidth=0.8))


def show_norms(layers, names, shape=(4, 6, 3, 3)):
    """Show which numbers share a mean and a variance in each of the layers.

    A row is an image, a column a channel, a tile its pixels. What is dark
    changes the first pixel of the first image and channel when the layer
    normalizes numbers of `shape`: it was measured by the gradient.
    """
    n, c, h, w = shape
    pixel = min(0.09, (WIDTH / 2 - 0.7) / (c * (w + 1)))
    wide, high = c * (w + 1) * pixel, n * (h + 1) * pixel
    rows = -(-len(layers) // 2)
    with canvas(WIDTH, rows * (high + 0.75)) as fig:
        axes = paper(fig)
        for i, (layer, name) in enumerate(zip(layers, names)):
            X = torch.randn(shape, generator=torch.Generator().manual_seed(0))
            layer(X.requires_grad_())[0, 0, 0, 0].backward()
            x0 = 0.4 + i % 2 * WIDTH / 2
            y0 = 0.32 + i // 2 * (high + 0.75)
            axes.text(x0 + wide / 2, y0 - 0.08, name, ha='center')
            axes.text(x0 + wide / 2, y0 + high + 0.02, 'channels', va='top',
                      ha='center')
            axes.text(x0 - 0.08, y0 + high / 2, 'images', rotation=90,
                      ha='right', va='center')
            for a, b, p, q in torch.cartesian_prod(*map(
                    torch.arange, shape)).tolist():
                axes.add_patch(Rectangle(
                    (x0 + (b * (w + 1) + q) * pixel,
                     y0 + (a * (h + 1) + p) * pixel), pixel, pixel,
                    edgecolor='white', linewidth=0.4, facecolor=COLORS[0]
                    if X.grad[a, b, p, q] else '#dfe3e7'))


def layer_text(layer, short=False):
    """What a layer is, such as '3×3 conv, 64, /2': filters and stride.

    The `short` text has neither, since shapes beside it tell both.
    """
    name = getattr(layer, '__name__', type(layer).__name__)
    kernel = getattr(layer, 'kernel_size', None)
    words = {'ReLU': 'ReLU', 'relu': 'ReLU', 'Linear': 'linear',
             'AdaptiveAvgPool2d': 'global avg pool'}
    text = words.get(name, name.lower())
    for part, word in (('Conv', 'conv'), ('MaxPool', 'max pool'),
                       ('AvgPool', 'avg pool'), ('BatchNorm', 'batch norm')):
        if part in name and name not in words:
            text = word
    if kernel:
        k = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        text = f'{k[0]}×{k[1]} {text}'
    if short:
        return text
    for value, form in ((getattr(layer, 'out_channels', 0), ', {}'),
                        (getattr(layer, 'out_features', 0), ', {}'),
                        (getattr(layer, 'groups', 1), ', {} groups')):
        if value > 1 or value and 'groups' not in form:
            text += form.format(value)
    stride = getattr(layer, 'stride', 1)
    stride = stride[0] if isinstance(stride, tuple) else stride
    return text + (f', /{stride}' if stride > 1 else '')


def _shape_text(shape):
    return ' × '.join(map(str, (*shape[1:], shape[0])))


def text_width(text):
    """The width of a line of text in inches."""
    return TextPath((0, 0), text, size=SIZE).get_extents().x1 / 72


def _broken(text, width):
    return text if text_width(text) < width else text.replace(', ', ',\n', 1)


def _line(axes, start, end, arrow=False):
    axes.annotate('', end, start, arrowprops={
        'arrowstyle': '-|>' if arrow else '-', 'color': INK, 'lw': 1,
        'shrinkA': 0, 'shrinkB': 0, 'mutation_scale': 9})


def _box(axes, x, y, width, height, text, color=None):
    color = color or next((PALE[word] for word in PALE
                           if word in text.lower()), 'white')
    axes.add_patch(FancyBboxPatch(
        (x, y), width, height, 'round,pad=0,rounding_size=0.06',
        facecolor=color, edgecolor=INK, linewidth=0.8, zorder=3))
    axes.text(x + width / 2, y + height / 2, text, ha='center', va='center',
              zorder=4)


@contextmanager
def _as_in_use(layers):
    """Run layers without gradients and leave them as they were."""
    modules = [module for layer in layers if isinstance(layer, nn.Module)
               for module in layer.modules()]
    training = [module.training for module in modules]
    for module in modules:
        module.training = False
    with torch.no_grad():
        yield
    for module, mode in zip(modules, training):
        module.training = mode
