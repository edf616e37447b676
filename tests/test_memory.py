"""What the site remembers of a reader, and the questions it asks again."""
import datetime
import json
import re

import nbformat
import pytest
from test_predict import Prediction
from test_site import (  # noqa: F401
    KERNELS,
    WIDTHS,
    Visit,
    axe,
    browser,
    overflow,
    site,
)

from conftest import ROOT, find_chapter

CHAPTERS = [f'{part}-{i}' for part in (7, 8) for i in range(1, 7)]
BEGUN = json.dumps({'version': 1, 'ask': {}, 'cards': {}, 'last': {
    'chapter': '7-2', 'section': 'Learning the kernel',
    'hash': '#learning-the-kernel'}, 'chapters': {'7-2': {
        'total': 13, 'done': {'prediction-2': 1, 'solution-1': 'read'}}}})


def sections(number):
    """All that stands below each heading of a chapter, by its anchor."""
    found, above = {}, []
    for cell in nbformat.read(find_chapter(number), as_version=4).cells[1:]:
        parts = re.split(r'^(?=#+ )', cell.source, flags=re.M) if (
            cell.cell_type == 'markdown') else [cell.source + ''.join(
                str(output.get('text', '')) + str(output.get(
                    'data', {}).get('text/plain', ''))
                for output in cell.outputs)]
        for part in parts:
            heading = re.match(r'(#+) (.*)', part)
            if heading and cell.cell_type == 'markdown':
                above = [one for one in above if len(one[0]) < len(heading[1])]
                above.append((heading[1], re.sub(
                    r'[^\w -]', '', heading[2].lower()).replace(' ', '-')))
            for _, anchor in above:
                found[anchor] = f'{found.get(anchor, "")}\n{part}'
    return found


def recall():
    """The questions, by chapter: each with its answer, and where it stands."""
    text = (ROOT / 'recall.md').read_text()
    for part in re.split(r'^## (?=\d)', text, flags=re.M)[1:]:
        number = part[:3].replace('.', '-')
        part = part.partition('\n## ')[0]
        yield number, re.findall(
            r'^\d+\. (.*?)\n\n   (.*?) \[[^]]*\]\((\S*?)#(\S*)\)$', part,
            re.M | re.S)


def test_each_chapter_has_eight_questions_with_answers_from_its_results():
    asked = dict(recall())
    assert list(asked) == CHAPTERS
    for number, questions in asked.items():
        assert len(questions) == 8, number
        places = sections(number)
        for question, answer, path, anchor in questions:
            assert question.endswith('?'), question
            assert path == f'chapters/{find_chapter(number).name}', question
            assert anchor in places, f'{number}: no section {anchor}'
            said = re.sub(r'\{,\}|,', '', places[anchor])
            for digits in re.findall(r'\d+(?:\.\d+)?', answer.replace(
                    ',', '')):
                assert re.search(rf'(?<![\d.]){digits}(?!\d)', said), (
                    f'{number}, {question} {digits} is not in {anchor}')


class Student:
    """A reader who comes back, on a clock that can be set."""
    def __init__(self, browser, site):  # noqa: F811
        self.site = site
        self.visit = Visit(browser, f'{site}/index.html',
                           reduced_motion='reduce')
        self.page = self.visit.page
        self.page.clock.install(time=datetime.datetime(2026, 3, 2, 9))

    def open(self, name):
        self.page.goto('about:blank')
        self.page.goto(f'{self.site}/{name}.html')

    def stored(self):
        return json.loads(self.page.evaluate('localStorage.course'))

    def mark(self, number):
        link = self.page.locator('.sidebar-tree').get_by_role(
            'link', name=number.replace('-', '.'))
        return link.locator('.progress').get_attribute('aria-label')

    def button(self, name):
        return self.page.locator('.recall').first.get_by_role(
            'button', name=name)

    def question(self):
        return self.page.locator('.recall .question').inner_text()


@pytest.fixture
def student(browser, site):  # noqa: F811
    student = Student(browser, site)
    with student.visit:
        yield student
        assert not student.visit.problems


def test_a_student_comes_back_and_is_asked_again(student):
    page = student.page
    start = page.locator('.way-in').first
    assert start.inner_text() == 'Start with 7.1'
    assert page.locator('.sidebar-tree .progress').count() == 0

    student.open(KERNELS)
    Prediction(student.visit).choose(2)  # wrongly
    Prediction(student.visit, 1).choose(3)
    solved = page.get_by_role('button', name='3 is solved', exact=True)
    solved.focus()
    page.keyboard.press('Enter')
    assert solved.get_attribute('aria-pressed') == 'true'
    page.locator('#solution-1 summary').click()
    page.wait_for_function("localStorage.course.includes('solution-1')")
    total = page.locator('.predict form, details.solution').count()
    assert student.mark('7-2') == f', 4 of {total} done'
    page.locator('#learning-the-kernel h2').scroll_into_view_if_needed()

    student.open('index')  # goes on where it stopped, with its predictions
    assert start.inner_text() == 'Go on with 7.2, Learning the kernel'
    start.click()
    page.wait_for_url(f'**/{KERNELS}.html#learning-the-kernel')
    page.locator('.predict form').first.locator(
        'input:checked').wait_for(state='attached')
    assert page.locator('.predict form input:checked').evaluate_all(
        'boxes => boxes.map(box => box.value)') == ['2', '3']
    assert Prediction(student.visit).shown() == (True, [False, True, True])
    assert solved.get_attribute('aria-pressed') == 'true'

    student.open('recall')  # asks of the chapter that was begun
    first = student.question()
    student.button('Show the answer').click()
    assert page.evaluate('document.activeElement.innerText').strip()
    student.button('known: again in 10 minutes').click()
    second = student.question()
    assert second != first
    student.button('Show the answer').press('Enter')
    student.button('easy').press('Enter')
    assert student.question() not in (first, second)

    page.clock.fast_forward('24:00:00')  # the next day one of them is due
    student.open('index')
    page.get_by_role('link', name='Recall: 1 question is due').click()
    page.locator('.recall .question').wait_for()
    assert student.question() == first
    student.button('Show the answer').click()
    days = re.search(r'again in (\d+) days?', student.button(
        'known').last.inner_text())
    assert int(days[1]) >= 1
    student.open('recall')
    page.get_by_label('7.2', exact=True).uncheck()
    assert student.question().startswith('Choose the chapters')
    assert student.stored()['ask'] == {'7-2': False}


