"""The functions to write in 8.1 to 8.6: solutions, mistakes and hints."""
import torch
from torch.nn import functional as F

from helpers.checking import Exercise
from helpers.exercises_7 import whole

# 8.1, W1: the share of dead units.

def dead_share(A):
    dead = (A == 0).all(dim=0)
    return dead.float().mean().item()


def _share_of_zeros(A):
    return (A == 0).float().mean().item()


def _ever_silent(A):
    return (A == 0).any(dim=0).float().mean().item()


def _silent_images(A):
    return (A == 0).all(dim=1).float().mean().item()


def _count_of_dead(A):
    return (A == 0).all(dim=0).sum().item()


def _share_of_live(A):
    return 1 - dead_share(A)


def _zero_on_average(A):
    return (A.mean(dim=0) < 0.5).float().mean().item()


DEAD_SHARE = Exercise(
    dead_share, [
        (torch.tensor([[0., 2., 0., 0.], [0., 0., 3., 0.],
                       [0., 1., 1., 0.]]),),
        (torch.tensor([[0., 1., 4.], [0., 0., 0.], [0., 0., 0.2],
                       [0., 0., 5.]]),),
        (torch.tensor([[1., 2.], [3., 4.]]),),
        (torch.zeros(2, 5),), (torch.tensor([[0., 0.1], [0., 0.2],
                                             [0., 0.3]]),)],
    {'It counts zeros. A living unit is zero for some images too; a dead one '
     'is zero for all.': _share_of_zeros,
     'It counts units that are zero for some image. A dead one is zero for '
     'all of them: use all, not any.': _ever_silent,
     'It looks along the wrong axis: rows are images, columns are units.':
        _silent_images,
     'It is the number of dead units: divide it by the number of units.':
        _count_of_dead,
     'It is the share of units that are alive.': _share_of_live,
     'It calls a unit dead if its mean is small. Small outputs still have a '
     'gradient: only zero for every image is dead.': _zero_on_average},
    ('When does a ReLU pass no gradient back, for a given image? And when for '
     'every image?',
     'A == 0 is a table of truth values. Ask, in each column, whether all are '
     'true.',
     '(A == 0).all(dim=0) has one truth value per unit; .float().mean() is '
     'their share.'),
    'for maps of shape (image, channel, height, width) a channel is dead if '
    '(A == 0).all(dim=3).all(dim=2).all(dim=0).')


# 8.1, W2: dropout in both modes.

def dropout(X, keep, p, training):
    if not training:
        return X
    if p == 1:
        return torch.zeros_like(X)
    return X * keep / (1 - p)


def _dropout_without_scale(X, keep, p, training):
    return X * keep if training else X


def _dropout_scaled_later(X, keep, p, training):
    return X * keep if training else X * (1 - p)


def _dropout_divided_by_p(X, keep, p, training):
    return X * keep / max(p, 1e-9) if training else X


def _dropout_multiplied(X, keep, p, training):
    return X * keep * (1 - p) if training else X


def _dropout_always(X, keep, p, training):
    return dropout(X, keep, p, True)


def _dropout_inverted(X, keep, p, training):
    return dropout(X, ~keep, p, training)


def _dropout_exchanged(X, keep, p, training):
    return dropout(X, keep, p, not training)


def _dropout_both_scaled(X, keep, p, training):
    return dropout(X, keep, p, True) if training else X * (1 - p)


def _dropout_not_a_number(X, keep, p, training):
    return X * keep / torch.tensor(1.0 - p) if training else X


KEEP = torch.tensor([[True, False, True, True], [False, True, True, False]])
DROPOUT = Exercise(
    dropout, [
        (torch.tensor([[1., 2., 3., 4.], [5., 6., 7., 8.]]), KEEP, 0.5, True),
        (torch.tensor([[1., 2., 3., 4.], [5., 6., 7., 8.]]), KEEP, 0.5, False),
        (whole(2, 4), ~KEEP, 0.2, True), (whole(2, 4), KEEP, 0.2, False),
        (whole(2, 4), KEEP | True, 0.0, True),
        (whole(2, 4), KEEP & False, 1.0, True)],
    {'It does not scale what is kept. Divide by 1 - p, so that the expected '
     'value stays what it was.': _dropout_without_scale,
     'It multiplies by 1 - p in evaluation. That is the form of 2012; PyTorch '
     'divides by 1 - p in training and does nothing in evaluation.':
        _dropout_scaled_later,
     'It divides by p. The share that is kept is 1 - p.':
        _dropout_divided_by_p,
     'It multiplies by 1 - p. Fewer units are kept, so each must count more: '
     'divide.': _dropout_multiplied,
     'It drops units in evaluation too. There, nothing is random: return X.':
        _dropout_always,
     'It drops what it should keep: keep is True for units that stay.':
        _dropout_inverted,
     'The modes are exchanged: units are dropped in training.':
        _dropout_exchanged,
     'It scales twice: by 1 / (1 - p) in training and by 1 - p in evaluation. '
     'One of the two is enough; PyTorch takes the first.':
        _dropout_both_scaled,
     'It divides zero by zero at p = 1, where nothing is kept. The result is '
     'zero.': _dropout_not_a_number},
    ('What should dropout do in evaluation?',
     'If a share 1 - p of the units is kept, how must they be scaled so that '
     'the sum is the same on average?',
     'In training X * keep / (1 - p). Which p makes this fail?'),
    'F.dropout(X, p, training) draws keep by itself.')


# 8.1, W3: the cross-entropy without overflow.

def cross_entropy(logits, y):
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_sums = shifted.exp().sum(dim=1).log()
    return (log_sums - shifted[range(len(y)), y]).mean().item()


