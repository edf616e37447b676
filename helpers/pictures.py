"""Pictures of data: images and maps, and matrices with their numbers."""
from textwrap import fill

import numpy as np
from matplotlib.patches import Rectangle
from torch.nn import functional as F

from helpers.canvas import (
    COLORS,
    GREY,
    INK,
    LETTER,
    SIZE,
    WIDTH,
    as_array,
    canvas,
    in_rows,
    paper,
)

DIGIT = 0.64 * SIZE / 72


def show_images(images, titles=(), num_cols=4):
    """Show images or feature maps in a grid, on one scale.

    Each is (h, w), alone or in axes of length 1, or (h, w, 3) in colours
    from 0 to 1. Values from 0 are grey, from black, 0, to white, 1; if some
    go beyond 1, or all stay below 0.5, white is the largest, and a bar says
    so. With negative values zero is white, blue below it and red above.
    """
    images = [array.reshape(array.shape[-2:]) if array[..., 0, 0].size == 1
              else array for array in map(as_array, images)]
    num_cols = min(num_cols, len(images))
    num_rows = -(-len(images) // num_cols)
    side = min(1.7, WIDTH / num_cols)
    titles = [fill(title, int(side / LETTER)) for title in titles]
    lines = max((title.count('\n') + 1 for title in titles), default=0)
    with canvas(min(WIDTH, side * num_cols + 0.9), num_rows * (
            side + 0.19 * lines), picture=True) as fig:
        grid = fig.subplots(num_rows, num_cols, squeeze=False).flatten()
        bars = {}
        for axes, image in zip(grid, images):
            look = _look(image, images)
            drawn = axes.imshow(image, **look)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, linewidth=0.6)
            if look and (look['vmin'], look['vmax']) != (0, 1):
                bars[look['cmap']] = drawn
        for axes in grid[len(images):]:
            axes.remove()
        for axes, title in zip(grid, titles):
            axes.set_title(title)
        for drawn in bars.values():
            fig.colorbar(drawn, ax=grid, aspect=12 * num_rows, pad=0.03,
                         shrink=0.8).outline.set_visible(False)


def _look(image, images):
    """Colours and scale of an image beside others; {} if it has colours."""
    if image.ndim == 3:
        return {}
    signed = image.min() < 0
    largest = max(abs(other).max() for other in images
                  if other.ndim == 2 and (other.min() < 0) == signed)
    if signed:
        return {'cmap': 'RdBu_r', 'vmin': -largest, 'vmax': largest}
    picture = 0.5 <= largest <= 1 + 1e-6
    return {'cmap': 'gray', 'vmin': 0, 'vmax': 1 if picture else largest or 1}


def show_matrices(matrices, titles=None, signs='', marks=(), padding=0):
    """Show matrices, each (h, w), with their numbers in cells of one size.

    Blue is below zero, red above, on one scale for all. `signs` has one
    character for each gap, such as '*='; `marks` for each matrix a window
    (row, column, height, width) to mark, or None. The outer `padding` rows
    and columns of the first matrix are drawn as such.
    """
    matrices = [*map(as_array, matrices)]
    longest = max(len(_number(value)) for matrix in matrices
                  for value in matrix.flat)
    side = max(0.34, min(longest * DIGIT + 0.08, 0.5))
    widths = [side * matrix.shape[1] for matrix in matrices]
    titles = [fill(title, max(int(width / LETTER), 10))
              for title, width in zip(titles or [''] * len(widths), widths)]
    signs = signs.replace('*', '∗')
    beyond = max(0, *(LETTER * len(line) - width  # how far titles are wider
                      for title, width in zip(titles, widths)
                      for line in title.split('\n')))
    gap, edge = max(0.36, beyond + 0.12), beyond / 2 + 0.04
    rows = in_rows(widths, gap, WIDTH - 2 * edge)
    above = 0.1 + 0.19 * max(title.count('\n') + 1 for title in titles)
    heights = [above + side * max(len(matrices[i]) for i, _ in row) + 0.04
               for row in rows]
    across = 2 * edge + max(x + widths[i] for row in rows for i, x in row)
    bound = max(max(abs(matrix).max() for matrix in matrices), 1e-12)
    # Pale colours, on which black numbers are legible.
    scale = {'cmap': 'RdBu_r', 'vmin': -1.7 * bound, 'vmax': 1.7 * bound}
    with canvas(across, sum(heights)) as fig:
        axes, y = paper(fig), 0
        for row, height in zip(rows, heights):
            middle, y = y + (above + height) / 2, y + height
            for i, left in row:
                h, w = matrices[i].shape
                x, top = left + edge, middle - h * side / 2
                axes.imshow(matrices[i], extent=(
                    x, x + w * side, top + h * side, top), **scale)
                axes.text(x + w * side / 2, top - 0.06, titles[i],
                          ha='center', va='bottom')
                axes.text(x + w * side + gap / 2, middle, signs[i:i + 1],
                          ha='center', va='center', size=1.4 * SIZE)
                _cells(axes, matrices[i], x, top, side, 0 if i else padding)
                if i < len(marks) and marks[i]:
                    _frame(axes, x, top, side, *marks[i], color=COLORS[2],
                           linewidth=3, zorder=5)
        axes.set(xlim=(0, across), ylim=(sum(heights), 0))


def _cells(axes, matrix, x, y, side, padding):
    """The lines and the numbers of a matrix."""
    h, w = matrix.shape
    for (i, j), value in np.ndenumerate(matrix):
        inside = (padding <= i < h - padding and padding <= j < w - padding)
        _frame(axes, x, y, side, i, j, 1, 1, color='#c4c8cc', linewidth=0.6)
        axes.text(x + (j + 0.5) * side, y + (i + 0.5) * side, _number(value),
                  ha='center', va='center', color=INK if inside else GREY)
    if padding:
        _frame(axes, x, y, side, 0, 0, h, w, color=GREY, linestyle='--')
    _frame(axes, x, y, side, padding, padding, h - 2 * padding,
           w - 2 * padding, color=INK)


def _frame(axes, x, y, side, i, j, height, width, **look):
    axes.add_patch(Rectangle((x + j * side, y + i * side), width * side,
                             height * side, fill=False, **look))


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
                   'output'], '*=',
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
        axes.tick_params(length=0, grid_alpha=0)
        axes.spines[:].set_visible(False)


def _number(value):
    return f'{value:.0f}' if value == round(value) else f'{value:.2f}'
