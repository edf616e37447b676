"""LeNet alive: the trained network of 7.6 on its page, in a reader's hands."""
import struct
import zlib

import pytest
import torch
from live_data import DATA
from PIL import Image
from test_live import bring, wide  # noqa: F401
from test_site import Visit, axe, browser, overflow, site  # noqa: F401

from conftest import ROOT, definitions, find_chapter
from helpers import load_runs, load_sample, load_weights

PAGE = f'chapters/{find_chapter("7-6").stem}.html'
MAX_DATA = 400_000


@pytest.fixture(scope='module')
def network():
    return load_weights(definitions('7-6')['LeNet'](), 'lenet')


@pytest.fixture(scope='module')
def images():
    """The offered images: two of each class, a row of ten and another."""
    X, y = load_sample()
    places = torch.stack([(y == label).nonzero()[:2, 0]
                          for label in range(10)], 1).flatten()
    return X[places]


def alive(visit):
    figure = bring(visit, 'lenet')
    figure.get_by_role('button', name='load the network').click()
    figure.locator('.bars').wait_for()
    return figure


def probabilities(figure):
    return torch.tensor(figure.locator('.bars li').evaluate_all(
        'bars => bars.map(bar => Number(bar.dataset.p))'))


def agree(figure, network, image):
    with torch.no_grad():
        expected = network(image[None]).softmax(dim=1)[0]
    torch.testing.assert_close(probabilities(figure), expected, atol=1e-4,
                               rtol=0)


def test_the_data_are_the_recorded_weights_and_the_sample(network, images):
    data = DATA['lenet'](ROOT)
    assert len(data) < MAX_DATA
    start = 4 + struct.unpack('<I', data[:4])[0]
    weights = torch.cat([part.flatten() for part in network.parameters()])
    found = torch.frombuffer(bytearray(data[start:]), dtype=torch.float32,
                             count=len(weights))
    assert torch.equal(found, weights)
    pixels = torch.frombuffer(bytearray(data[start + 4 * len(weights):]),
                              dtype=torch.uint8)
    assert torch.equal(pixels.reshape(images.shape).float() / 255, images)


@pytest.fixture(scope='module')
def trained(network):
    """The network after 0, 1, ... 9 epochs, from the data of the figure."""
    recorded = [part.detach() for part in network.parameters()]
    steps = torch.frombuffer(bytearray(zlib.decompress(
        DATA['lenet-epochs'](ROOT))), dtype=torch.int8).reshape(10, -1)
    sums = torch.cat([(64 * part).round().flatten() for part in recorded])
    networks = []
    for step in steps:
        sums = sums + step
        networks.insert(0, definitions('7-6')['LeNet']())
        networks[0](torch.zeros(1, 1, 28, 28))
        torch.nn.utils.vector_to_parameters(sums / 64,
                                            networks[0].parameters())
    return [one.eval() for one in networks]


def test_the_weights_of_each_epoch_are_as_good_as_the_record_says(trained):
    assert len(DATA['lenet'](ROOT)) + len(
        DATA['lenet-epochs'](ROOT)) < MAX_DATA
    X, y = load_sample()
    epochs = load_runs('lenet', seed=0)[-1]['epochs']
    with torch.no_grad():
        found = [(one(X).argmax(1) == y).float().mean() for one in trained]
    assert 0.05 < found[0] < 0.15  # before the training
    for accuracy, epoch in zip(found[1:], epochs):
        # Of 1,000 images, whose standard deviation is 0.016.
        assert abs(accuracy - epoch['val_acc']) < 0.045


def test_a_reader_goes_back_through_its_training(
        browser, site, trained, images):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = alive(visit)
        for _ in range(4):
            figure.get_by_role('button', name='next question').click()
        epochs = figure.get_by_label('epochs of training')
        epochs.press('ArrowLeft')  # loads them
        figure.get_by_text('trained for 9 of 10 epochs').wait_for()
        agree(figure, trained[9], images[7])
        assert not figure.locator('.found').inner_text()
        figure.locator('.samples input').nth(3).check()
        for epoch in (5, 2):
            epochs.fill(str(epoch))
            agree(figure, trained[epoch], images[3])
        assert 'the plateau' in figure.locator('.found').inner_text()
        address = figure.get_by_role('link', name='link').get_attribute('href')
        visit.page.goto('about:blank')
        visit.page.goto(f'{site}/{PAGE}{address}')
        figure = alive(visit)
        figure.get_by_text('trained for 2 of 10 epochs').wait_for()
        agree(figure, trained[2], images[3])
        epochs.fill('10')
        figure.get_by_text('trained for 10').wait_for()
        visit.page.goto('about:blank')
        visit.page.route('**/lenet-epochs.bin',
                         lambda route: route.fulfill(body='x'))
        visit.page.goto(f'{site}/{PAGE}')
        figure = alive(visit)
        epochs.fill('3')
        figure.get_by_text('The training could not be loaded').wait_for()
        assert probabilities(figure).sum() > 0.99