def _entropy_overflows(logits, y):
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return -probabilities[range(len(y)), y].log().mean().item()


def _entropy_log_of_zero(logits, y):
    probabilities = logits.softmax(dim=1)
    return -probabilities[range(len(y)), y].log().mean().item()


def _entropy_summed(logits, y):
    return cross_entropy(logits, y) * len(y)


def _entropy_over_images(logits, y):
    return -logits.log_softmax(dim=0)[range(len(y)), y].mean().item()


def _entropy_negative(logits, y):
    return -cross_entropy(logits, y)


def _entropy_twice(logits, y):
    return cross_entropy(logits.softmax(dim=1), y)


def _entropy_over_classes_too(logits, y):
    return cross_entropy(logits, y) / logits.shape[1]


def _entropy_clamped(logits, y):
    probabilities = logits.softmax(dim=1)[range(len(y)), y]
    return -probabilities.clamp(min=1e-12).log().mean().item()


def _entropy_in_bits(logits, y):
    return cross_entropy(logits, y) / torch.tensor(2.0).log().item()


def _entropy_of_one_shift(logits, y):
    shifted = logits - logits.max()
    log_sums = shifted.exp().sum(dim=1).log()
    return (log_sums - shifted[range(len(y)), y]).mean().item()


CROSS_ENTROPY = Exercise(
    cross_entropy, [
        (torch.zeros(2, 4), torch.tensor([0, 3])),
        (torch.tensor([[2., 0., 1.], [-1., 3., 0.5]]), torch.tensor([0, 2])),
        (torch.tensor([[1000., 0., 998.]]), torch.tensor([2])),
        (torch.tensor([[0., 1000.], [3., 1.]]), torch.tensor([0, 0])),
        (torch.tensor([[-1000., -1001.], [5., 5.]]), torch.tensor([1, 0]))],
    {'It overflows: exp(1000) is infinite. Subtract the largest logit of each '
     'image first, which changes no probability.': _entropy_overflows,
     'It takes the logarithm of a probability that was rounded to zero. '
     'Subtract the largest logit and work with logarithms: log of the sum '
     'minus the logit.': _entropy_log_of_zero,
     'It hides a probability of zero behind a smallest value. The loss of '
     'such an image is large but finite: work with logarithms.':
        _entropy_clamped,
     'It adds the losses of the images. The task asks for their mean.':
        _entropy_summed,
     'The softmax runs over the images. Probabilities add up to 1 over the '
     'classes, dim=1.': _entropy_over_images,
     'The sign is wrong: the loss is minus the logarithm.': _entropy_negative,
     'The softmax is applied twice.': _entropy_twice,
     'It divides by the number of classes as well. The mean is over images.':
        _entropy_over_classes_too,
     'It uses the logarithm to base 2. torch.log is the natural one, as is '
     'usual here.': _entropy_in_bits,
     'It subtracts the largest logit of the whole batch. Another image can '
     'then underflow to zero: take the maximum of each row.':
        _entropy_of_one_shift},
    ('What is the loss of one image, written with its logits alone?',
     'It is log(sum(exp(logits))) - logits[y]. Which number can you subtract '
     'from all logits without changing it?',
     'shifted = logits - logits.max(dim=1, keepdim=True).values; then '
     'shifted.exp().sum(dim=1).log() - shifted[range(len(y)), y].'),
    'F.cross_entropy(logits, y), or torch.logsumexp(logits, dim=1) for the '
    'first part.')


# 8.2, W1: the receptive field of a stack.

def field_of(layers):
    field, step = 1, 1
    for k, stride in layers:
        field += (k - 1) * step
        step *= stride
    return field


def _field_without_strides(layers):
    return 1 + sum(k - 1 for k, _ in layers)


def _field_stride_too_early(layers):
    field, step = 1, 1
    for k, stride in layers:
        step *= stride
        field += (k - 1) * step
    return field


def _field_adds_kernels(layers):
    field, step = 0, 1
    for k, stride in layers:
        field += k * step
        step *= stride
    return field


def _field_of_own_stride(layers):
    return 1 + sum((k - 1) * stride for k, stride in layers)


def _field_strides_added(layers):
    field, step = 1, 1
    for k, stride in layers:
        field += (k - 1) * step
        step += stride - 1
    return field


def _field_without_one(layers):
    return field_of(layers) - 1


def _field_from_behind(layers):
    return field_of(layers[::-1])


FIELD_OF = Exercise(
    field_of, [
        ([(3, 1)],), ([(3, 1), (3, 1)],), ([(2, 2), (3, 1)],),
        ([(5, 1), (2, 2), (5, 1), (2, 2)],), ([(3, 2), (1, 1), (3, 3)],),
        ([(7, 2), (3, 2), (3, 2), (3, 1)],), ([],)],
    {'The strides are not used. Behind a stride of 2, neighbours on the map '
     'are two pixels apart.': _field_without_strides,
     'A layer is multiplied by its own stride. Its kernel still lies on the '
     'map before it: its stride counts for the layers after it.':
        _field_stride_too_early,
     'It adds whole kernels. They overlap in one pixel: each adds k - 1 '
     'steps.': _field_adds_kernels,
     'It uses the stride of the same layer alone. All strides before a layer '
     'multiply.': _field_of_own_stride,
     'The steps are added up. Two strides of 2 make steps of 4: multiply '
     'them.': _field_strides_added,
     'It begins with no pixel. Without any layer an output is one pixel.':
        _field_without_one,
     'It goes through the layers from the last one to the first.':
        _field_from_behind},
    ('How many pixels apart in the image are two neighbours on the map that '
     'a layer reads?',
     'Keep two numbers: the field so far, and this step. A kernel of k adds '
     'k - 1 steps to the field.',
     'Begin with field = step = 1. For each layer field += (k - 1) * step, '
     'and after it step *= stride.'),
    'receptive_field(net, (1, 1, 99, 99)) from helpers measures it on a '
    'network.')


