"""Pictures of data: images and maps, and matrices with their numbers."""
from textwrap import fill

import numpy as np
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from helpers.figures import (
    COLORS,
    GREY,
    INK,
    SIZE,
    WIDTH,
    as_array,
    canvas,
    paper,
)

LETTER = 0.56 * SIZE / 72  # inches, the width of a letter on average
DIGIT = 0.64 * SIZE / 72


def show_images(images, titles=None, num_cols=4, own_scale=False):
    """Show images or feature maps in a grid, on one scale.

    Each is (h, w), alone or in axes of length 1, or (h, w, 3) in colours
    from 0 to 1. Those without negative values are grey, from black, 0, to
    white, 1; where they go beyond 1, or stay below 0.5, white is the largest
    value of them all and a bar says so. Those with negative values are blue
    below and red above zero, on one scale with a bar. With `own_scale` each
    has a scale for itself, whose end stands below it.
    """
    images = [array.reshape(array.shape[-2:]) if array[..., 0, 0].size == 1
              else array for array in map(as_array, images)]
    num_cols = min(num_cols, len(images))
    num_rows = -(-len(images) // num_cols)
    side = min(1.7, WIDTH / num_cols)
    titles = [fill(title, int(side / LETTER)) for title in titles or ()]
    lines = max((title.count('\n') + 1 for title in titles), default=0)
    looks = _looks(images, own_scale)
    with canvas(min(WIDTH, side * num_cols + 0.9), num_rows * (
            side + 0.19 * (lines + own_scale)), picture=True) as fig:
        grid = fig.subplots(num_rows, num_cols, squeeze=False).flatten()
        bars = {}
        for axes, image, look in zip(grid, images, looks):
            drawn = axes.imshow(image, **look)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, linewidth=0.6)
            if own_scale and look:
                axes.set_xlabel(f'{"±" if look["vmin"] else "to "}'
                                f'{look["vmax"]:.2g}')
            elif look and (look['vmin'], look['vmax']) != (0, 1):
                bars[look['cmap']] = drawn
        for axes in grid[len(images):]:
            axes.set_visible(False)
        for axes, title in zip(grid, titles):
            axes.set_title(title)
        for drawn in bars.values():
            fig.colorbar(drawn, ax=grid, aspect=12 * num_rows, pad=0.03,
                         shrink=0.8).outline.set_visible(False)


def _looks(images, own_scale):
    """Colours and ends of the scale of each image; {} for a colour image."""
    def look(some):
        largest = max(abs(image).max() for image in some)
        if min(image.min() for image in some) < 0:
            return {'cmap': 'RdBu_r', 'vmin': -largest, 'vmax': largest}
        picture = 0.5 <= largest <= 1 + 1e-6 and not own_scale
        return {'cmap': 'gray', 'vmin': 0,
                'vmax': 1 if picture else largest or 1}

    signed = [image.ndim == 2 and image.min() < 0 for image in images]
    return [{} if image.ndim == 3 else look([image]) if own_scale else
            look([other for other, sign in zip(images, signed)
                  if sign == signed[i] and other.ndim == 2])
            for i, image in enumerate(images)]


