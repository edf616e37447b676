"""What a network costs and sees, measured by running it.

Every function works on a copy in evaluation mode, so the network keeps its
weights, its BatchNorm statistics and its mode, and lazy layers stay lazy.
"""
import contextlib
import copy

import numpy as np
import torch
from scipy.special import stdtrit
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(net):
    """The number of learnable numbers in a network.

    Raises ValueError while a lazy layer does not know its shape yet.
    """
    if any(nn.parameter.is_lazy(p) for p in net.parameters()):
        raise ValueError('The network has lazy layers without a shape: run '
                         'it once on a batch, then count.')
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def count_macs(net, X_shape):
    """Multiply-accumulates of one forward pass on an input of `X_shape`.

    Counts convolutions and matrix products, of which each multiply-add is
    one; biases, activations and pooling are left out, as is usual.
    """
    with _copy(net) as net, FlopCounterMode(display=False) as counter:
        net(torch.zeros(X_shape))
    return counter.get_total_flops() // 2


def layer_summary(net, X_shape):
    """Print the output shape of each layer for an input of `X_shape`.

    The lines are those of `d2l.Classifier.layer_summary` (d2l 7.6), which
    runs the network itself and so changes BatchNorm statistics.
    """
    def report(layer, inputs, output):
        print(layer.__class__.__name__, 'output shape:\t', output.shape)
    with _copy(net) as net:
        for layer in getattr(net, 'net', net).children():
            layer.register_forward_hook(report)
        net(torch.zeros(X_shape))


def receptive_field(net, X_shape):
    """The (height, width) of the input that the central output unit sees.

    Measured with NaN, which no layer lets vanish: the first rows (columns)
    are set to NaN, as few as turn the unit to NaN, then the last ones; the
    field lies between. `X_shape` is (1, channels, height, width). A field
    larger than the image comes out as large as the image.
    """
    # In double precision, since oneDNN may compute single precision in
    # tiles, over which NaN would spread.
    with _copy(net, torch.float64) as net:
        return tuple(_extent(net, X_shape, axis) for axis in (2, 3))


def spreads(net, X, kinds=(nn.Conv2d, nn.Linear)):
    """How far signals differ between images, behind each layer of a kind.

    For a batch X of shape (images, ...) a list with one number for each
    time that a layer of one of the `kinds` is run, in that order: of its
    outputs the standard deviation over the images, and of these the root of
    the mean square over all units. The network stays in its mode: in
    training mode dropout is at work, and BatchNorm normalizes by X.

    Raises ValueError for a single image, which differs from no other.
    """
    if len(X) < 2:
        raise ValueError(f'A spread needs several images: X has {len(X)}.')
    found = []

    def measure(layer, inputs, output):
        found.append(output.std(dim=0).square().mean().sqrt().item())
    mode = net.training
    with _copy(net) as net:
        for layer in net.train(mode).modules():
            if isinstance(layer, kinds):
                layer.register_forward_hook(measure)
        net(X.cpu())
    return found


def _extent(net, X_shape, axis):
    n = X_shape[axis]

    def is_seen(pixels):
        X = torch.zeros(X_shape, dtype=torch.float64)
        X.index_fill_(axis, torch.tensor(pixels), torch.nan)
        Y = net(X)[0]
        if Y.dim() == 3:
            Y = Y[:, Y.shape[1] // 2, Y.shape[2] // 2]
        return Y.flatten()[0].isnan().item()

    first = _bisect(lambda i: is_seen(list(range(i + 1))), n)
    last = n - 1 - _bisect(lambda i: is_seen(list(range(n - 1 - i, n))), n)
    return last - first + 1


def _bisect(condition, n):
    """The smallest i below n for which a monotone condition holds."""
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle) else (middle + 1, high)
    return low


@contextlib.contextmanager
def _copy(net, dtype=torch.float32):
    # A trained model knows its trainer, and the trainer all the data.
    trainer = getattr(net, 'trainer', None)
    memo = {id(trainer): 'left out'} if trainer else {}
    # Nor can the buffers of a lazy BatchNorm be copied.
    memo.update({id(buffer): nn.parameter.UninitializedBuffer()
                 for buffer in net.buffers()
                 if nn.parameter.is_lazy(buffer)})
    # A lazy layer draws its weights from the generator when it first runs.
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        yield copy.deepcopy(net, memo).to('cpu', dtype).eval()


def interval(runs):
    """Half the width of the 95 % t-interval of the mean over axis 0.

    `runs` has a result, or an array of them, for each run. It is nan for one
    run and for two, which say nothing about a spread.
    """
    runs, n = np.asarray(runs, dtype=float), len(runs)
    if n < 3:
        return np.full_like(runs[0], np.nan)
    return stdtrit(n - 1, 0.975) * runs.std(axis=0, ddof=1) / n ** 0.5