# 8.2, W2: the standard deviation of initial weights.

def initial_std(shape, rule):
    area = 1
    for side in shape[2:]:
        area *= side
    fan_in, fan_out = shape[1] * area, shape[0] * area
    if rule == 'he':
        return (2 / fan_in)**0.5
    return (2 / (fan_in + fan_out))**0.5


def _std_without_area(shape, rule):
    return initial_std(shape[:2], rule)


def _std_of_one_side(shape, rule):
    return initial_std(shape[:3], rule)


def _std_fans_exchanged(shape, rule):
    return initial_std((shape[1], shape[0], *shape[2:]), rule)


def _std_variance(shape, rule):
    return initial_std(shape, rule)**2


def _std_he_of_one(shape, rule):
    return initial_std(shape, rule) / (2**0.5 if rule == 'he' else 1)


def _std_xavier_of_inputs(shape, rule):
    if rule == 'he':
        return initial_std(shape, rule)
    return initial_std(shape, 'he') / 2**0.5


def _std_xavier_of_one(shape, rule):
    return initial_std(shape, rule) / (1 if rule == 'he' else 2**0.5)


def _std_rules_exchanged(shape, rule):
    return initial_std(shape, 'xavier' if rule == 'he' else 'he')


def _std_bound(shape, rule):
    return initial_std(shape, rule) * 3**0.5


INITIAL_STD = Exercise(
    initial_std, [
        ((10, 50), 'he'), ((10, 50), 'xavier'), ((64, 32, 3, 3), 'he'),
        ((64, 32, 3, 3), 'xavier'), ((8, 3, 5, 3), 'he'),
        ((4, 2, 1, 1), 'xavier')],
    {'The kernel is forgotten: an output adds c_i * k_h * k_w products.':
        _std_without_area,
     'It counts one side of the kernel. An output adds c_i * k_h * k_w '
     'products.': _std_of_one_side,
     'Inputs and outputs are exchanged: the shape of a weight begins with '
     'the outputs.': _std_fans_exchanged,
     'It is the variance: the standard deviation is its root.': _std_variance,
     "He's rule is 2 / fan_in: a ReLU leaves half of the square, so the "
     'weights must make up for it.': _std_he_of_one,
     "It leaves the outputs out. Xavier's rule is a compromise between both "
     'directions: 2 / (fan_in + fan_out).': _std_xavier_of_inputs,
     "Xavier's rule has a 2: it divides by the mean of fan_in and fan_out.":
        _std_xavier_of_one,
     'The two rules are exchanged.': _std_rules_exchanged,
     'It is the bound of the uniform distribution, which is larger than the '
     'standard deviation by the root of 3.': _std_bound},
    ('How many products does one output add up? That is the fan-in.',
     'For the shape (c_o, c_i, k_h, k_w) the fan-in is c_i * k_h * k_w, the '
     'fan-out c_o * k_h * k_w.',
     "The variance is 2 / fan_in with He's rule and 2 / (fan_in + fan_out) "
     "with Xavier's."),
    'nn.init.kaiming_normal_(W, nonlinearity="relu") and '
    'nn.init.xavier_normal_(W) draw such weights.')


# 8.3, W1: a class activation map.

def class_map(features, W, label):
    return (W[label][:, None, None] * features).sum(dim=0)


def _map_unweighted(features, W, label):
    return features.sum(dim=0)


def _map_of_one_channel(features, W, label):
    return features[label]


def _map_mean(features, W, label):
    return class_map(features, W, label) / len(features)


def _map_with_relu(features, W, label):
    return class_map(features, W, label).relu()


def _map_of_all_classes(features, W, label):
    return class_map(features, W.sum(dim=0, keepdim=True), 0)


def _map_scaled(features, W, label):
    scores = class_map(features, W, label)
    return (scores - scores.min()) / (scores.max() - scores.min() + 1e-9)


def _map_transposed(features, W, label):
    return class_map(features, W, label).t()


def _map_not_added(features, W, label):
    return W[label][:, None, None] * features


def _map_weights_spread(features, W, label):
    return class_map(features, W.abs(), label)


CLASS_MAP = Exercise(
    class_map, [
        (torch.tensor([[[1., 0.], [0., 2.]], [[0., 3.], [1., 0.]]]),
         torch.tensor([[1., 10.], [2., -1.]]), 0),
        (torch.tensor([[[1., 0.], [0., 2.]], [[0., 3.], [1., 0.]]]),
         torch.tensor([[1., 10.], [2., -1.]]), 1),
        (whole(3, 2, 3), whole(4, 3), 2), (whole(4, 3, 2), whole(5, 4), 3)],
    {'The weights are not used: a channel counts for a class by its weight.':
        _map_unweighted,
     'It shows the channel whose number is that of the class. The class has '
     'a weight for every channel.': _map_of_one_channel,
     'It divides by the number of channels. A logit is a weighted sum.':
        _map_mean,
     'It drops negative values. They speak against the class and belong to '
     'the map.': _map_with_relu,
     'It uses the weights of all classes. Take the row of the label.':
        _map_of_all_classes,
     'It scales the map to 0 and 1. Then its mean is no logit any more.':
        _map_scaled,
     'Height and width are exchanged.': _map_transposed,
     'The channels are not added up: the map of a class has two axes.':
        _map_not_added,
     'It takes the absolute value of the weights. A negative weight speaks '
     'against the class.': _map_weights_spread},
    ('The logit of a class is a weighted sum of the means of the channels. '
     'What is in front of the mean?',
     'Exchange the sum over channels and the mean over pixels: multiply each '
     'channel by its weight and add the channels.',
     'W[label] has one weight per channel; [:, None, None] gives it the axes '
     'of the maps.'),
    'torch.einsum("c,chw->hw", W[label], features), or a 1x1 convolution with '
    'the weights W for all classes at once.')


