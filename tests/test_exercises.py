"""Functions to write: right ones pass, wrong ones are told what is wrong."""
import ast
import functools
import inspect
import random
import re
import sys
import threading

import nbformat
import numpy as np
import pytest
import torch
import torchvision
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils import io
from scipy import signal, stats
from test_language import stumbles
from torch import nn
from torch.nn import functional as F

import helpers
from conftest import ROOT, definitions, find_chapter
from helpers import (
    check,
    checking,
    count_macs,
    count_parameters,
    exercises_7,
    exercises_8,
    receptive_field,
)
from helpers.checking import judge

EXERCISES = {(chapter, number): exercise
             for module in (exercises_7, exercises_8)
             for chapter, several in module.EXERCISES.items()
             for number, exercise in enumerate(several, 1)}
every = pytest.mark.parametrize(
    'key', EXERCISES, ids=lambda key: f'{key[0]}-W{key[1]}')
close = torch.testing.assert_close


@pytest.fixture(autouse=True)
def no_hints_yet():
    checking.shown_hints.clear()


# Random arguments for each exercise, and what torch or scipy make of them.

def size(low, high):
    return random.randint(low, high)


def whole(*shape):
    """Whole numbers, so that a sum in any order has the same digits."""
    return torch.randint(-5, 6, shape).float()


def image_and_kernel(smallest=0):
    h, w = size(1, 3), size(1, 3)
    return whole(h + size(smallest, 4), w + size(smallest, 4)), whole(h, w)


def four(X):
    return X[None, None]


def layers_counted(n, k):
    m = n - k + 1
    local = 0
    for _ in range(m * m):  # each output with weights of its own
        local += nn.Linear(k * k, 1, bias=False).weight.numel()
    return (nn.Linear(n * n, m * m, bias=False).weight.numel(), local,
            nn.Conv2d(1, 1, k, bias=False).weight.numel())


def some_shape():
    kernel = size(1, 5), size(1, 5)
    return (tuple(k + size(0, 9) for k in kernel), kernel,
            (size(0, 3), size(0, 3)), (size(1, 4), size(1, 4)))


def shape_by_torch(shape, kernel, padding, stride):
    return tuple(F.conv2d(torch.zeros(1, 1, *shape), torch.zeros(
        1, 1, *kernel), None, stride, padding).shape[2:])


def a_strided_layer():
    (X, K), stride = image_and_kernel(), size(1, 3)
    Y = F.conv2d(four(X), four(K), stride=stride)
    return X, K, whole(*Y.shape[2:]), stride


def strided_by_autograd(X, K, dY, stride):
    X.requires_grad_(), K.requires_grad_()
    F.conv2d(four(X), four(K), stride=stride)[0, 0].backward(dY)
    return X.grad, K.grad


def a_layer():
    k, padding = size(1, 4), size(0, 2)
    return (size(1, 4), size(1, 4), k, k + size(0, 6), padding, size(1, 3))


def cost_by_helpers(c_i, c_o, k, n, padding, stride):
    layer = nn.Conv2d(c_i, c_o, k, stride, padding)
    return count_parameters(layer), count_macs(layer, (1, c_i, n, n))


def composed_by_scipy(kernels):
    K = torch.ones(1, 1)
    for L in kernels:
        K = torch.tensor(signal.convolve2d(K, L))
    return K


