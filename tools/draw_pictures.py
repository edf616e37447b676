"""Draw the landing page's picture, the card that links to the site show, and
the logo as the icon of a phone.

The first two are a boot on its way through the trained LeNet of chapter 7.6.
"""
from pathlib import Path

import torch
from d2l import torch as d2l
from matplotlib.figure import Figure
from PIL import Image

from browser import chromium
from helpers import load_sample, load_weights
from helpers.canvas import GREY
from helpers.data import LABELS

STATIC = Path(__file__).parent.parent / '_static'


def draw_path(fig, left, bottom, width, height, size, ink):
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
        fig.text(at[i], bottom + height + 0.02, title, size=size, color=ink)
        return fig.add_gridspec(rows, columns, left=at[i],
                                right=at[i] + side, bottom=bottom,
                                top=bottom + height, wspace=0.1, hspace=0.1)

    def picture(place, image, **look):
        axes = fig.add_subplot(place)
        axes.imshow(image, aspect='auto', **look)
        axes.set_axis_off()

    picture(panel(0, 'a boot', 1, 1)[0], boot[0, 0], cmap='gray')
    grid = panel(1, 'six maps', 3, 2)
    for i, image in enumerate(first):
        bound = image.abs().max()
        picture(grid[i], image[5:24], cmap='RdBu_r', vmin=-bound, vmax=bound)
    grid = panel(2, 'sixteen maps', 4, 4)
    for i, image in enumerate(last):
        picture(grid[i], image, cmap='gray')
    fig.text(at[3], bottom + height + 0.02, 'ten classes', size=size,
             color=ink)
    bars = fig.add_axes((at[3] + 0.75 * side, bottom, 0.55 * side, height))
    bars.barh(range(10), share, color='#0b66ad')
    likely = share.topk(3).indices.tolist()
    bars.set_yticks(likely, [LABELS[i] for i in likely], size=size, color=ink)
    bars.set_facecolor('none')
    bars.tick_params(length=0)
    bars.set_xticks([])
    bars.margins(y=0.01)
    bars.spines[:].set_visible(False)


if __name__ == '__main__':
    fig = Figure((7.2, 1.9), facecolor='none')  # for light and dark pages
    draw_path(fig, 0.01, 0.02, 0.98, 0.8, 13, GREY)
    fig.savefig(STATIC / 'path.png', dpi=200)
    card = Figure((6, 3.15), facecolor='white')
    draw_path(card, 0.05, 0.1, 0.9, 0.36, 9, '#333333')
    card.text(0.05, 0.8, 'Convolutional networks,', size=26, color='#12293f',
              weight='bold')
    card.text(0.05, 0.65, 'cell by cell', size=26, color='#12293f',
              weight='bold')
    card.savefig(STATIC / 'card.png', dpi=200)
    for name in ('path.png', 'card.png'):  # 256 colours, a third of the bytes
        Image.open(STATIC / name).quantize(256, Image.Quantize.FASTOCTREE
                                           ).save(STATIC / name, optimize=True)
    with chromium() as browser:
        page = browser.new_page(viewport={'width': 192, 'height': 192})
        page.set_content('<body style="margin: 0; background: #12293f">'
                         + (STATIC / 'logo.svg').read_text())
        page.screenshot(path=STATIC / 'icon.png')