# 8.3, W2: how often each class is predicted.

def count_predictions(logits):
    counts = torch.zeros(logits.shape[1])
    for label in logits.argmax(dim=1).tolist():
        counts[label] += 1
    return counts


def _only_classes_seen(logits):
    return logits.argmax(dim=1).unique(return_counts=True)[1]


def _short_counts(logits):
    return logits.argmax(dim=1).bincount()


def _shares_of_predictions(logits):
    return count_predictions(logits) / len(logits)


def _over_images(logits):
    return logits.argmax(dim=0).bincount(minlength=logits.shape[1])


def _least_likely(logits):
    return count_predictions(-logits)


def _labels_alone(logits):
    return logits.argmax(dim=1)


def _sorted_counts(logits):
    return count_predictions(logits).sort(descending=True).values


def _positive_logits(logits):
    return (logits > 0).sum(dim=0)


def _whether_predicted(logits):
    return (count_predictions(logits) > 0).float()


COUNT_PREDICTIONS = Exercise(
    count_predictions, [
        (torch.tensor([[0., 1., 3.], [2., 0., -1.], [0., 1., 4.],
                       [1., 0., 9.]]),),
        (torch.tensor([[1., 5., 0., -1.], [0., 3., 2., 1.]]),),
        (whole(7, 4),), (torch.tensor([[3., 1.]]),),
        (torch.tensor([[0., 0.], [0., 0.], [-1., 0.]]),)],
    {'Classes that are never predicted are left out. They are the dead ones: '
     'count them with 0.': _only_classes_seen,
     'The counts end with the largest class that was predicted. Give one '
     'number for every class.': _short_counts,
     'It gives shares. The task asks for counts.': _shares_of_predictions,
     'It looks for the largest logit of each class. The predicted class is '
     'the largest of each image, dim=1.': _over_images,
     'It counts the smallest logits.': _least_likely,
     'It gives the predicted classes. Count how often each occurs.':
        _labels_alone,
     'The counts are sorted. Their place says which class it is.':
        _sorted_counts,
     'It counts positive logits. The predicted class is the one with the '
     'largest logit, whatever its sign.': _positive_logits,
     'It says whether a class is predicted. Count how often.':
        _whether_predicted},
    ('Which class does a network predict for one row of logits?',
     'logits.argmax(dim=1) has one label per image. How often does each '
     'number occur in it, those that never occur included?',
     'Begin with zeros, one for each class, and add 1 at each label.'),
    'logits.argmax(dim=1).bincount(minlength=logits.shape[1]).')


# 8.4, W1: the cost of an Inception block.

def inception_cost(c_i, c1, c2, c3, c4, n):
    weights = (c_i * c1 + c_i * c2[0] + 9 * c2[0] * c2[1]
               + c_i * c3[0] + 25 * c3[0] * c3[1] + c_i * c4)
    biases = c1 + sum(c2) + sum(c3) + c4
    return c1 + c2[1] + c3[1] + c4, weights + biases, weights * n**2


def _inception_all_channels(c_i, c1, c2, c3, c4, n):
    _, parameters, macs = inception_cost(c_i, c1, c2, c3, c4, n)
    return c1 + sum(c2) + sum(c3) + c4, parameters, macs


def _inception_naive(c_i, c1, c2, c3, c4, n):
    weights = (c_i * c1 + 9 * c_i * c2[1] + 25 * c_i * c3[1] + c_i * c4)
    biases = c1 + c2[1] + c3[1] + c4
    return c1 + c2[1] + c3[1] + c4, weights + biases, weights * n**2


def _inception_large_reads_input(c_i, c1, c2, c3, c4, n):
    weights = (c_i * c1 + c_i * c2[0] + 9 * c_i * c2[1]
               + c_i * c3[0] + 25 * c_i * c3[1] + c_i * c4)
    biases = c1 + sum(c2) + sum(c3) + c4
    return c1 + c2[1] + c3[1] + c4, weights + biases, weights * n**2


def _inception_without_biases(c_i, c1, c2, c3, c4, n):
    channels, _, macs = inception_cost(c_i, c1, c2, c3, c4, n)
    return channels, macs // n**2, macs


def _inception_pool_is_free(c_i, c1, c2, c3, c4, n):
    channels, parameters, macs = inception_cost(c_i, c1, c2, c3, c4, n)
    return channels, parameters - c_i * c4 - c4, macs - c_i * c4 * n**2


def _inception_pool_channels(c_i, c1, c2, c3, c4, n):
    channels, parameters, macs = inception_cost(c_i, c1, c2, c3, c4, n)
    return channels - c4 + c_i, parameters, macs


def _inception_one_side(c_i, c1, c2, c3, c4, n):
    channels, parameters, macs = inception_cost(c_i, c1, c2, c3, c4, n)
    return channels, parameters, macs // n


def _inception_biases_multiplied(c_i, c1, c2, c3, c4, n):
    channels, parameters, _ = inception_cost(c_i, c1, c2, c3, c4, n)
    return channels, parameters, parameters * n**2


def _inception_kernels_as_sides(c_i, c1, c2, c3, c4, n):
    weights = (c_i * c1 + c_i * c2[0] + 3 * c2[0] * c2[1]
               + c_i * c3[0] + 5 * c3[0] * c3[1] + c_i * c4)
    biases = c1 + sum(c2) + sum(c3) + c4
    return c1 + c2[1] + c3[1] + c4, weights + biases, weights * n**2


