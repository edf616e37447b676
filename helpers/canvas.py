"""How a figure becomes an output of a cell: one look, and a PNG of known size.

Ink on the page, light or dark; no text is smaller than 9 pixels on a phone of
360. Figures are drawn without pyplot, which leaves the reader's matplotlib
settings alone.
"""
import io
from contextlib import contextmanager

import matplotlib
import numpy as np
import torch
from IPython import display, get_ipython
from matplotlib.figure import Figure
from PIL import Image

COLORS = ['#0b66ad', '#c44900', '#2a7a3f', '#7a3fa0', '#5c5c5c']
DPI = 180  # pixels of the PNG an inch; it is shown at half that size
WIDTH = 5.5  # inches, the widest figure; a phone shows it 320 pixels wide
SIZE = 11.5  # points, of all text: 9 of those pixels
LETTER = 0.56 * SIZE / 72  # inches, the width of a letter on average
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


def in_rows(widths, gap, most=WIDTH):
    """Rows for boxes of these widths in inches, each of `(index, left)`.

    None is longer than `most`, and all are of about one length.
    """
    total = sum(widths) + gap * (len(widths) - 1)
    limit, rows, x = total / -(-total // most), [[]], 0
    for i, width in enumerate(widths):
        if x and (x + width > most or x + width / 2 > limit):
            rows.append([])
            x = 0
        rows[-1].append((i, x))
        x += width + gap
    return rows
