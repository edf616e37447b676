"""Measurements against torch's own counts and arithmetic done by hand."""
import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from d2l import torch as d2l
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from helpers import (
    count_macs,
    count_parameters,
    interval,
    layer_summary,
    measure,
    receptive_field,
    spreads,
)

X_SHAPE = (1, 4, 20, 24)


def test_count_parameters_by_hand():
    net = nn.Sequential(nn.Conv2d(4, 6, (3, 5)), nn.BatchNorm2d(6),
                        nn.Conv2d(6, 8, 3, groups=2, bias=False))
    assert count_parameters(net) == (6 * 4 * 15 + 6) + 12 + 8 * 3 * 9


def test_count_parameters_leaves_out_what_is_frozen():
    net = nn.Linear(3, 2)
    net.weight.requires_grad_(False)
    assert count_parameters(net) == 2


def test_count_parameters_of_a_lazy_network_is_an_error():
    with pytest.raises(ValueError, match='lazy'):
        count_parameters(nn.LazyLinear(3))


@pytest.mark.parametrize('layer,expected', [
    (nn.Conv2d(4, 6, 3), 6 * 4 * 9 * 18 * 22),
    (nn.Conv2d(4, 6, 3, padding=1), 6 * 4 * 9 * 20 * 24),
    (nn.Conv2d(4, 6, 3, padding=1, stride=2), 6 * 4 * 9 * 10 * 12),
    (nn.Conv2d(4, 6, 3, dilation=2), 6 * 4 * 9 * 16 * 20),
    (nn.Conv2d(4, 6, 3, groups=2), 6 * 2 * 9 * 18 * 22),
    (nn.Conv2d(4, 4, 3, groups=4), 4 * 9 * 18 * 22),
    (nn.Linear(24, 5), 4 * 20 * 24 * 5),
    (nn.MaxPool2d(2), 0),
    (nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(7)),
     4 * 10 * 12 * 7)])
def test_count_macs_by_hand(layer, expected):
    assert count_macs(layer, X_SHAPE) == expected


def test_count_macs_of_a_batch_is_that_many_times_one():
    net = nn.Conv2d(4, 6, 3)
    assert count_macs(net, (5, *X_SHAPE[1:])) == 5 * count_macs(net, X_SHAPE)


@pytest.mark.parametrize('net,expected', [
    (nn.Conv2d(1, 1, 1), (1, 1)),
    (nn.Conv2d(1, 3, (3, 5)), (3, 5)),
    (nn.Conv2d(1, 1, 3, dilation=3), (7, 7)),
    (nn.Conv2d(1, 1, 4, padding=2, stride=3), (4, 4)),
    (nn.MaxPool2d(3, stride=2, padding=1), (3, 3)),
    (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2),
                   nn.Conv2d(2, 4, 3, groups=2)), (8, 8)),
    (nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 2, 3, padding=1),
                   nn.BatchNorm2d(2), nn.Sigmoid()), (6, 6)),
    (nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), (40, 40))])
def test_receptive_field_by_hand(net, expected):
    assert receptive_field(net, (1, 1, 40, 40)) == expected


@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(['conv', 'max', 'avg']),
                          st.integers(1, 4), st.integers(1, 2),
                          st.integers(1, 2)), min_size=1, max_size=3))
def test_receptive_field_follows_the_recurrence(layers):
    """r grows by (k - 1) * dilation * jump; jump is the strides' product."""
    field, jump, net = 1, 1, []
    for kind, k, stride, dilation in layers:
        if kind == 'avg':  # has no dilation
            dilation = 1
            net.append(nn.AvgPool2d(k, stride))
        elif kind == 'max':
            net.append(nn.MaxPool2d(k, stride, dilation=dilation))
        else:
            net.append(nn.Conv2d(1, 1, k, stride, dilation=dilation))
        field += (k - 1) * dilation * jump
        jump *= stride
    assert receptive_field(nn.Sequential(*net), (1, 1, 72, 72)) == (field,
                                                                   field)