def test_it_can_be_taken_away_and_cleared(student):
    student.page.evaluate('text => { localStorage.course = text; }', BEGUN)
    student.open('recall')
    with student.page.expect_download() as download:
        student.page.get_by_role('button', name='Export it').click()
    assert json.loads(download.value.path().read_text()) == json.loads(BEGUN)
    student.page.get_by_role('button', name='Clear it').click()
    assert student.stored()  # not yet
    student.page.get_by_role('button', name='Clear it for good').click()
    student.page.wait_for_function('!localStorage.course')


DAMAGE = ['{', 'null', '7', '[]', '{"version": 0, "chapters": 3}', json.dumps(
    {'version': 1, 'chapters': {'7-2': 5, '7-3': {'done': 7}}, 'ask': 1,
     'last': {'chapter': {}, 'section': 3, 'hash': 'javascript:alert(1)'},
     'cards': {'7-2-1': {'due': 'x'}, '7-2-2': None}})]


@pytest.mark.parametrize('how', ['refused', 'full', *range(len(DAMAGE))])
def test_storage_that_fails_costs_the_memory_only(
        browser, site, how):  # noqa: F811
    broken = {
        'refused': """Object.defineProperty(window, 'localStorage', {
            get() { throw new DOMException('refused'); }});""",
        'full': """Storage.prototype.setItem = () => {
            throw new DOMException('full'); };"""}
    with Visit(browser, f'{site}/404.html', reduced_motion='reduce') as visit:
        page = visit.page
        if how in broken:
            page.add_init_script(broken[how])
        else:
            page.evaluate('text => { localStorage.course = text; }',
                          DAMAGE[how])
        page.goto(f'{site}/index.html')
        assert page.locator('.way-in').first.inner_text() == 'Start with 7.1'
        page.goto(f'{site}/{KERNELS}.html')
        Prediction(visit).choose(3)
        assert Prediction(visit).shown()[0]
        page.goto(f'{site}/recall.html')
        page.get_by_label('7.2', exact=True).check()
        questions = set()
        for _ in range(3):
            questions.add(page.locator('.recall .question').inner_text())
            page.get_by_role('button', name='Show the answer').click()
            page.get_by_role('button', name='easy').click()
        assert len(questions) == 3
        # The theme asks for its own, and is told the same.
        assert set(visit.problems) <= {'refused'}


@pytest.mark.parametrize('width', WIDTHS)
def test_what_it_shows_fits_and_axe_finds_nothing(
        browser, site, width):  # noqa: F811
    with Visit(browser, f'{site}/404.html', color_scheme='light',
               viewport={'width': WIDTHS[width], 'height': 800}) as visit:
        visit.page.evaluate('text => { localStorage.course = text; }', BEGUN)
        for name in 'index', KERNELS, 'recall':
            visit.page.goto(f'{site}/{name}.html')
            if name == 'recall':
                visit.page.get_by_role('button', name='Show').click()
                for scheme in 'light', 'dark':
                    visit.page.emulate_media(color_scheme=scheme)
                    assert not axe(visit.page, '.recall')
                visit.page.emulate_media(color_scheme='light')
            assert not axe(visit.page, '.sidebar-drawer, #exercises')
            assert overflow(visit.page) <= 0


def test_without_scripts_the_questions_have_folded_answers(
        browser, site):  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f'{site}/recall.html')
    answer = page.locator('#recall-7-2-1')
    assert not answer.get_by_role('link').is_visible()
    answer.locator('summary').click()
    assert answer.get_by_role('link').is_visible()
    assert not page.locator('.recall').first.is_visible()
    context.close()


@pytest.mark.parametrize('stored', [None, BEGUN])
def test_an_address_leads_to_its_place(browser, site, stored):  # noqa: F811
    """Figures that come and predictions that are shown do not move it away."""
    with Visit(browser, f'{site}/404.html',
               viewport={'width': 1280, 'height': 1500}) as visit:
        if stored:
            visit.page.evaluate('text => { localStorage.course = text; }',
                                stored)
        visit.page.goto(f'{site}/{KERNELS}.html#the-backward-pass')
        visit.page.locator('.live.runs').first.wait_for()
        assert 0 <= visit.page.evaluate("""new Promise(requestAnimationFrame)
            .then(() => document.querySelector(':target')
                .getBoundingClientRect().top)""") < 150
