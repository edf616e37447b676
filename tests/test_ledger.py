"""The printed results that each chapter owes to the student's notes."""
import nbformat
import pytest

from conftest import find_chapter

RAMP_EDGES = 'tensor([[-1., -1.],\n        [-1., -1.],\n        [-1., -1.]])'
PRINTED = {
    '7.2-C1': 'tensor([[19., 25.],\n        [37., 43.]])',
    '7.2-C3 ramp': RAMP_EDGES,
    '7.2-C3 transposed': RAMP_EDGES.replace('1', '3'),
    '7.2-C4 edges': 'tensor([' + ',\n        '.join(
        ['[ 0.,  1.,  0.,  0.,  0., -1.,  0.]'] * 6) + '])',
    '7.2-C4 transposed': 'tensor([' + ',\n        '.join(
        ['[0., 0., 0., 0., 0.]'] * 8) + '])',
    '7.3-C1': 'torch.Size([8, 8])',
    '7.3-C2': 'torch.Size([8, 8])',
    '7.3-C3': 'torch.Size([4, 4])',
    '7.3-C4': 'torch.Size([2, 2])',
    '7.4-C1': 'tensor([[ 56.,  72.],\n        [104., 120.]])',
    '7.4-C2': 'torch.Size([3, 2, 2, 2])',
    '7.4-C3': 'tensor([[[ 56.,  72.],\n         [104., 120.]],\n\n'
              '        [[ 76., 100.],\n         [148., 172.]],\n\n'
              '        [[ 96., 128.],\n         [192., 224.]]])',
    '7.5-C1 max': 'tensor([[4., 5.],\n        [7., 8.]])',
    '7.5-C1 average': 'tensor([[2., 3.],\n        [5., 6.]])',
    '7.5-C2 one': 'tensor([[[[10.]]]])',
    '7.5-C2 four': 'tensor([[[[ 5.,  7.],\n          [13., 15.]]]])',
    '7.5-C3': 'tensor([[[[ 5.,  7.],\n          [13., 15.]],\n\n'
              '         [[ 6.,  8.],\n          [14., 16.]]]])',
    '8.6-C1 same': 'torch.Size([4, 3, 6, 6])',
    '8.6-C1 halved': 'torch.Size([4, 6, 3, 3])',
    '8.6-C4': 'torch.Size([4, 32, 96, 96])'}
LENET = [('Conv2d', '1, 6, 28, 28'), ('Sigmoid', '1, 6, 28, 28'),
         ('AvgPool2d', '1, 6, 14, 14'), ('Conv2d', '1, 16, 10, 10'),
         ('Sigmoid', '1, 16, 10, 10'), ('AvgPool2d', '1, 16, 5, 5'),
         ('Flatten', '1, 400'), ('Linear', '1, 120'), ('Sigmoid', '1, 120'),
         ('Linear', '1, 84'), ('Sigmoid', '1, 84'), ('Linear', '1, 10')]
VGG_11 = [*[('Sequential', f'1, {channels}, {n}, {n}') for channels, n in (
    (64, 112), (128, 56), (256, 28), (512, 14), (512, 7))],
          ('Flatten', '1, 25088'),
          *[(name, '1, 4096') for name in ('Linear', 'ReLU', 'Dropout') * 2],
          ('Linear', '1, 10')]
RESNET_18 = [('Sequential', f'1, {channels}, {n}, {n}') for channels, n in (
    (64, 24), (64, 24), (128, 12), (256, 6), (512, 3))]
RESNET_18 += [('Sequential', '1, 10')]


def outputs(number):
    """What the cells of a chapter printed or returned, as text."""
    notebook = nbformat.read(find_chapter(number), as_version=4)
    return [output.get('text') or output['data'].get('text/plain', '')
            for cell in notebook.cells if cell.cell_type == 'code'
            for output in cell.outputs]


@pytest.mark.parametrize('row', PRINTED)
def test_printed_result_is_on_the_page(row):
    assert PRINTED[row] in outputs(row[:3].replace('.', '-'))


def test_7_3_shows_8x8_for_both_paddings():
    assert outputs('7-3').count('torch.Size([8, 8])') >= 2


def test_7_2_c5_prints_the_loss_every_second_step():
    text = next(text for text in outputs('7-2') if text.startswith('epoch'))
    assert [line.split(',')[0] for line in text.strip().split('\n')] == [
        f'epoch {n}' for n in (2, 4, 6, 8, 10)]
    losses = [float(line.split()[-1]) for line in text.strip().split('\n')]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize('number,layers', [
    ('7-6', LENET), ('8-2', VGG_11), ('8-6', RESNET_18)])
def test_the_shapes_of_the_networks_are_printed(number, layers):
    expected = ''.join(f'{name} output shape:\t torch.Size([{shape}])\n'
                       for name, shape in layers)
    assert expected in outputs(number)


@pytest.mark.parametrize('number,times', [
    ('7-2', 1), ('7-3', 2), ('7-4', 1), ('8-2', 1), ('8-6', 5)])
def test_corrections_stand_in_their_own_box(number, times):
    notebook = nbformat.read(find_chapter(number), as_version=4)
    text = '\n'.join(cell.source for cell in notebook.cells)
    assert text.count('> **Where the notes were wrong.**') >= times


@pytest.mark.parametrize('number,questions', [
    ('7-2', 3), ('7-3', 3), ('7-5', 2), ('8-6', 3)])
def test_every_question_has_a_heading_that_asks_it(number, questions):
    notebook = nbformat.read(find_chapter(number), as_version=4)
    text = '\n'.join(cell.source for cell in notebook.cells
                     if cell.cell_type == 'markdown')
    part = text.split('## Questions from the notes')[1].split('\n## ')[0]
    asked = [line for line in part.split('\n') if line.startswith('### ')]
    assert len(asked) == questions
    assert all(line.endswith('?') for line in asked)
