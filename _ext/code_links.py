"""Links from names in the code to the documentation of torch and d2l.

Where a name is documented is said here by rule, so that a book is built
without a network and without torch. `make links` asks every address.
"""
import ast
import re

from docutils import nodes

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
    (r'torch\.(u?int|float)\d+|torch\.(bool|long|nan|pi|inf)', None),
    (r'torch(\.nn(\.functional)?|\.optim|\.linalg|\.autograd)?\.\w+',
     TORCH + 'generated/{}.html'),
    (r'torchvision\.models\.\w+', VISION + 'models/generated/{}.html'),
    (r'd2l\.torch\.\w+', D2L + '#{}')]
MODULES = {'nn', 'functional', 'init', 'optim', 'linalg', 'autograd', 'graph',
           'testing', 'utils', 'models', 'cuda', 'cpu', 'backends', 'amp'}
# A dotted name as Pygments writes it, once course.py took out what has no
# colour; `@` begins a decorator.
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


def link_code(html, stands_for):
    """The HTML of a page in which a name in a cell leads where it is told of.

    In each cell the first mention of a name becomes a link.
    """
    def link_cell(cell):
        seen = set()

        def link(match):
            first, *others = match[0].split(DOT)
            full = '.'.join([stands_for.get(first, ''), *others])
            for count in range(len(others) + 1, 1, -1):
                parts = full.split('.')
                name = '.'.join(parts[:len(parts) - len(others) - 1 + count])
                address = documentation(name)
                if address and name not in seen:
                    seen.add(name)
                    words = DOT.join([first, *others][:count])
                    rest = DOT.join(['', *others[count - 1:]])
                    return (f'<a class="documented" href="{address}">{words}'
                            f'</a>{rest}')
                if address:
                    break
            return match[0]

        return cell[1] + NAME.sub(link, cell[2]) + cell[3]

    return CELL.sub(link_cell, html)


def link_page(app, pagename, templatename, context, doctree):
    """Link the names in the cells of one page."""
    if doctree and pagename.startswith('chapters/'):
        context['body'] = link_code(context['body'],
                                    imports(_cells(doctree)))


def show_links(app, doctree, docname):
    """Give the builder that asks all links those of the code, too."""
    if app.builder.name == 'linkcheck' and docname.startswith('chapters/'):
        cells = list(_cells(doctree))
        stands_for = imports(cells)
        for name in sorted(set(re.findall(r'\b\w+(?:\.\w+)+',
                                          '\n'.join(cells)))):
            first, *others = name.split('.')
            address = documentation('.'.join(
                [stands_for.get(first, ''), *others]))
            if address:
                doctree += nodes.paragraph('', '', nodes.reference(
                    '', name, refuri=address))


def _cells(doctree):
    return [block.astext() for block in doctree.findall(nodes.literal_block)
            if block.get('language') == 'python']


def setup(app):
    """Link after course.py trimmed the page."""
    app.connect('html-page-context', link_page, priority=950)
    app.connect('doctree-resolved', show_links)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
