"""Functions that chapters define, against torch on random sizes."""
import pytest
import torch
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from conftest import definitions

sizes = st.integers(1, 9)
kernels = st.integers(1, 5)
close = torch.testing.assert_close
many = settings(max_examples=60, deadline=None,
                suppress_health_check=[HealthCheck.too_slow])


@many
@given(sizes, sizes, kernels, kernels, st.integers(0, 99))
def test_corr2d_is_conv2d(h, w, k_h, k_w, seed):
    torch.manual_seed(seed)
    X, K = torch.randn(h + k_h - 1, w + k_w - 1), torch.randn(k_h, k_w)
    close(CORR2D(X, K), F.conv2d(X[None, None], K[None, None])[0, 0],
          atol=1e-4, rtol=1e-4)


CORR2D = definitions('7-2')['corr2d']
IM2COL = definitions('7-2')['im2col']
BACKWARD = definitions('7-2')['corr2d_backward']


@many
@given(sizes, sizes, kernels, kernels, st.integers(0, 99))
def test_im2col_is_unfold(h, w, k_h, k_w, seed):
    torch.manual_seed(seed)
    X = torch.randn(h + k_h - 1, w + k_w - 1)
    close(IM2COL(X, k_h, k_w), F.unfold(X[None, None], (k_h, k_w))[0].t())


@many
@given(sizes, sizes, kernels, kernels, st.integers(0, 99))
def test_the_backward_pass_is_that_of_autograd(h, w, k_h, k_w, seed):
    torch.manual_seed(seed)
    X = torch.randn(h + k_h - 1, w + k_w - 1, requires_grad=True)
    K, dY = torch.randn(k_h, k_w, requires_grad=True), torch.randn(h, w)
    F.conv2d(X[None, None], K[None, None])[0, 0].backward(dY)
    dX, dK = BACKWARD(X.detach(), K.detach(), dY)
    close(dX, X.grad, atol=1e-4, rtol=1e-4)
    close(dK, K.grad, atol=1e-4, rtol=1e-4)


def test_conv2d_layer_adds_its_bias_and_learns_both():
    torch.manual_seed(0)
    layer, X = definitions('7-2')['Conv2D']((2, 3)), torch.randn(5, 6)
    assert {name: p.shape for name, p in layer.named_parameters()} == {
        'weight': (2, 3), 'bias': (1,)}
    with torch.no_grad():
        layer.bias.fill_(3)
    close(layer(X), F.conv2d(X[None, None], layer.weight[None, None],
                             layer.bias)[0, 0])
    layer(X).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias.grad.item() == 4 * 4  # one for each output


@many
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 6),
       st.integers(1, 5), st.integers(1, 4))
def test_output_size_is_that_of_conv2d(n, k, padding, stride, dilation):
    X, K = torch.zeros(1, 1, n, 1), torch.zeros(1, 1, k, 1)
    if n + 2 * padding < dilation * (k - 1) + 1:
        with pytest.raises(ValueError, match='does not fit'):
            OUTPUT_SIZE(n, k, padding, stride, dilation)
        return
    Y = F.conv2d(X, K, None, (stride, 1), (padding, 0), (dilation, 1))
    assert OUTPUT_SIZE(n, k, padding, stride, dilation) == Y.shape[2]


@many
@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 4),
       st.integers(1, 9))
def test_output_size_is_that_of_max_pool2d(n, k, padding, s):
    if padding > k // 2 or n + 2 * padding < k:  # torch pads up to half k
        return
    Y = F.max_pool2d(torch.zeros(1, 1, n, 1), (k, 1), (s, 1), (padding, 0))
    assert OUTPUT_SIZE(n, k, padding, s) == Y.shape[2]


OUTPUT_SIZE = definitions('7-3')['output_size']


@many
@given(*[st.integers(1, 4)] * 2, sizes, sizes, kernels, kernels,
       st.integers(0, 99))
