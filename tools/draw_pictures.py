"""Draw the landing page's picture and the card that links to the site show.

A boot on its way through the trained LeNet of chapter 7.6.
"""
from pathlib import Path

import torch
from d2l import torch as d2l
from matplotlib.figure import Figure
from PIL import Image

from helpers import load_sample, load_weights
from helpers.data import LABELS

STATIC = Path(__file__).parent.parent / '_static'
INK = '#333333'


def draw_path(fig, left, bottom, width, height, size):
    """A boot, six first maps, sixteen last maps and ten bars, side by side.

    The place is in fractions of the figure, the size of the words in points.
    """
    X, y = load_sample()
    boot = X[y == 9][2:3]
    net = load_weights(d2l.LeNet(), 'lenet').net
    with torch.no_grad():
        first, last = net[0](boot)[0], net[:6](boot)[0]
        share = net(boot).softmax(dim=1)[0]
    # Square panels, as high as the picture, with a gap between them.
    inches = fig.get_size_inches()
    side = height * inches[1] / inches[0]
    gap = (width - 4.3 * side) / 3
    at = [left + i * (side + gap) for i in range(4)]

    def panel(i, title, rows, columns):
        fig.text(at[i], bottom + height + 0.02, title, size=size, color=INK)
        return fig.add_gridspec(rows, columns, left=at[i],
                                right=at[i] + side, bottom=bottom,
                                top=bottom + height, wspace=0.1, hspace=0.1)

    def picture(place, image, **look):
        axes = fig.add_subplot(place)
        axes.imshow(image, aspect='auto', **look)
        axes.set_axis_off()

    picture(panel(0, 'a boot', 1, 1)[0], boot[0, 0], cmap='gray')
    grid = panel(1, 'six feature maps', 3, 2)
    for i, image in enumerate(first):
        bound = image.abs().max()
        picture(grid[i], image[5:24], cmap='RdBu_r', vmin=-bound, vmax=bound)
    grid = panel(2, 'sixteen small ones', 4, 4)
    for i, image in enumerate(last):
        picture(grid[i], image, cmap='gray')
    fig.text(at[3], bottom + height + 0.02, 'ten classes', size=size,
             color=INK)
    bars = fig.add_axes((at[3] + 0.4 * side, bottom, 0.9 * side, height))
    bars.barh(range(10), share, color='#0b66ad')
    bars.set_yticks(range(10), LABELS, size=0.8 * size, color=INK)
    bars.tick_params(length=0)
    bars.set_xticks([])
    bars.margins(y=0.01)
    bars.spines[:].set_visible(False)


def save(fig, name):
    """Save a figure in _static/ with 256 colours, a third of the bytes."""
    fig.savefig(STATIC / name, dpi=200)
    Image.open(STATIC / name).convert('RGB').quantize(256).save(
        STATIC / name, optimize=True)


if __name__ == '__main__':
    fig = Figure((7.2, 1.9), facecolor='white')
    draw_path(fig, 0.01, 0.04, 0.98, 0.8, 10)
    save(fig, 'path.png')
    card = Figure((6, 3.15), facecolor='white')
    draw_path(card, 0.05, 0.1, 0.9, 0.36, 8)
    card.text(0.05, 0.8, 'Convolutional networks,', size=26, color='#12293f',
              weight='bold')
    card.text(0.05, 0.65, 'cell by cell', size=26, color='#12293f',
              weight='bold')
    save(card, 'card.png')
