"""Draw _static/path.png, the picture of the landing page.

A boot on its way through the trained LeNet of chapter 7.6.
"""
from pathlib import Path

import torch
from d2l import torch as d2l
from matplotlib.figure import Figure

from helpers import load_sample, load_weights
from helpers.data import LABELS


def draw(path):
    """Draw the boot, six first maps, sixteen last maps and ten bars."""
    X, y = load_sample()
    boot = X[y == 9][2:3]
    net = load_weights(d2l.LeNet(), 'lenet').net
    with torch.no_grad():
        first, last = net[0](boot)[0], net[:6](boot)[0]
        share = net(boot).softmax(dim=1)[0]
    fig = Figure((7.2, 2.1), facecolor='white')
    grid = fig.add_gridspec(4, 26, left=0.01, right=0.99, top=0.87,
                            bottom=0.02, wspace=0.15, hspace=0.1)

    def picture(place, image, **look):
        axes = fig.add_subplot(place)
        axes.imshow(image, **look)
        axes.set_axis_off()
        return axes

    title = {'size': 9, 'loc': 'left', 'color': '#333333'}
    picture(grid[:, :6], boot[0, 0], cmap='gray').set_title('a boot', **title)
    for i, image in enumerate(first):
        bound = image.abs().max()
        axes = picture(grid[2 * (i // 3):2 * (i // 3) + 2,
                            7 + 2 * (i % 3):9 + 2 * (i % 3)], image,
                       cmap='RdBu_r', vmin=-bound, vmax=bound)
        if i == 0:
            axes.set_title('six feature maps', **title)
    for i, image in enumerate(last):
        axes = picture(grid[i // 4, 14 + i % 4], image, cmap='gray')
        if i == 0:
            axes.set_title('sixteen small ones', **title)
    bars = fig.add_subplot(grid[:, 22:])
    bars.barh(range(10), share, color='#0b66ad')
    bars.set_yticks(range(10), LABELS, size=7)
    bars.tick_params(length=0)
    bars.set_xticks([])
    bars.spines[:].set_visible(False)
    bars.set_title('ten classes', **title)
    fig.savefig(path, dpi=200)


if __name__ == '__main__':
    draw(Path(__file__).parent.parent / '_static' / 'path.png')
