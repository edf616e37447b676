"""Links from names in the code to the documentation of torch and d2l.

Where a name is documented is said here by rule, so that a book is built
without a network and without torch. `make links` asks every address.
"""
import ast
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TORCH = 'https://docs.pytorch.org/docs/stable/'
VISION = 'https://docs.pytorch.org/vision/stable/'
D2L = 'https://d2l.ai/chapter_appendix-tools-for-deep-learning/d2l.html'
# The first pattern that a full name matches says where its page is.
PAGES = [
    (r'torch\.nn\.Parameter', TORCH + 'generated/torch.nn.parameter.Parameter'
                                      '.html'),
    (r'torch\.inference_mode', TORCH + 'generated/torch.autograd.grad_mode.'
                                       'inference_mode.html'),
    (r'torch\.relu', None),
    (r'torch\.nn\.init\.\w+', TORCH + 'nn.init.html#{}'),
    (r'torch\.testing\.\w+', TORCH + 'testing.html#{}'),
    (r'torch\.device', TORCH + 'tensor_attributes.html#{}'),
    (r'torch\.autograd\.graph\.\w+', TORCH + 'autograd.html#{}'),
    (r'torch\.(u?int|float)\d+', None),
    (r'torch\.(bool|long|nan|pi|inf|channels_last)', None),
    (r'torch(\.nn(\.functional)?|\.optim|\.linalg|\.autograd)?\.\w+',
     TORCH + 'generated/{}.html'),
    (r'torchvision\.models\.\w+', VISION + 'models/generated/{}.html'),
    (r'd2l\.torch\.\w+', D2L + '#{}')]
MODULES = {'nn', 'functional', 'init', 'optim', 'linalg', 'autograd', 'graph',
           'testing', 'utils', 'models', 'cuda', 'cpu', 'backends', 'amp'}
# A dotted name as Pygments writes it, once course.py took out what has no
# colour.
DOT = '<span class="o">.</span>'
NAME = re.compile(rf'(?<![\w.>])(\w+)((?:{re.escape(DOT)}\w+)+)')
CELL = re.compile(r'(<div class="highlight-python[^>]*>.*?<pre>)(.*?)'
                  r'(</pre>)', re.S)


def documentation(name):
    """The address where a full name such as torch.nn.Conv2d is documented.

    None if there is none: for modules, and for all but torch and d2l.
    """
    if name.split('.')[-1] in MODULES:
        return None
    for pattern, address in PAGES:
        if re.fullmatch(pattern, name):
            return address and address.format(name)
    return None


def imports(sources):
    """What each imported name stands for: {'nn': 'torch.nn', ...}."""
    found = {}
    for source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError:  # a cell with a command of IPython's
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for name in node.names:
                    full = '.'.join(filter(None, (
                        getattr(node, 'module', None), name.name)))
                    found[name.asname or name.name] = full
    return found


def find_documented(cells):
    """Where each documented name in the cells is told of, by its full name."""
    stands_for = imports(cells)
    names = {_full_name(name.split('.'), stands_for) for name in re.findall(
        r'\b\w+(?:\.\w+)+', '\n'.join(cells))}
    return {name: documentation(name) for name in sorted(names)
            if documentation(name)}


def link_code(html, stands_for):
    """The HTML of a page in which a name in a cell leads where it is told of.

    In each cell the first mention of a name becomes a link.
    """
    def link_cell(cell):
        seen = set()

        def link(match):
            name = _full_name(match[0].split(DOT), stands_for)
            address = documentation(name)
            if not address or name in seen:
                return match[0]
            seen.add(name)
            return f'<a class="documented" href="{address}">{match[0]}</a>'

        return cell[1] + NAME.sub(link, cell[2]) + cell[3]

    return CELL.sub(link_cell, html)


def link_page(app, pagename, templatename, context, doctree):
    """Link the names in the cells of one page.

    The dots in them tell code from comments and texts; after that operators
    need no element, since they have no colour of their own.
    """
    if doctree and pagename.startswith('chapters/'):
        body = link_code(context['body'], imports(_cells(doctree)))
        context['body'] = re.sub(r'<span class="o">([^<]*)</span>', r'\1',
                                 body)


class ShowLinks(SphinxPostTransform):
    """Give the builder that asks all links those of the code, too.

    Before it collects the links of a page, with priority 800.
    """
    builders, default_priority = ('linkcheck',), 700

    def run(self, **settings):
        """Append the links to a page."""
        if self.env.docname.startswith('chapters/'):
            for name, address in find_documented(
                    _cells(self.document)).items():
                self.document += nodes.paragraph('', '', nodes.reference(
                    '', name, refuri=address))


def _full_name(parts, stands_for):
    return '.'.join([stands_for.get(parts[0], ''), *parts[1:]])


def _cells(doctree):
    return [block.astext() for block in doctree.findall(nodes.literal_block)
            if block.get('language') == 'python']


def setup(app):
    """Link after course.py trimmed the page."""
    app.connect('html-page-context', link_page, priority=950)
    app.add_post_transform(ShowLinks)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