def test_multi_channel_corr2d_is_conv2d(c_i, c_o, h, w, k_h, k_w, seed):
    torch.manual_seed(seed)
    X = torch.randn(c_i, h + k_h - 1, w + k_w - 1)
    K = torch.randn(c_o, c_i, k_h, k_w)
    expected = F.conv2d(X[None], K)[0]
    close(CHANNELS['corr2d_multi_in_out'](X, K), expected, atol=1e-4,
          rtol=1e-4)
    close(CHANNELS['corr2d_multi_in'](X, K[0]), expected[0], atol=1e-4,
          rtol=1e-4)


CHANNELS = definitions('7-4')


@many
@given(*[st.integers(1, 5)] * 2, sizes, sizes, st.integers(0, 99))
def test_1x1_convolution_is_conv2d(c_i, c_o, h, w, seed):
    torch.manual_seed(seed)
    X, K = torch.randn(c_i, h, w), torch.randn(c_o, c_i, 1, 1)
    close(CHANNELS['corr2d_multi_in_out_1x1'](X, K), F.conv2d(X[None], K)[0],
          atol=1e-4, rtol=1e-4)


@many
@given(sizes, sizes, kernels, kernels, st.integers(0, 99))
def test_pool2d_is_torchs_pooling(h, w, p_h, p_w, seed):
    torch.manual_seed(seed)
    X = torch.randn(h + p_h - 1, w + p_w - 1)
    close(POOL2D(X, (p_h, p_w)),
          F.max_pool2d(X[None], (p_h, p_w), stride=1)[0])
    close(POOL2D(X, (p_h, p_w), 'avg'),
          F.avg_pool2d(X[None], (p_h, p_w), stride=1)[0])


POOL2D = definitions('7-5')['pool2d']


def test_pool2d_refuses_an_unknown_mode():
    with pytest.raises(ValueError, match='median'):
        POOL2D(torch.zeros(3, 3), (2, 2), 'median')


def test_lenet_is_the_papers_in_size():
    model = definitions('7-6')['LeNet']()
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    # LeCun et al. 1998, with every map of the second layer connected.
    assert [p.numel() for p in model.parameters()] == [
        6 * 25, 6, 16 * 6 * 25, 16, 400 * 120, 120, 120 * 84, 84, 840, 10]


def copy_weights(ours, theirs, names):
    """Give our layers the weights of torchvision's, and no bias."""
    for our, their in names.items():
        layer, source = (net.get_submodule(name) for net, name in (
            (ours, our), (theirs, their)))
        state = source.state_dict()
        if isinstance(layer, torch.nn.Conv2d):
            state['bias'] = torch.zeros(layer.out_channels)
        layer.load_state_dict(state)


@pytest.mark.parametrize('training', [True, False])
def test_the_residual_block_is_that_of_torchvision(training):
    torch.manual_seed(0)
    X = torch.randn(4, 8, 6, 6)
    theirs = torchvision.models.resnet.BasicBlock(8, 8)
    ours = definitions('8-6')['Residual'](8)
    ours(X)
    ours.bn1.reset_running_stats(), ours.bn2.reset_running_stats()
    copy_weights(ours, theirs, {name: name for name in (
        'conv1', 'bn1', 'conv2', 'bn2')})
    close(ours.train(training)(X), theirs.train(training)(X))


def test_the_shortcut_halves_and_widens():
    torch.manual_seed(0)
    X = torch.randn(2, 3, 6, 6)
    block = definitions('8-6')['Residual'](6, use_1x1conv=True, strides=2)
    block(X)
    torch.nn.init.zeros_(block.bn2.weight)
    close(block(X), F.relu(F.conv2d(X, block.conv3.weight, block.conv3.bias,
                                    stride=2)))


@pytest.mark.parametrize('training', [True, False])
def test_the_resnext_block_is_that_of_torchvision(training):
    torch.manual_seed(0)
    X = torch.randn(4, 64, 6, 6)
    theirs = torchvision.models.resnet.Bottleneck(64, 16, groups=2)
    ours = definitions('8-6')['ResNeXtBlock'](64, 16, 0.5)
    ours(X)
    assert ours.conv2.groups == theirs.conv2.groups == 2
    for bn in ours.bn1, ours.bn2, ours.bn3:
        bn.reset_running_stats()
    copy_weights(ours, theirs, {f'{kind}{i}': f'{kind}{i}'
                                for kind in ('conv', 'bn') for i in (1, 2, 3)})
    close(ours.train(training)(X), theirs.train(training)(X))