INCEPTION_COST = Exercise(
    inception_cost, [
        (1, 1, (1, 1), (1, 1), 1, 1), (192, 64, (96, 128), (16, 32), 32, 28),
        (8, 2, (3, 4), (5, 6), 7, 10), (832, 384, (192, 384), (48, 128), 128,
                                        7)],
    {'It counts the channels inside the branches as well. Only the ends of '
     'the four branches are concatenated.': _inception_all_channels,
     'It leaves the 1x1 layers in front of the large kernels out: this is '
     'the naive block.': _inception_naive,
     'The large kernels read the input of the block. They read the few '
     'channels that the 1x1 layer before them puts out.':
        _inception_large_reads_input,
     'The biases are forgotten: each of the six convolutions has one per '
     'output channel.': _inception_without_biases,
     'The 1x1 layer after the pooling is forgotten.': _inception_pool_is_free,
     'The fourth branch ends with its 1x1 layer: it puts out c4 channels, '
     'not those of the input.': _inception_pool_channels,
     'It counts one side of the map: there are n * n pixels.':
        _inception_one_side,
     'It counts the biases as multiplications. They are added.':
        _inception_biases_multiplied,
     'It takes 3 and 5 weights for the large kernels: they have 9 and 25.':
        _inception_kernels_as_sides},
    ('How many convolutions does the block have, and how many channels does '
     'each read and put out?',
     'There are six: one, two, two and one in the four branches. Each keeps '
     'the size of the map.',
     'A convolution has c_in * c_out * k * k weights and c_out biases; each '
     'weight is multiplied n * n times.'),
    'count_parameters and count_macs from helpers measure it on the block '
    'of this chapter.',
    ('channels', 'parameters', 'multiply-accumulates'))


# 8.4, W2: three branches side by side.