def test_its_numbers_are_those_of_torch(browser, site, wide,  # noqa: F811
                                        network, images):
    with Visit(browser, f'{site}/{PAGE}', **wide) as visit:
        figure = bring(visit, 'lenet')
        assert not [one for one in visit.responses
                    if one.url.endswith('lenet.bin')], 'before a click'
        alive(visit)
        for i in (0, 4, 9, 13, 18):
            figure.locator('.samples input').nth(i).check()
            agree(figure, network, images[i])
        figure.get_by_role('button', name='shift right').click()
        figure.get_by_role('button', name='shift up').click()
        moved = torch.zeros_like(images[18])
        moved[:, :-1, 1:] = images[18][:, 1:, :-1]
        agree(figure, network, moved)
        figure.get_by_label('grey square').check()
        moved[:, 10:18, 10:18] = 0.5
        agree(figure, network, moved)
        figure.get_by_role('button', name='reset').click()
        for _ in range(5):  # none is answered before the reader does anything
            figure.get_by_role('button', name='next question').click()
            assert not figure.locator('.found').inner_text()
        figure.get_by_role('button', name='next question').click()
        figure.get_by_label('garment').select_option('one grey')
        agree(figure, network, (images[7] > 0.05) * 0.5)
        assert not axe(visit.page, '.live')
        assert overflow(visit.page) <= 0
        visit.page.emulate_media(color_scheme='dark')
        assert not axe(visit.page, '.live', runOnly=['color-contrast'])
        assert not visit.problems


def test_it_answers_its_question_by_keys_alone(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}') as visit:
        figure = bring(visit, 'lenet')
        figure.get_by_role('button', name='load the network').focus()
        press = visit.page.keyboard.press
        press('Enter')
        figure.locator('.bars').wait_for()  # the image has the focus
        for _ in range(5):
            press('ArrowUp')
        assert 'up to 4 pixels' in figure.locator('.fault').inner_text()
        assert 'The maps move' in figure.locator('.found').inner_text()
        figure.locator('.maps').nth(2).focus()
        before = figure.locator('.told').inner_text()
        press('ArrowRight')
        press('PageDown')
        after = figure.locator('.told').inner_text()
        assert after != before
        assert after.startswith('convolution 2, map 1, [5, 6] = σ(')
        link = figure.get_by_role('link').get_attribute('href')
        with Visit(browser, f'{site}/{PAGE}{link}') as other:
            again = alive(other)
            assert torch.equal(probabilities(again), probabilities(figure))
            assert again.locator('.told').inner_text() == after
            for bad in ('', '99', '1/9/0/0/.5///0,0,0,0', '1/0/0/0/x///0',
                        '1/0/0/0/.5///0,6,0,0'):
                other.page.evaluate('x => { location.hash = x; }',
                                    f'#lenet={bad}')
                again.locator('.fault', has_text='holds nothing').wait_for()
                again.get_by_role('button', name='reset').click()
            assert not other.problems


def test_it_is_drawn_on_by_touch(browser, site):  # noqa: F811
    with Visit(browser, f'{site}/{PAGE}', has_touch=True,
               viewport={'width': 360, 'height': 800}) as visit:
        figure = alive(visit)
        figure.get_by_role('button', name='draw', exact=True).tap()
        empty = probabilities(figure)
        picture = figure.locator('.picture')
        picture.tap()
        assert not torch.equal(probabilities(figure), empty)
        visit.page.keyboard.press('Shift+ArrowDown')
        figure.locator('.map').nth(40).tap()
        assert figure.locator('.told').inner_text().startswith('pooling 2')
        figure.get_by_label('switch this map off').tap()
        assert figure.locator('.map.off').count() == 1
        assert overflow(visit.page) <= 0
        assert not visit.problems


def test_bad_input_is_a_sentence(browser, site, tmp_path):  # noqa: F811
    with Visit(browser, f'{site}/index.html') as visit:
        visit.page.goto(f'{site}/{PAGE}')
        visit.page.route('**/lenet.bin', lambda route: route.fulfill(body='x'))
        figure = bring(visit, 'lenet')
        button = figure.get_by_role('button', name='load the network')
        for answer in ({'body': 'x'}, {'status': 404}):
            visit.page.unroute('**/lenet.bin')
            visit.page.route('**/lenet.bin',
                             lambda route: route.fulfill(**answer))  # noqa
            button.click()
            figure.locator('.fault', has_text='could not be loaded').wait_for()
        visit.page.unroute('**/lenet.bin')
        visit.problems.clear()  # the 404, in the console
        alive(visit)
        Image.new('RGBA', (40, 60)).save(tmp_path / 'clear.png')
        Image.new('RGB', (90, 30), 'white').save(tmp_path / 'light.png')
        (tmp_path / 'none.png').write_text('no picture')
        (tmp_path / 'large.png').write_bytes(bytes(20_000_000))
        fault = figure.locator('.fault')
        for name, sentence in {'clear': 'transparent', 'large': '20 MB',
                               'none': 'not a picture'}.items():
            figure.locator('input[type=file]').set_input_files(
                tmp_path / f'{name}.png')
            fault.filter(has_text=sentence).wait_for()
        figure.locator('input[type=file]').set_input_files(
            tmp_path / 'light.png')
        figure.locator('.hint', has_text='does not leave').wait_for()
        assert not fault.inner_text()
        assert not figure.get_by_role('link').count()
        assert not visit.problems
        assert not visit.outside()
