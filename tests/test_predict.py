"""Predictions, made in a browser as a reader makes them."""
import pytest
from test_site import (  # noqa: F401
    KERNELS,
    WIDTHS,
    Visit,
    axe,
    browser,
    overflow,
    site,
)

OUTPUT = 'Sobel: entries sum to 0'  # of the first prediction of 7.2


class Prediction:
    """A prediction of a page, in a reader's words."""
    def __init__(self, visit, number=0):
        self.page = visit.page
        self.form = self.page.locator('.predict form').nth(number)
        self.cell = self.page.locator('.predict + .cell').nth(number)
        self.output = self.cell.locator('.cell_output')
        self.told = self.page.locator('.predict + .cell + .docutils').nth(
            number).locator('.predicted')

    def choose(self, number):
        self.form.locator('label').nth(number - 1).click()
        self.form.get_by_role('button', name='Check').click()

    def shown(self):
        """Whether the output is shown, and what is said of each choice."""
        return self.output.locator('pre').first.is_visible(), [
            item.is_visible() for item in self.told.locator('li').all()]

    def focused(self):
        return self.page.evaluate('document.activeElement.innerText')


HELD, ALL = (False, [False] * 3), (True, [True] * 3)


@pytest.fixture
def visit(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{KERNELS}.html',
               reduced_motion='reduce') as visit:
        yield visit
        assert not visit.problems


def test_a_wrong_prediction_is_told_why_and_what_is_right(visit):
    prediction = Prediction(visit)
    assert prediction.shown() == HELD
    assert Prediction(visit, 1).shown() == HELD
    prediction.choose(2)
    assert prediction.shown() == (True, [False, True, True])
    assert prediction.focused().startswith('It is tempting because four')
    assert visit.page.evaluate('document.activeElement.value') == 2
    prediction.choose(1)  # and what of the other?
    assert prediction.shown() == (True, [True, False, True])
    assert prediction.focused().startswith('It is tempting because no pixel')
    assert Prediction(visit, 1).shown() == HELD


def test_a_right_prediction_by_keyboard(visit):
    prediction = Prediction(visit)
    prediction.form.locator('input').first.focus()
    for key in 'Space', 'ArrowDown', 'ArrowDown', 'Enter':
        visit.page.keyboard.press(key)
    assert prediction.shown() == (True, [False, False, True])
    assert prediction.focused().startswith('Right: ')
    visit.page.wait_for_function("""document.activeElement
        .getBoundingClientRect().bottom <= innerHeight""")


def test_a_reader_may_ask_to_see(visit):
    prediction = Prediction(visit)
    check = prediction.form.get_by_role('button', name='Check')
    check.click()  # with nothing chosen
    assert prediction.shown() == HELD
    show = prediction.form.get_by_role('button', name='Just show me')
    show.press('Enter')
    assert prediction.shown() == ALL
    assert prediction.focused().startswith('Your prediction.')
    assert not show.is_visible()


def test_the_question_names_the_group_of_choices(visit):
    group = visit.page.get_by_role('group', name='Predict. All pixels have')
    assert group.get_by_role('radio').count() == 3
    assert group.get_by_role('radio', name='None of them.').count() == 1


def test_an_address_leads_into_what_is_held_back(browser, site):  # noqa: F811
    address = f'{site}/{KERNELS}.html'
    with Visit(browser, f'{address}#figure-7-2-12') as visit:
        prediction = Prediction(visit, 2)
        visit.page.locator('#figure-7-2-12 img').wait_for()
        assert prediction.shown() == ALL
        assert Prediction(visit).shown() == HELD
    with Visit(browser, address) as visit:
        visit.page.evaluate("location.hash = '#figure-7-2-12'")
        visit.page.locator('#figure-7-2-12 img').wait_for()
        visit.page.wait_for_function("""document.querySelector(
            '#figure-7-2-12').getBoundingClientRect().top < innerHeight""")


def test_the_browsers_search_finds_what_is_held_back(visit):
    prediction = Prediction(visit)
    assert prediction.output.get_attribute('hidden') == 'until-found'
    visit.page.evaluate("""location.hash =
        ':~:text=' + encodeURIComponent('Sobel: entries sum to 0')""")
    prediction.output.dispatch_event('beforematch')
    assert prediction.shown() == ALL


def test_nothing_flashes_or_moves_while_the_page_loads(
        browser, site):  # noqa: F811
    context = browser.new_context()
    page = context.new_page()
    held = []
    page.add_init_script("""addEventListener('DOMContentLoaded', () => {
        window.early = document.querySelector('.held').checkVisibility(); },
        true); new PerformanceObserver(list => list.getEntries().forEach(
        entry => { window.moved = (window.moved ?? 0) + entry.value; })
        ).observe({type: 'layout-shift', buffered: true});""")
    page.route('**/course.js*', lambda route: (held.append(page.locator(
        '.cell_output.held').first.is_visible()), route.continue_()))
    page.goto(f'{site}/{KERNELS}.html')
    page.locator('.predict').first.scroll_into_view_if_needed()
    assert not page.evaluate('window.early') and held == [False]
    assert page.evaluate('window.moved ?? 0') < 0.01
    context.close()


@pytest.mark.parametrize('how', ['no scripts', 'no course.js', 'print'])
def test_without_scripts_and_on_paper_all_is_shown(
        browser, site, how):  # noqa: F811
    context = browser.new_context(java_script_enabled=how != 'no scripts')
    page = context.new_page()
    if how == 'no course.js':
        page.route('**/course.js*', lambda route: route.abort())
    page.goto(f'{site}/{KERNELS}.html')
    if how == 'print':
        page.emulate_media(media='print')
    box = page.locator('.predict').first
    assert page.get_by_text(OUTPUT).first.is_visible()
    assert [item.is_visible() for item in page.locator(
        '.predicted').first.locator('li').all()] == [True] * 3
    assert box.get_by_text('None of them.').is_visible()
    if how != 'no course.js':
        assert not box.locator('input').first.is_visible()
        assert not box.locator('button').first.is_visible()
    context.close()


@pytest.mark.parametrize('width', WIDTHS)
def test_a_prediction_fits_and_axe_finds_nothing(
        browser, site, width):  # noqa: F811
    with Visit(browser, f'{site}/{KERNELS}.html', color_scheme='light',
               reduced_motion='reduce',
               viewport={'width': WIDTHS[width], 'height': 800}) as visit:
        for number, choice in enumerate((1, 2, 3)):
            Prediction(visit, number).choose(choice)
        for part in '.predict', '.predicted':
            assert not axe(visit.page, part)
            visit.page.emulate_media(color_scheme='dark')
            assert not axe(visit.page, part, runOnly=['color-contrast'])
            visit.page.emulate_media(color_scheme='light')
        assert overflow(visit.page) <= 0