def test_resnet18_has_the_stages_of_torchvisions():
    def shapes(net, X, names):
        seen = []
        for name in names:
            net.get_submodule(name).register_forward_hook(
                lambda layer, inputs, output: seen.append(output.shape))
        net(X)
        return seen
    X = torch.zeros(1, 3, 96, 96)
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    ours = definitions('8-6')['ResNet18']().eval()
    ours(X)
    assert shapes(ours.net, X, '012345') == shapes(theirs, X, [
        'maxpool', 'layer1', 'layer2', 'layer3', 'layer4', 'fc'])
    assert [sum(isinstance(layer, torch.nn.Conv2d)
                and layer.kernel_size != (1, 1) for layer in net.modules())
            for net in (ours, theirs)] == [17, 17]


def test_vgg_11_has_the_layers_of_torchvisions():
    def kinds(net):
        return [(type(layer).__name__.replace('Lazy', ''),
                 [tuple(p.shape) for p in layer.parameters()])
                for layer in net.modules() if not list(layer.children())
                and not isinstance(layer, (torch.nn.AdaptiveAvgPool2d,
                                           torch.nn.Flatten))]
    with torch.device('meta'):
        theirs = torchvision.models.vgg11(num_classes=10)
        ours = definitions('8-2')['VGG'](
            ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)), in_channels=3)
    assert kinds(ours) == kinds(theirs)


@pytest.mark.parametrize('X_shape', [(8, 5), (4, 5, 3, 7), (2, 5, 1, 1)])
def test_batch_norm_is_torchs_in_both_modes(X_shape):
    torch.manual_seed(0)
    ours = definitions('8-5')['BatchNorm'](5)
    theirs = (torch.nn.BatchNorm1d if len(X_shape) == 2
              else torch.nn.BatchNorm2d)(5)
    for scale, shift in ((ours.gamma, ours.beta),
                         (theirs.weight, theirs.bias)):
        with torch.no_grad():
            scale.copy_(torch.arange(1, 6))
            shift.fill_(0.5)
    for training in (True, True, False):
        X = 3 * torch.randn(X_shape) + 5
        close(ours.train(training)(X), theirs.train(training)(X))
    close(ours.moving_mean, theirs.running_mean)
    close(ours.moving_var, theirs.running_var)


def test_alexnet_has_the_parameters_counted_by_hand():
    with torch.device('meta'):
        model = definitions('8-1')['AlexNet']()
        model(torch.zeros(1, 1, 224, 224))
    assert [p.numel() for p in model.parameters() if p.dim() > 1] == [
        11 * 11 * 96, 5 * 5 * 96 * 256, 9 * 256 * 384, 9 * 384 * 384,
        9 * 384 * 256, 256 * 5 * 5 * 4096, 4096 * 4096, 4096 * 10]


def test_a_nin_block_is_a_small_network_at_each_pixel():
    torch.manual_seed(0)
    block = definitions('8-3')['nin_block'](2, (4, 3, 5), 3, padding=1)
    Y = block(X := torch.randn(1, 2, 5, 5))
    (kernel, b0), (w1, b1), (w2, b2) = [layer.parameters()
                                        for layer in block[::2]]
    pixel = kernel.flatten(1) @ X[0, :, 1:4, 2:5].flatten() + b0
    for weight, bias in (w1, b1), (w2, b2):
        pixel = weight[..., 0, 0] @ pixel.relu() + bias
    close(Y[0, :, 2, 3], pixel.relu())


def test_googlenets_blocks_are_as_wide_as_the_papers():
    chapter = definitions('8-4')
    widths = []
    with torch.device('meta'):
        model = chapter['GoogleNet'](in_channels=3)
        for layer in model.modules():
            if isinstance(layer, chapter['Inception']):
                layer.register_forward_hook(
                    lambda layer, X, Y: widths.append(Y.shape[1]))
        model(torch.zeros(1, 3, 224, 224))
    # Szegedy et al. 2014, table 1.
    assert widths == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