def a_pooling():
    k, stride = size(2, 3), size(1, 3)
    return (whole(k + size(0, 4), k + size(0, 4)), k, stride,
            size(0, k // 2))


def a_pooling_backward():
    X, k, stride, _ = a_pooling()
    Y = F.max_pool2d(X[None], k, stride)[0]
    return X, whole(*Y.shape), k, stride


def pooling_by_autograd(X, dY, k, stride):
    X.requires_grad_()
    F.max_pool2d(X[None], k, stride)[0].backward(dY)
    return X.grad


def a_stack():
    return size(16, 40), size(1, 9), [
        (size(1, 3), size(0, 1), size(1, 2)) for _ in range(size(0, 3))]


def inputs_by_torch(n, channels, layers):
    X = torch.zeros(channels, n, n)
    for k, padding, stride in layers:
        X = F.conv2d(X[:, None], torch.zeros(1, 1, k, k), None, stride,
                     padding)[:, 0]
    return X.numel()


def a_confusion():
    n = size(2, 5)
    counts = torch.randint(0, 9, (n, n)).float()
    counts[:, 0] += 1  # each class has an image
    if random.random() < 0.3:
        counts[:, n - 1] = 0  # a class that is never predicted
    return counts,


def confusion_by_counting(counts):
    pairs = [(i, j) for i in range(len(counts)) for j in range(len(counts))
             for _ in range(int(counts[i, j]))]

    def share(which, right=lambda i, j: i == j):
        of = [right(i, j) for i, j in pairs if which(i, j)]
        return sum(of) / len(of) if of else 0
    return (share(lambda i, j: True),
            torch.tensor([share(lambda i, j, c=c: i == c)
                          for c in range(len(counts))]).float(),
            torch.tensor([share(lambda i, j, c=c: j == c)
                          for c in range(len(counts))]).float())


def interval_by_scipy(values, t):
    return float(t * stats.sem(values.double().numpy()))


def units_of_relu():
    A = whole(size(1, 6), size(1, 6)).relu() / 10
    return A * (torch.rand(A.shape[1]) < 0.7),  # some columns are dead


def dead_by_counting(A):
    dead = [all(row[j] == 0 for row in A.tolist())
            for j in range(A.shape[1])]
    return sum(dead) / len(dead)


def a_dropout():
    X, p = whole(size(1, 3), size(1, 5)), random.choice([0, 0.2, 0.5, 1])
    return X, torch.rand(X.shape) >= p, p, random.random() < 0.5


def dropout_by_hand(X, keep, p, training):
    return torch.tensor([[x if not training else x / (1 - p) if k else 0
                          for x, k in zip(*rows)]
                         for rows in zip(X.tolist(), keep.tolist())])


def some_logits():
    scale = random.choice([1, 1, 200])
    logits = scale * torch.randn(size(1, 5), size(2, 5))
    return logits, torch.randint(logits.shape[1], logits.shape[:1])


def field_by_helpers(layers):
    net = nn.Sequential(*(nn.Conv2d(1, 1, k, stride)
                          for k, stride in layers))
    return receptive_field(net, (1, 1, 140, 140))[0]


def std_by_torch(shape, rule):
    fans = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    return (nn.init.calculate_gain('relu') / fans[0] ** 0.5 if rule == 'he'
            else (2 / sum(fans)) ** 0.5)


def a_class_map():
    c, classes = size(1, 4), size(1, 4)
    return (whole(c, size(1, 3), size(1, 3)), whole(classes, c),
            size(0, classes - 1))


def predictions_by_counting(logits):
    rows = logits.tolist()
    labels = [row.index(max(row)) for row in rows]
    return torch.tensor([labels.count(c) for c in range(len(rows[0]))])


def cost_of_the_chapters_block(c_i, c1, c2, c3, c4, n):
    block = definitions('8-4')['Inception'](c_i, c1, c2, c3, c4)
    X = torch.zeros(1, c_i, n, n)
    return (block(X).shape[1], count_parameters(block),
            count_macs(block, X.shape))


def three_kernels():
    c = size(1, 2)
    return (whole(size(1, 2), c, size(1, 4), size(1, 4)),
            *(whole(size(1, 3), c, k, k) for k in (1, 3, 5)))


def branches_as_one_layer(X, K1, K3, K5):
    K = torch.cat([F.pad(K, [(5 - K.shape[2]) // 2] * 4)
                   for K in (K1, K3, K5)])
    return F.conv2d(X, K, padding=2).relu()


def a_batch():
    training = random.random() < 0.7
    X = whole(size(2 if training else 1, 5), size(1, 4))
    return X, whole(X.shape[1]), torch.rand(X.shape[1]) + 0.1, training


def normalized_by_torch(X, mean, var, training):
    Y = F.batch_norm(X, mean, var, training=training)
    return Y, mean, var


def a_block():
    c_i, c_o, stride = size(1, 3), size(1, 3), size(1, 2)
    K3 = whole(c_o, c_i, 1, 1) if (
        c_i != c_o or stride > 1 or random.random() < 0.3) else None
    return (whole(size(1, 2), c_i, size(1, 5), size(1, 5)),
            whole(c_o, c_i, 3, 3), whole(c_o, c_o, 3, 3), K3, stride)


def block_of_torchvision(X, K1, K2, K3, stride):
    block = torchvision.models.resnet.BasicBlock(
        X.shape[1], len(K1), stride, norm_layer=nn.Identity)
    block.conv1.weight, block.conv2.weight = map(nn.Parameter, (K1, K2))
    if K3 is not None:
        block.downsample = nn.Conv2d(X.shape[1], len(K3), 1, stride,
                                     bias=False)
        block.downsample.weight = nn.Parameter(K3)
    return block(X)


def some_groups():
    groups, c_i, c_o, k = (size(1, 3) for _ in range(4))
    return (whole(size(1, 2), groups * c_i, k + size(0, 2), k + size(0, 2)),
            whole(groups * c_o, c_i, k, k), groups)


TRUTH = {
    ('8.1', 1): (units_of_relu, dead_by_counting),
    ('8.1', 2): (a_dropout, dropout_by_hand),
    ('8.1', 3): (some_logits, lambda logits, y: F.cross_entropy(
        logits, y).item()),
    ('8.2', 1): (lambda: ([(size(1, 4), size(1, 3))
                           for _ in range(size(0, 3))],), field_by_helpers),
    ('8.2', 2): (lambda: ((size(1, 9), size(1, 9), *random.choice(
        [(), (size(1, 5), size(1, 5))])), random.choice(['he', 'xavier'])),
        std_by_torch),
    ('8.3', 1): (a_class_map, lambda features, W, label: F.conv2d(
        features[None], W[..., None, None])[0, label]),
    ('8.3', 2): (lambda: (whole(size(1, 8), size(2, 5)),),
                 predictions_by_counting),
    ('8.4', 1): (lambda: (size(1, 9), size(1, 9), (size(1, 9), size(1, 9)),
                          (size(1, 9), size(1, 9)), size(1, 9), size(1, 5)),
                 cost_of_the_chapters_block),
    ('8.4', 2): (three_kernels, branches_as_one_layer),
    ('8.5', 1): (a_batch, normalized_by_torch),
    ('8.5', 2): (lambda: (lambda n: (whole(n, 3) + 0.5, whole(n, 3),
                                     random.random()))(size(1, 3)),
                 lambda W, gradient, lr: lr * np.linalg.norm(
                     gradient) / np.linalg.norm(W)),
    ('8.6', 1): (a_block, block_of_torchvision),
    ('8.6', 2): (some_groups, lambda X, K, groups: F.conv2d(
        X, K, groups=groups)),
    ('7.1', 1): (lambda: (lambda k: (k + size(0, 6), k))(size(1, 5)),
                 layers_counted),
    ('7.1', 2): (lambda: (lambda k: (whole(k), k + size(0, 4)))(size(1, 4)),
                 lambda kernel, n: F.conv1d(
                     torch.eye(n)[:, None], four(kernel))[:, 0].t()),
    ('7.2', 1): (image_and_kernel,
                 lambda X, K: F.conv2d(four(X), four(K))[0, 0]),
    ('7.2', 2): (image_and_kernel, lambda X, K: torch.tensor(
        signal.convolve2d(X, K))),
    ('7.3', 1): (some_shape, shape_by_torch),
    ('7.3', 2): (a_strided_layer, strided_by_autograd),
    ('7.4', 1): (a_layer, cost_by_helpers),
    ('7.4', 2): (lambda: ([whole(size(1, 3), size(1, 3))
                           for _ in range(size(1, 3))],), composed_by_scipy),
    ('7.4', 3): (lambda: (lambda c_i, c_o: (
        whole(size(1, 2), c_i, size(1, 3), size(1, 3)), whole(c_o, c_i),
        whole(c_o)))(size(1, 3), size(1, 3)),
        lambda X, W, b: F.conv2d(X, W[..., None, None], b)),
    ('7.5', 1): (a_pooling, lambda X, k, stride, padding: F.max_pool2d(
        X[None], k, stride, padding)[0]),
    ('7.5', 2): (a_pooling_backward, pooling_by_autograd),
    ('7.6', 1): (a_stack, inputs_by_torch),
    ('7.6', 2): (a_confusion, confusion_by_counting),
    ('7.6', 3): (lambda: (torch.rand(size(2, 6)), 2 + random.random()),
                 interval_by_scipy)}


@every
def test_the_solution_is_what_torch_computes(key):
    exercise = EXERCISES[key]
    draw, truth = TRUTH[key]
    random.seed(0), torch.manual_seed(0)
    for args in exercise.inputs + [draw() for _ in range(30)]:
        expected = truth(*checking._copy(args))
        assert checking._agree(expected, exercise.solution(*args)), args


@every
def test_the_solution_passes(key, capsys):
    check(*key, EXERCISES[key].solution)
    assert re.match(rf'Exercise W{key[1]} of {key[0]}: right for all \d+ '
                    r'inputs.\nAnother way: ', capsys.readouterr().out)


@every
def test_each_known_mistake_gets_its_own_sentence(key):
    exercise = EXERCISES[key]
    assert len(exercise.mistakes) >= 4
    for sentence, mistake in exercise.mistakes.items():
        verdict = judge(exercise, mistake)
        assert (verdict.text, verdict.right) == (sentence, False)


@every
def test_what_an_exercise_says_is_plain_and_whole(key):
    exercise = EXERCISES[key]
    assert len(exercise.hints) == 3
    for text in (*exercise.mistakes, *exercise.hints, exercise.better):
        assert re.search(r'[.?]$', text) and not stumbles(text), text
    assert len(exercise.inputs) >= 3


# Mutants: the solution with one thing changed.

SWAPS = {ast.Add: [ast.Sub], ast.Sub: [ast.Add],
         ast.Mult: [ast.Add, ast.Div], ast.Div: [ast.Mult],
         ast.FloorDiv: [ast.Mult, ast.Mod], ast.Mod: [ast.FloorDiv],
         ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult],
         ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt], ast.Gt: [ast.GtE],
         ast.GtE: [ast.Gt], ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq],
         ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
         ast.And: [ast.Or], ast.Or: [ast.And]}


def changes(node):
    """Each way to change one node of a tree: what to set to what."""
    for name in 'op', 'ops':
        value = getattr(node, name, None)
        for old in value if isinstance(value, list) else [value]:
            for new in SWAPS.get(type(old), ()):
                yield name, [new()] if isinstance(value, list) else new()
    if isinstance(node, ast.AugAssign):
        yield 'augmented', None
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield 'value', not node.value
    elif isinstance(node, ast.Constant) and isinstance(
            node.value, (int, float)):
        yield from (('value', node.value + step) for step in (1, -1))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield 'op', ast.UAdd()
    elif isinstance(node, ast.Slice):
        yield from ((side, moved(getattr(node, side), step))
                    for side in ('lower', 'upper')
                    if getattr(node, side) for step in (1, -1))
    elif isinstance(node, ast.Call) and getattr(
            node.func, 'id', '') == 'range':
        yield from (('args', [*node.args[:-1], moved(node.args[-1], step)])
                    for step in (1, -1))


def moved(node, step):
    return ast.BinOp(node, ast.Add(), ast.Constant(step))


def mutants(source, namespace):
    """Functions that differ from that of the source in one place."""
    for place in range(len(list(ast.walk(ast.parse(source))))):
        for number in range(len(list(changes(
                list(ast.walk(ast.parse(source)))[place])))):
            tree = ast.parse(source)
            node = list(ast.walk(tree))[place]
            name, value = list(changes(node))[number]
            if name == 'augmented':
                tree = Plain(node).visit(tree)
            else:
                setattr(node, name, value)
            ast.fix_missing_locations(tree)
            yield ast.unparse(tree), defined(tree, namespace)


def defined(tree, namespace):
    """The last function that a tree or a source defines, nothing else run."""
    tree = ast.parse(tree) if isinstance(tree, str) else tree
    tree.body = [node for node in tree.body
                 if isinstance(node, ast.FunctionDef)]
    namespace = dict(namespace)
    exec(compile(tree, '<mutant>', 'exec'), namespace)
    return namespace[tree.body[-1].name]


class Plain(ast.NodeTransformer):
    """Makes x = y of one x += y."""
    def __init__(self, node):
        self.node = node

    def visit_AugAssign(self, node):
        return ast.Assign([node.target], node.value) if (
            node is self.node) else node


def result(function, args):
    """What a function gives, or that it raises."""
    try:
        return function(*checking._copy(args))
    except Exception as error:
        return type(error).__name__


def same(expected, given):
    return (expected == given if isinstance(expected, str)
            else checking._agree(expected, given))


def survivors(key, source, namespace):
    """How many mutants change a result, and those of them that pass."""
    random.seed(1), torch.manual_seed(1)
    exercise, draw = EXERCISES[key], TRUTH[key][0]
    samples = [draw() for _ in range(60)]
    right = [result(exercise.solution, args) for args in samples]
    changed, passed = 0, []
    for text, mutant in mutants(source, namespace):
        if all(same(expected, result(mutant, args))
               for expected, args in zip(right, samples)):
            continue  # it is the same function in other words
        changed += 1
        if judge(exercise, mutant, limit=1).right:
            passed.append(text)
    return changed, passed


@pytest.mark.parametrize('where', ['helpers', 'chapters'])
def test_mutants_of_the_solutions_are_caught(where):
    total, missed = 0, []
    for key in EXERCISES if where == 'helpers' else IN_CHAPTERS:
        if where == 'helpers':
            solution = EXERCISES[key].solution
            source, names = inspect.getsource(solution), solution.__globals__
        else:
            source, names = book(key)[2], NAMES
        changed, passed = survivors(key, source, names)
        total += changed
        missed += passed
    print(f'{total} mutants of {where} change a result, {len(missed)} pass')
    assert total > 250
    assert len(missed) <= 0.05 * total, '\n\n'.join(missed)


# The chapters: what is asked, and the solutions in the book.

# Chapters that do not ask their functions yet. This set only shrinks.
NOT_YET = set()
IN_CHAPTERS = [key for key in EXERCISES if key[0] not in NOT_YET]
NAMES = {'torch': torch, 'nn': nn, 'F': F}


@functools.cache
def chapter_cells(chapter):
    return [cell for cell in nbformat.read(find_chapter(
        chapter.replace('.', '-')), 4).cells[1:] if cell.cell_type == 'code']


def book(key):
    """The stub, what was stored below it, and the solution of the book."""
    cells = chapter_cells(key[0])
    call = f"check('{key[0]}', {key[1]}, "
    first, second = (i for i, cell in enumerate(cells) if call in cell.source)
    return (cells[first - 1].source, cells[first].outputs[0].text,
            cells[second].source)


def test_every_chapter_has_two_functions_to_write_or_is_about_to():
    chapters = {re.match(r'\d-\d+', path.name)[0].replace('-', '.')
                for path in (ROOT / 'chapters').glob('[0-9]*.ipynb')}
    assert {chapter for chapter, _ in EXERCISES} == chapters
    assert len(EXERCISES) >= 24
    for chapter in chapters:
        numbers = [number for other, number in EXERCISES if other == chapter]
        assert len(numbers) >= 2
        code = ''.join(cell.source for cell in chapter_cells(chapter))
        asked = 'check(' in code
        assert asked != (chapter in NOT_YET), (
            f'Take {chapter} out of NOT_YET, or insert its functions.')
        for number in numbers if asked else ():
            assert code.count(f"check('{chapter}', {number}, ") == 2


in_chapters = pytest.mark.parametrize(
    'key', IN_CHAPTERS, ids=lambda key: f'{key[0]}-W{key[1]}')


@in_chapters
def test_the_stub_fails_with_its_own_words_which_the_chapter_shows(
        key, capsys):
    stub, shown, _ = book(key)
    function = defined(stub, NAMES)
    assert list(inspect.signature(function).parameters) == (
        EXERCISES[key].arguments)
    assert len(inspect.getdoc(function)) > 40
    check(*key, function)
    told = capsys.readouterr().out
    assert told == shown
    assert told.startswith(f'Exercise W{key[1]} of {key[0]}: not written yet.'
                           f'\nHint 1 of 3: ')


@in_chapters
def test_the_solution_of_the_book_passes_and_has_the_stubs_words(key):
    stub, _, solution = (ast.parse(source) if i != 1 else source
                         for i, source in enumerate(book(key)))
    functions = [next(node for node in tree.body if isinstance(
        node, ast.FunctionDef)) for tree in (stub, solution)]
    assert len({(node.name, ast.unparse(node.args), ast.get_docstring(node))
                for node in functions}) == 1
    assert judge(EXERCISES[key], defined(book(key)[2], NAMES)).right


@in_chapters
def test_a_function_to_write_has_no_second_meaning_in_its_chapter(key):
    stub = defined(book(key)[0], NAMES).__name__
    definitions = [node.name for cell in chapter_cells(key[0])
                   for node in ast.walk(ast.parse(cell.source))
                   if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert definitions.count(stub) == 2


# What a function may do besides being wrong.

def raises_in_its_second_line(shape, kernel, padding, stride):
    pairs = [shape, kernel]
    return pairs[2]


def does_not_end(shape, kernel, padding, stride):
    while True:
        pass


def does_not_end_and_catches_all(shape, kernel, padding, stride):
    while not over.is_set():
        try:
            while not over.is_set():
                pass
        except:  # noqa: E722
            pass


over = threading.Event()  # ends what cannot be stopped, after its test


def prints_without_end(shape, kernel, padding, stride):
    while True:
        print('again')


def imports_nothing(shape, kernel, padding, stride):
    return maths.floor(2.5)  # noqa: F821


def only_prints(shape, kernel, padding, stride):
    print(exercises_7.output_shape(shape, kernel, padding, stride))


def prints_too(shape, kernel, padding, stride):
    print('n =', shape)
    return exercises_7.output_shape(shape, kernel, padding, stride)


def forgets_return(shape, kernel, padding, stride):
    result = exercises_7.output_shape(shape, kernel, padding, stride)
    result = result  # and that was all


def leaves(shape, kernel, padding, stride):
    sys.exit(1)


def recurses(shape, kernel, padding, stride):
    return recurses(shape, kernel, padding, stride)


def yields(shape, kernel, padding, stride):
    yield exercises_7.output_shape(shape, kernel, padding, stride)


def gives_one_number(shape, kernel, padding, stride):
    return exercises_7.output_shape(shape, kernel, padding, stride)[0]


def gives_floats(shape, kernel, padding, stride):
    return tuple(float(n) for n in exercises_7.output_shape(
        shape, kernel, padding, stride))


def not_written(shape, kernel, padding, stride):
    """Give the shape."""
    raise NotImplementedError


def raises_in_torch(shape, kernel, padding, stride):
    return torch.zeros(2, device='meta').tolist()


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError


def raises_the_unspeakable(shape, kernel, padding, stride):
    raise Unspeakable


def changes_its_input(X, K, dY, stride):
    dX, dK = exercises_7.strided_backward(X, K, dY, stride)
    X += 1
    return dX, dK


def gives_an_array(X, k, stride, padding):
    return exercises_7.max_pool(X, k, stride, padding).numpy()


def gives_another_shape(X, k, stride, padding):
    return exercises_7.max_pool(X, k, stride, padding)[None]


def gives_a_list(X, k, stride, padding):
    return exercises_7.max_pool(X, k, stride, padding).tolist()


def gives_meta(X, k, stride, padding):
    return exercises_7.max_pool(X, k, stride, padding).to('meta')


SHAPE, BACKWARD, POOL = ('7.3', 1), ('7.3', 2), ('7.5', 1)
FIRST = r'shape = \(8, 8\), kernel = \(3, 3\), padding = \(1, 1\)'
BEHAVIOURS = [
    (SHAPE, raises_in_its_second_line, r'raises IndexError: list index out '
     rf'of range, in the line "return pairs\[2\]", on {FIRST}'),
    (SHAPE, does_not_end, rf'does not end; .* on {FIRST}'),
    (SHAPE, does_not_end_and_catches_all, 'does not end'),
    (SHAPE, prints_without_end, 'does not end'),
    (SHAPE, imports_nothing, "raises NameError: name 'maths' is not defined"),
    (SHAPE, only_prints, r'prints its result \("\(8, 8\)"\) and returns '
     'nothing. Write return in place of print'),
    (SHAPE, prints_too, r'results are right, but it also prints \("n = '
     r'\(8, 8\)"\). Take the print out'),
    (SHAPE, forgets_return, 'returns None. Does it end with a return'),
    (SHAPE, leaves, 'raises SystemExit: 1, in the line "sys.exit'),
    (SHAPE, recurses, 'raises RecursionError: maximum recursion depth'),
    (SHAPE, yields, 'returns a generator where a tuple of 2 is expected'),
    (SHAPE, gives_one_number, 'the int 8 where a tuple of 2 is expected'),
    (SHAPE, gives_floats, r'the float 8.0 where a whole number is expected, '
     r'an int. Divide with //'),
    (SHAPE, raises_the_unspeakable, 'raises Unspeakable'),
    (SHAPE, raises_in_torch, 'raises NotImplementedError: Cannot copy out'),
    (SHAPE, not_written, 'not written yet'),
    (SHAPE, (8, 8), 'This is a tuple of 2 and no function. .* without '
     'brackets'),
    (SHAPE, None, 'This is None and no function'),
    (SHAPE, 'output_shape', 'This is a str and no function'),
    (SHAPE, lambda shape: shape, r'takes the arguments \(shape\) and has to '
     r'take \(shape, kernel, padding, stride\)'),
    (BACKWARD, changes_its_input, r'changes its argument X. Work on a copy, '
     r'such as X.clone\(\)'),
    (POOL, gives_an_array, r'returns a ndarray where a tensor of shape '
     r'\(2, 2\) is'),
    (POOL, gives_another_shape, r'a tensor of shape \(1, 2, 2\) where the '
     r'shape \(2, 2\) is expected'),
    (POOL, gives_a_list, r'returns a list of 2 where a tensor'),
    (POOL, gives_meta, r'not right yet'),
    (POOL, nn.MaxPool2d(2), r'takes the arguments \(\*args, \*\*kwargs\)|'
     'raises')]


@pytest.mark.parametrize('key,function,words', BEHAVIOURS, ids=lambda value:
                         getattr(value, '__name__', None))
def test_each_behaviour_has_its_sentence(key, function, words, monkeypatch,
                                         capsys):
    monkeypatch.setattr(checking, 'LIMIT', 0.3)
    over.clear()
    check(*key, function)
    over.set()
    told = capsys.readouterr()
    assert re.search(words, ' '.join(told.out.split()))
    assert 'Traceback' not in told.out and not told.err
    assert 'checking.py' not in told.out
    assert len(told.out) < 2500


def test_a_right_function_may_be_written_in_other_ways(capsys):
    shape, pool = EXERCISES[SHAPE], EXERCISES[POOL]
    solution = exercises_7.output_shape
    same = []

    def fills_the_same_list(*args):
        same[:] = solution(*args)
        return same
    for function in (lambda *args: list(solution(*args)),
                     fills_the_same_list,
                     lambda *args: torch.tensor(solution(*args)).unbind(),
                     lambda *args: np.array(solution(*args)).tolist(),
                     functools.partial(solution)):
        assert judge(shape, function).right, function
    for function in (lambda X, k, stride, padding: F.max_pool2d(
                         X[None], k, stride, padding)[0],
                     lambda X, k, stride, padding: F.max_pool2d(
                         X[None].double(), k, stride, padding)[0]):
        assert judge(pool, function).right


def test_hints_come_one_by_one_and_begin_again_after_a_right_answer(capsys):
    hints = EXERCISES[SHAPE].hints

    def said(function):
        check(*SHAPE, function)
        return ' '.join(capsys.readouterr().out.split())
    for wrong in (only_prints, gives_floats, gives_one_number, gives_floats):
        number = min(checking.shown_hints.get(SHAPE, 0) + 1, 3)
        assert said(wrong).endswith(f'Hint {number} of 3: '
                                    f'{" ".join(hints[number - 1].split())}')
    assert 'Hint' not in said((8, 8))
    said(exercises_7.output_shape)
    assert 'Hint 1 of 3' in said(only_prints)
    check(*POOL, torch.nn.Identity.forward)
    assert 'Hint' not in capsys.readouterr().out  # other arguments
    assert checking.shown_hints == {SHAPE: 1}


def test_expected_and_given_stand_side_by_side_and_are_drawn(
        capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(checking, 'show_matrices',
                        lambda **options: drawn.append(options))
    mistake = exercises_7.MAX_POOL_GRADIENT.mistakes
    check('7.5', 2, next(iter(mistake.values())))
    assert capsys.readouterr().out.startswith('''\
Exercise W2 of 7.5: not right yet. Gradients that overlap are overwritten. A
pixel that is the maximum of several windows gets the sum: use +=.
It shows on this input, which is kept in check.arguments:
X        dY           k    stride
1 2 1       1   10    2    1
3 9 4     100 1000
1 5 2

expected          yours
   0    0    0       0    0    0
   0 1111    0       0 1000    0
   0    0    0       0    0    0

Hint 1 of 3: ''')
    assert drawn[0]['marks'] == [(1, 1, 1, 1)] * 2
    assert drawn[0]['titles'] == ['expected', 'yours']
    assert [matrix[1, 1].item() for matrix in drawn[0]['matrices']] == [
        1111, 1000]
    assert check.arguments[2:] == (2, 1)


def test_of_several_results_and_many_axes_the_wrong_part_is_shown(capsys):
    check('7.3', 2, list(exercises_7.STRIDED_BACKWARD.mistakes.values())[1])
    assert 'expected dK    yours dK\n' in capsys.readouterr().out

    def wrong_in_one_channel(X, K, groups):
        Y = exercises_8.grouped_conv(X, K, groups)
        if groups == 3:
            Y[0, 2] += 1
        return Y
    check('8.6', 2, wrong_in_one_channel)
    told = capsys.readouterr().out
    assert 'not right yet. \n' not in told
    assert 'expected[0, 2]    yours[0, 2]\n' in told
    assert 'X[0, 3]' not in told and 'shape (1, 6, 3, 2)' in told
    check('8.4', 2, exercises_8._branches_backwards)
    assert re.search(r'X\[0, 0\] +K1\[0, 0\] +K3\[0, 0\] +K5\[0, 0\]\n',
                     capsys.readouterr().out)
    check('7.4', 2, exercises_7._composed_too_large)
    assert 'kernels[0]    kernels[1]\n 1 -1' in capsys.readouterr().out


def test_a_difference_is_shown_where_it_can_be_seen(capsys):
    check('7.3', 1, exercises_7._shape_without_floor)
    assert ('expected    yours\n(2, 2)      (2.667, 2.25)'
            in capsys.readouterr().out)


def test_a_result_with_nan_is_shown_and_not_drawn(capsys):
    check('8.5', 1, exercises_8._norm_without_epsilon)
    assert 'nan' in capsys.readouterr().out


def test_what_is_asked_for_may_be_written_in_several_ways(capsys):
    for chapter, number in (('7.3', 1), (7.3, 1), ('7-3', 'W1')):
        check(chapter, number, exercises_7.output_shape)
        assert 'Exercise W1 of 7.3: right' in capsys.readouterr().out
    for chapter, number, words in (
            ('9.1', 1, 'There is no chapter 9.1 with'), ('7.9', 1, 'chapter'),
            ('7.3', 3, 'no exercise W3 in 7.3: it has W1 to W2'),
            ('7.3', 0, 'no exercise W0'), ('7.3', 'x', 'no exercise Wx'),
            (exercises_7.output_shape, 1, 'There is no chapter')):
        check(chapter, number, exercises_7.output_shape)
        assert words in capsys.readouterr().out


def test_checking_leaves_random_numbers_and_output_alone(capsys):
    def draws(X, k, stride, padding):
        return torch.rand(2, 2)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check(*POOL, draws)
    assert torch.rand(3).equal(expected)
    before = threading.active_count()
    check(*POOL, draws)
    assert threading.active_count() == before


@pytest.mark.parametrize('module', [helpers, checking])
def test_the_exercises_are_imported_when_they_are_asked_for(module):
    assert 'import exercises' not in inspect.getsource(module)
    assert 'from helpers.exercises' not in inspect.getsource(module)


def test_a_reader_in_ipython_sees_the_line_and_no_traceback():
    """As in Jupyter, VS Code and Colab, where a cell is no file."""
    shell = InteractiveShell()
    with io.capture_output() as told:
        shell.run_cell('from helpers import check\n'
                       'def output_shape(shape, kernel, padding, stride):\n'
                       '    n = shape[0]\n    return n.floor()')
        shell.run_cell("check('7.3', 1, output_shape)")
    words = ' '.join(told.stdout.split())
    assert "raises AttributeError: 'int' object has no attribute" in words
    assert 'in the line "return n.floor()"' in words
    assert 'Traceback' not in told.stdout + told.stderr