def show_matrices(matrices, titles=None, signs='', marks=(), padding=0):
    """Show matrices, each (h, w), with their numbers in cells of one size.

    Blue is below zero, red above, on one scale for all. `signs` has one
    character for each gap, such as '∗='; `marks` for each matrix a window
    (row, column, height, width) to mark, or None. The outer `padding` rows
    and columns of the first matrix are drawn as such.
    """
    matrices = [as_array(matrix) for matrix in matrices]
    longest = max(len(_number(value)) for matrix in matrices
                  for value in matrix.flat)
    side = max(0.34, min(longest * DIGIT + 0.08, 0.5))
    widths = [matrix.shape[1] * side for matrix in matrices]
    titles = [fill(title, max(int(width / LETTER), 10))
              for title, width in zip(titles or [''] * len(widths), widths)]
    beyond = [max(0, max(map(len, title.split('\n'))) * LETTER - width) / 2
              for title, width in zip(titles, widths)]
    gap = max([0.36] + [a + b + 0.12 for a, b in zip(beyond, beyond[1:])])
    rows, x = [[]], beyond[0] + 0.04
    for i, width in enumerate(widths):
        if rows[-1] and x + width + beyond[i] > WIDTH:
            rows.append([])
            x = beyond[i] + 0.04
        rows[-1].append((i, x))
        x += width + gap
    across = max(x + widths[i] + beyond[i] + 0.04
                 for row in rows for i, x in row)
    above = 0.1 + 0.19 * max(title.count('\n') + 1 for title in titles)
    heights = [above + side * max(len(matrices[i]) for i, _ in row)
               + 0.04 for row in rows]
    bound = max(max(abs(matrix).max() for matrix in matrices), 1e-12)
    # Pale colours, on which black numbers are legible.
    scale = {'cmap': 'RdBu_r', 'vmin': -1.7 * bound, 'vmax': 1.7 * bound}
    with canvas(across, sum(heights)) as fig:
        axes, y = paper(fig), 0
        for row, height in zip(rows, heights):
            middle = y + (above + height) / 2
            for i, x in row:
                h, w = matrices[i].shape
                top = middle - h * side / 2
                axes.imshow(matrices[i], extent=(
                    x, x + w * side, top + h * side, top), **scale)
                axes.text(x + w * side / 2, top - 0.06, titles[i],
                          ha='center', va='bottom')
                if i < len(signs):
                    axes.text(x + w * side + gap / 2, middle, signs[i],
                              ha='center', va='center', size=1.4 * SIZE)
                _cells(axes, matrices[i], x, top, side, 0 if i else padding)
                if i < len(marks) and marks[i]:
                    r, c, *size = marks[i]
                    _frame(axes, x + c * side, top + r * side, *size, side,
                           color=COLORS[2], linewidth=3, zorder=5)
            y += height
        axes.set(xlim=(0, across), ylim=(sum(heights), 0))


def _cells(axes, matrix, x, y, side, padding):
    """The lines and the numbers of a matrix."""
    h, w = matrix.shape
    for (i, j), value in np.ndenumerate(matrix):
        inside = (padding <= i < h - padding and padding <= j < w - padding)
        _frame(axes, x + j * side, y + i * side, 1, 1, side,
               color='#c4c8cc', linewidth=0.6)
        axes.text(x + (j + 0.5) * side, y + (i + 0.5) * side, _number(value),
                  ha='center', va='center', color=INK if inside else GREY)
    if padding:
        _frame(axes, x, y, h, w, side, color=GREY, linestyle='--')
    _frame(axes, x + padding * side, y + padding * side, h - 2 * padding,
           w - 2 * padding, side, color=INK)


def _frame(axes, x, y, height, width, side, **look):
    axes.add_patch(Rectangle((x, y), width * side, height * side, fill=False,
                             **look))


def show_window(X, K, at, padding=0, stride=1):
    """Show how the kernel K (h, w) makes the output at (row, column) of X.

    The window on X, padded with zeros, and the output that it gives are
    marked. X and K are tensors of two axes.
    """
    Y = F.conv2d(X[None, None], K[None, None], padding=padding,
                 stride=stride)[0, 0]
    i, j = at
    show_matrices([F.pad(X, [padding] * 4), K, Y],
                  ['padded input' if padding else 'input', 'kernel',
                   'output'], '∗=',
                  [(i * stride, j * stride, *K.shape), None, (i, j, 1, 1)],
                  padding)


def show_confusion(counts, labels):
    """Show how often class i (row) was taken for class j (column).

    `counts` is a tensor (n, n); the diagonal, what is right, stays white so
    that the colour belongs to the mistakes.
    """
    counts = as_array(counts)
    mistakes = np.where(np.eye(len(counts)), 0, counts)
    with canvas(WIDTH, WIDTH * 0.92) as fig:
        axes = fig.subplots()
        axes.imshow(mistakes, cmap='Reds')
        for (i, j), value in np.ndenumerate(counts):
            dark = mistakes[i, j] > 0.6 * mistakes.max()
            axes.text(j, i, _number(value), ha='center', va='center',
                      color='white' if dark else INK,
                      weight='bold' if i == j else 'normal')
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha='right')
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel='predicted', ylabel='true')
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)


def _number(value):
    return f'{value:.0f}' if value == round(value) else f'{value:.2f}'