def three_branches(X, K1, K3, K5):
    branches = [F.conv2d(X, K, padding=K.shape[2] // 2).relu()
                for K in (K1, K3, K5)]
    return torch.cat(branches, dim=1)


def _branches(X, *kernels):
    return [F.conv2d(X, K, padding=K.shape[2] // 2) for K in kernels]


def _branches_without_relu(X, K1, K3, K5):
    return torch.cat(_branches(X, K1, K3, K5), dim=1)


def _branches_added(X, K1, K3, K5):
    return sum(_branches(X, K1, K3, K5)).relu()


def _branches_added_later(X, K1, K3, K5):
    return sum(branch.relu() for branch in _branches(X, K1, K3, K5))


def _branches_in_the_batch(X, K1, K3, K5):
    return torch.cat(_branches(X, K1, K3, K5), dim=0).relu()


def _branches_below(X, K1, K3, K5):
    return torch.cat(_branches(X, K1, K3, K5), dim=2).relu()


def _branches_beside(X, K1, K3, K5):
    return torch.cat(_branches(X, K1, K3, K5), dim=3).relu()


def _branches_backwards(X, K1, K3, K5):
    return three_branches(X, K5, K3, K1)


def _branches_interleaved(X, K1, K3, K5):
    return torch.stack(_branches(X, K1, K3, K5), dim=2).flatten(1, 2).relu()


def _branches_stacked(X, K1, K3, K5):
    return torch.stack(_branches(X, K1, K3, K5), dim=1).relu()


def _branches_flipped(X, K1, K3, K5):
    return three_branches(X, K1, K3.flip(2, 3), K5.flip(2, 3))


THREE_BRANCHES = Exercise(
    three_branches, [
        (whole(1, 1, 3, 3), torch.ones(1, 1, 1, 1), whole(1, 1, 3, 3),
         whole(1, 1, 5, 5)),
        (whole(2, 3, 4, 5), whole(2, 3, 1, 1), whole(2, 3, 3, 3, step=5),
         whole(2, 3, 5, 5, step=3)),
        (whole(1, 2, 2, 2), whole(2, 2, 1, 1), whole(2, 2, 3, 3),
         whole(2, 2, 5, 5, step=2))],
    {'The ReLU is forgotten: each branch ends with one.':
        _branches_without_relu,
     'The branches are added, and the sum gets the ReLU. Put their channels '
     'side by side with torch.cat.': _branches_added,
     'The branches are added. Put their channels side by side with '
     'torch.cat.': _branches_added_later,
     'The branches are concatenated along the examples: the channels are '
     'dim=1.': _branches_in_the_batch,
     'The branches are concatenated along the height: the channels are '
     'dim=1.': _branches_below,
     'The branches are concatenated along the width: the channels are '
     'dim=1.': _branches_beside,
     'The branches are in the opposite order: first 1x1, then 3x3, then '
     '5x5.': _branches_backwards,
     'The channels of the branches alternate. All of one branch come before '
     'all of the next.': _branches_interleaved,
     'torch.stack gives the branches an axis of their own. torch.cat puts '
     'their channels into one.': _branches_stacked,
     'The kernels are flipped. F.conv2d is a cross-correlation.':
        _branches_flipped},
    ('Which padding does each kernel need so that all three maps have the '
     'size of X?',
     'F.conv2d(X, K, padding=...) with 0, 1 and 2, then a ReLU, then '
     'torch.cat along the channels.',
     'The axes are (example, channel, height, width), so dim=1.'),
    'in one layer: pad K1 and K3 with zeros to 5x5, concatenate the kernels '
    'along dim=0, and run F.conv2d once. It costs more.')


# 8.5, W1: batch normalization in both modes.

def normalize(X, mean, var, training):
    if training:
        batch_mean, batch_var = X.mean(dim=0), X.var(dim=0, correction=0)
        n = len(X)
        mean = 0.9 * mean + 0.1 * batch_mean
        var = 0.9 * var + 0.1 * batch_var * n / (n - 1)
    else:
        batch_mean, batch_var = mean, var
    return (X - batch_mean) / (batch_var + 1e-5).sqrt(), mean, var


def _norm_biased_running(X, mean, var, training):
    Y, mean, new = normalize(X, mean, var, training)
    if training:
        new = 0.9 * var + 0.1 * X.var(dim=0, correction=0)
    return Y, mean, new


def _norm_unbiased_batch(X, mean, var, training):
    Y, new_mean, new_var = normalize(X, mean, var, training)
    if training:
        Y = (X - X.mean(dim=0)) / (X.var(dim=0) + 1e-5).sqrt()
    return Y, new_mean, new_var


def _norm_ignores_running(X, mean, var, training):
    Y, *_ = normalize(X, mean, var, True)
    return Y, *normalize(X, mean, var, training)[1:]


def _norm_uses_running_always(X, mean, var, training):
    Y, *_ = normalize(X, mean, var, False)
    return Y, *normalize(X, mean, var, training)[1:]


def _norm_updates_always(X, mean, var, training):
    Y, *_ = normalize(X, mean, var, training)
    return Y, *normalize(X, mean, var, True)[1:]


def _norm_never_updates(X, mean, var, training):
    return normalize(X, mean, var, training)[0], mean, var


def _norm_other_momentum(X, mean, var, training):
    Y, *_ = normalize(X, mean, var, training)
    if training:
        mean = 0.1 * mean + 0.9 * X.mean(dim=0)
        var = 0.1 * var + 0.9 * X.var(dim=0)
    return Y, mean, var


def _norm_replaces_running(X, mean, var, training):
    Y, *_ = normalize(X, mean, var, training)
    return (Y, X.mean(dim=0), X.var(dim=0)) if training else (Y, mean, var)


def _norm_per_image(X, mean, var, training):
    Y, *rest = normalize(X, mean, var, training)
    if training:
        Y = (X - X.mean(dim=1, keepdim=True)) / (X.var(
            dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
    return Y, *rest


def _norm_of_all(X, mean, var, training):
    Y, *rest = normalize(X, mean, var, training)
    if training:
        Y = (X - X.mean()) / (X.var(correction=0) + 1e-5).sqrt()
    return Y, *rest


def _norm_without_root(X, mean, var, training):
    Y, new_mean, new_var = normalize(X, mean, var, training)
    used = (X.mean(dim=0), X.var(dim=0, correction=0)) if training else (
        mean, var)
    return (X - used[0]) / (used[1] + 1e-5), new_mean, new_var


def _norm_without_epsilon(X, mean, var, training):
    Y, new_mean, new_var = normalize(X, mean, var, training)
    used = (X.mean(dim=0), X.var(dim=0, correction=0)) if training else (
        mean, var)
    return (X - used[0]) / used[1].sqrt(), new_mean, new_var


def _norm_modes_exchanged(X, mean, var, training):
    return normalize(X, mean, var, not training)


RUNNING = torch.tensor([1., 0.]), torch.tensor([4., 1.])
NORMALIZE = Exercise(
    normalize, [
        (torch.tensor([[2., 1.], [4., 1.5], [4., 3.], [6., 0.]]), *RUNNING,
         True),
        (torch.tensor([[2., 1.], [4., 1.5], [4., 3.], [6., 0.]]), *RUNNING,
         False),
        (whole(3, 2), *RUNNING, True),
        (torch.tensor([[5., 1.], [5., 3.]]), *RUNNING, True),
        (torch.tensor([[7., -2.]]), *RUNNING, False)],
    {'The running variance is biased. PyTorch adds the variance that divides '
     'by n - 1 to it, and divides by n only to normalize the batch.':
        _norm_biased_running,
     'It normalizes with the variance that divides by n - 1. The batch is '
     'normalized with the one that divides by n.': _norm_unbiased_batch,
     'The running statistics are never used: in evaluation mode they replace '
     'those of the batch.': _norm_ignores_running,
     'It normalizes with the running statistics in training too. There, use '
     'those of the batch.': _norm_uses_running_always,
     'It updates the running statistics in evaluation mode. There, they stay '
     'as they are.': _norm_updates_always,
     'The running statistics are never updated.': _norm_never_updates,
     'The momentum is used the other way: PyTorch keeps 0.9 of the old value '
     'and adds 0.1 of the new one.': _norm_other_momentum,
     'The running statistics are replaced by those of the batch. Keep 0.9 of '
     'the old values.': _norm_replaces_running,
     'It normalizes each image, a row. Batch normalization normalizes each '
     'unit, a column.': _norm_per_image,
     'It normalizes all numbers together. Each unit, a column, has its own '
     'mean and variance.': _norm_of_all,
     'It divides by the variance in place of the standard deviation: take '
     'the root.': _norm_without_root,
     'It divides by zero where all images are equal: add 1e-5 to the '
     'variance before the root.': _norm_without_epsilon,
     'The modes are exchanged.': _norm_modes_exchanged},
    ('Which mean and variance does each mode use, and which mode changes the '
     'running ones?',
     'Means and variances are taken over the images, dim=0. There are two '
     'variances: one divides by n, one by n - 1.',
     'X.var(dim=0, correction=0) divides by n and normalizes the batch; '
     'X.var(dim=0) goes into the running variance.'),
    'F.batch_norm(X, mean, var, training=training) does this, and changes '
    'mean and var in place.', ('Y', 'mean', 'var'))


# 8.5, W2: the size of a step, relative to the weight.

def update_ratio(W, gradient, lr):
    return (lr * gradient.norm() / W.norm()).item()


def _ratio_without_rate(W, gradient, lr):
    return (gradient.norm() / W.norm()).item()


def _ratio_inverted(W, gradient, lr):
    return (W.norm() / (lr * gradient.norm())).item()


def _ratio_squared(W, gradient, lr):
    return (lr * gradient.square().sum() / W.square().sum()).item()


def _ratio_of_each(W, gradient, lr):
    return (lr * gradient / W).abs().mean().item()


def _ratio_of_sums(W, gradient, lr):
    return (lr * gradient.sum() / W.sum()).abs().item()


def _ratio_of_largest(W, gradient, lr):
    return (lr * gradient.abs().max() / W.abs().max()).item()


def _ratio_after_step(W, gradient, lr):
    return (lr * gradient.norm() / (W - lr * gradient).norm()).item()


def _ratio_of_change_in_norm(W, gradient, lr):
    return ((W - lr * gradient).norm() / W.norm() - 1).abs().item()


def _ratio_negative(W, gradient, lr):
    return -update_ratio(W, gradient, lr)


UPDATE_RATIO = Exercise(
    update_ratio, [
        (torch.tensor([[3., 4.]]), torch.tensor([[0., 10.]]), 0.1),
        (torch.tensor([[1., 2.], [2., -4.]]), torch.tensor(
            [[3., 0.], [0., 4.]]), 0.5),
        (torch.tensor([[6., 8.], [1., 1.]]), torch.zeros(2, 2), 0.1),
        (torch.tensor([2., -1., 2.]), torch.tensor([1., 2., -2.]), 1.0)],
    {'The learning rate is forgotten: the step is lr times the gradient.':
        _ratio_without_rate,
     'The ratio is upside down: divide the step by the weight.':
        _ratio_inverted,
     'It divides squares: a norm is the root of the sum of squares.':
        _ratio_squared,
     'It is a mean of single ratios, which a weight near zero spoils. Divide '
     'the norm of the step by the norm of the weight.': _ratio_of_each,
     'It adds up numbers of both signs, which cancel. Use norms.':
        _ratio_of_sums,
     'It compares the largest numbers. Use norms, in which all count.':
        _ratio_of_largest,
     'It divides by the weight after the step. The task asks for the one '
     'before it.': _ratio_after_step,
     'It measures how the norm changes. A step that only turns the weight '
     'leaves the norm nearly as it was.': _ratio_of_change_in_norm,
     'The sign is wrong: a size is not negative.': _ratio_negative},
    ('Which step does SGD make with this gradient?',
     'Measure step and weight by their norms, the root of the sum of '
     'squares.', 'lr * gradient.norm() / W.norm(), and .item() at the end.'),
    'the same for all layers of a network is a good thing to watch: about '
    '0.001 per step is usual, 0.1 is a lot.')


# 8.6, W1: a residual block.

def residual(X, K1, K2, K3, stride):
    Y = F.conv2d(X, K1, stride=stride, padding=1).relu()
    Y = F.conv2d(Y, K2, padding=1)
    if K3 is not None:
        X = F.conv2d(X, K3, stride=stride)
    return (Y + X).relu()


def _two_layers(X, K1, K2, stride):
    Y = F.conv2d(X, K1, stride=stride, padding=1).relu()
    return F.conv2d(Y, K2, padding=1)


def _shortcut(X, K3, stride):
    return X if K3 is None else F.conv2d(X, K3, stride=stride)


def _residual_plain(X, K1, K2, K3, stride):
    return _two_layers(X, K1, K2, stride).relu()


def _residual_relu_before(X, K1, K2, K3, stride):
    return _two_layers(X, K1, K2, stride).relu() + _shortcut(X, K3, stride)


def _residual_relu_twice(X, K1, K2, K3, stride):
    return _residual_relu_before(X, K1, K2, K3, stride).relu()


def _residual_no_last_relu(X, K1, K2, K3, stride):
    return _two_layers(X, K1, K2, stride) + _shortcut(X, K3, stride)


def _residual_no_inner_relu(X, K1, K2, K3, stride):
    Y = F.conv2d(F.conv2d(X, K1, stride=stride, padding=1), K2, padding=1)
    return (Y + _shortcut(X, K3, stride)).relu()


def _residual_subtracted(X, K1, K2, K3, stride):
    return (_two_layers(X, K1, K2, stride) - _shortcut(X, K3, stride)).relu()


def _residual_relu_on_shortcut(X, K1, K2, K3, stride):
    return (_two_layers(X, K1, K2, stride)
            + _shortcut(X, K3, stride).relu()).relu()


def _residual_kernels_exchanged(X, K1, K2, K3, stride):
    if K1.shape != K2.shape:
        return residual(X, K1, K2, K3, stride)
    return residual(X, K2, K1, K3, stride)


def _residual_shortcut_in_vain(X, K1, K2, K3, stride):
    if K3 is None or X.shape[1] != len(K2) or stride > 1:
        return residual(X, K1, K2, K3, stride)
    return residual(X, K1, K2, None, stride)


def _residual_unweighted_shortcut(X, K1, K2, K3, stride):
    if K3 is not None:
        K3 = torch.ones_like(K3)
    return residual(X, K1, K2, K3, stride)


RESIDUAL = Exercise(
    residual, [
        (whole(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), whole(1, 1, 3, 3), None,
         1),
        (whole(1, 1, 3, 4), whole(1, 1, 3, 3), whole(1, 1, 3, 3, step=5),
         None, 1),
        (whole(2, 2, 4, 4), whole(2, 2, 3, 3), whole(2, 2, 3, 3, step=3),
         None, 1),
        (whole(1, 2, 4, 4), whole(3, 2, 3, 3), whole(3, 3, 3, 3, step=3),
         whole(3, 2, 1, 1), 2),
        (whole(1, 2, 3, 3), whole(2, 2, 3, 3), whole(2, 2, 3, 3, step=3),
         20 * whole(2, 2, 1, 1, step=3), 1)],
    {'The shortcut is missing: add the input before the last ReLU.':
        _residual_plain,
     'The last ReLU comes before the addition. Then the block can only add, '
     'and its output keeps the negative numbers of the input.':
        _residual_relu_before,
     'There is one ReLU too many: the second convolution goes into the sum '
     'without one.': _residual_relu_twice,
     'The ReLU after the addition is forgotten.': _residual_no_last_relu,
     'The ReLU between the two convolutions is forgotten: without it they '
     'are one.': _residual_no_inner_relu,
     'The input is subtracted. A residual block adds it.':
        _residual_subtracted,
     'The shortcut goes through a ReLU of its own. It leads the input past '
     'the layers unchanged.': _residual_relu_on_shortcut,
     'The two kernels are exchanged.': _residual_kernels_exchanged,
     'K3 is used only where the shapes differ. If there is a K3, the shortcut '
     'goes through it.': _residual_shortcut_in_vain,
     'The shortcut adds the channels without the weights in K3.':
        _residual_unweighted_shortcut},
    ('What should the block give if both kernels are zero and X is positive?',
     'The main path is convolution, ReLU, convolution. Then comes the sum '
     'with the shortcut, then a ReLU.',
     'The first 3x3 convolution and the 1x1 convolution K3 have the stride, '
     'and both 3x3 have a padding of 1. Without K3 the shortcut is X.'),
    'the block of this chapter is this with batch normalization after each '
    '3x3 convolution.')


# 8.6, W2: a grouped convolution.

def grouped_conv(X, K, groups):
    c_i, c_o = X.shape[1] // groups, len(K) // groups
    outputs = [F.conv2d(X[:, g * c_i:(g + 1) * c_i],
                        K[g * c_o:(g + 1) * c_o]) for g in range(groups)]
    return torch.cat(outputs, dim=1)


def _grouped_by_turns(X, K, groups):
    return torch.cat([F.conv2d(X[:, g::groups], part) for g, part in enumerate(
        K.chunk(groups))], dim=1)


def _grouped_kernels_by_turns(X, K, groups):
    return torch.cat([F.conv2d(part, K[g::groups]) for g, part in enumerate(
        X.chunk(groups, dim=1))], dim=1)


def _grouped_outputs_by_turns(X, K, groups):
    outputs = grouped_conv(X, K, groups).chunk(groups, dim=1)
    return torch.stack(outputs, dim=2).flatten(1, 2)


def _grouped_added(X, K, groups):
    return sum(grouped_conv(X, K, groups).chunk(groups, dim=1))


def _grouped_first_inputs(X, K, groups):
    c_i = X.shape[1] // groups
    return F.conv2d(X[:, :c_i], K)


def _grouped_all_to_all(X, K, groups):
    return F.conv2d(X, K.repeat(1, groups, 1, 1))


def _grouped_first_kernels(X, K, groups):
    K = K[:len(K) // groups].repeat(groups, 1, 1, 1)
    return grouped_conv(X, K, groups)


def _grouped_backwards(X, K, groups):
    outputs = grouped_conv(X, K, groups).chunk(groups, dim=1)
    return torch.cat(outputs[::-1], dim=1)


def _grouped_in_the_batch(X, K, groups):
    return torch.cat(grouped_conv(X, K, groups).chunk(groups, dim=1))


GROUPED_CONV = Exercise(
    grouped_conv, [
        (whole(1, 4, 1, 2), whole(4, 2, 1, 1), 2),
        (whole(2, 4, 3, 3), whole(6, 2, 2, 2), 2),
        (whole(1, 6, 3, 2), whole(6, 2, 2, 1), 3),
        (whole(1, 3, 2, 2), whole(3, 1, 1, 1), 3),
        (whole(1, 2, 3, 3), whole(2, 2, 3, 3), 1)],
    {'The groups take their inputs by turns. A group reads channels that '
     'follow each other.': _grouped_by_turns,
     'The groups take their kernels by turns. The first kernels belong to the '
     'first group.': _grouped_kernels_by_turns,
     'The outputs of the groups alternate. All of one group come before all '
     'of the next.': _grouped_outputs_by_turns,
     'The outputs of the groups are added. Concatenate them: groups do not '
     'exchange anything.': _grouped_added,
     'All groups read the first channels. Group g reads the channels from '
     'g * c_i on.': _grouped_first_inputs,
     'Every kernel reads every group. A kernel reads the channels of its own '
     'group.': _grouped_all_to_all,
     'All groups use the kernels of the first one.': _grouped_first_kernels,
     'The groups are in the opposite order.': _grouped_backwards,
     'The groups are concatenated along the examples: the channels are '
     'dim=1.': _grouped_in_the_batch},
    ('Which input channels does the first group read, and which kernels '
     'belong to it?',
     'Group g reads the channels from g * c_i to (g + 1) * c_i, where c_i is '
     'the number of channels in a group, and uses kernels in the same way.',
     'torch.cat([F.conv2d(x, k) for x, k in zip(X.chunk(groups, dim=1), '
     'K.chunk(groups))], dim=...).'),
    'F.conv2d(X, K, groups=groups).')


EXERCISES = {
    '8.1': [DEAD_SHARE, DROPOUT, CROSS_ENTROPY],
    '8.2': [FIELD_OF, INITIAL_STD], '8.3': [CLASS_MAP, COUNT_PREDICTIONS],
    '8.4': [INCEPTION_COST, THREE_BRANCHES], '8.5': [NORMALIZE, UPDATE_RATIO],
    '8.6': [RESIDUAL, GROUPED_CONV]}