def test_receptive_field_does_not_depend_on_the_weights():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.Conv2d(1, 1, 3))
    for p in net.parameters():
        nn.init.zeros_(p)
    assert receptive_field(net, (1, 1, 20, 20)) == (5, 5)


def test_layer_summary_prints_what_d2l_prints(capsys):
    model = d2l.LeNet()
    layer_summary(model, (1, 1, 28, 28))
    ours = capsys.readouterr().out
    model.layer_summary((1, 1, 28, 28))
    assert ours == capsys.readouterr().out


def linear(weight):
    layer = nn.Linear(2, 2, bias=False)
    layer.weight = nn.Parameter(torch.tensor(weight))
    return layer


def test_spreads_by_hand():
    # Deviations of the two units behind the first layer: 3 sqrt(2) and
    # 6 sqrt(2), of which the mean square is 45; the second swaps and halves.
    twice = linear([[0.0, 0.5], [0.5, 0.0]])
    net = nn.Sequential(linear([[3.0, 0.0], [0.0, 3.0]]), nn.ReLU(), twice,
                        nn.Dropout(0.5), twice)
    X = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
    expected = [45 ** 0.5, 45 ** 0.5 / 2, 45 ** 0.5 / 4]
    assert spreads(net.eval(), X) == pytest.approx(expected)
    assert spreads(net, X, nn.ReLU) == pytest.approx(expected[:1])


def test_spreads_measure_a_network_in_its_own_mode():
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(4))
    X = 7 * torch.randn(8, 4, 1, 1)
    # A batch of n that is normalized has a deviation of sqrt(n / (n - 1)).
    assert spreads(net, X, nn.BatchNorm2d) == pytest.approx(
        [(8 / 7) ** 0.5], rel=1e-5)
    untouched = X.std(dim=0).square().mean().sqrt().item()
    assert spreads(net.eval(), X, nn.BatchNorm2d) == pytest.approx(
        [untouched], rel=1e-4)


def test_a_spread_of_one_image_is_an_error():
    with pytest.raises(ValueError, match='several images: X has 1'):
        spreads(nn.Linear(3, 2), torch.zeros(1, 3))


@pytest.mark.parametrize('measure', [
    lambda net: count_macs(net, X_SHAPE),
    lambda net: layer_summary(net, X_SHAPE),
    lambda net: receptive_field(net, X_SHAPE),
    lambda net: spreads(net, torch.zeros(2, *X_SHAPE[1:]))])
def test_measuring_leaves_the_network_and_the_generator_alone(measure):
    net = nn.Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3),
                        nn.Dropout(0.5), nn.Flatten(), nn.LazyLinear(2))
    net.train()
    before = copy.deepcopy(net[1].state_dict())
    torch.manual_seed(5)
    measure(net)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert net.training and net[2].training
    assert nn.parameter.is_lazy(net[4].weight)
    for key, value in net[1].state_dict().items():
        assert torch.equal(value, before[key])
    assert all(not layer._forward_hooks for layer in net)


def test_the_interval_is_the_t_interval_of_the_mean():
    runs = [0.81, 0.84, 0.78]  # mean .81, standard deviation .03, t 4.303
    np.testing.assert_allclose(interval(runs), 4.302653 * 0.03 / 3 ** 0.5,
                               rtol=1e-6)
    runs = np.random.default_rng(0).normal(size=(5, 3))
    low, high = stats.t.interval(0.95, 4, runs.mean(axis=0),
                                 stats.sem(runs, axis=0))
    np.testing.assert_allclose(interval(runs), (high - low) / 2)
    for few in [0.8], [0.8, 0.9]:
        assert np.isnan(interval(few))
    assert np.isnan(interval(np.zeros((2, 3)))).tolist() == [True] * 3


@pytest.mark.parametrize('names,most', [
    (('data', 'training', 'measure'), 400),
    (('figures', 'pictures', 'drawings'), 600)])
def test_what_readers_are_invited_to_read_stays_short(names, most):
    paths = [Path(measure.__file__).parent / f'{name}.py' for name in names]
    assert sum(path.read_text().count('\n') for path in paths) <= most
