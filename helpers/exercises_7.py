"""The functions to write in 7.1 to 7.6: solutions, mistakes and hints."""
import math

import torch
from torch.nn import functional as F

from helpers.checking import Exercise


def whole(*shape, step=7):
    """A tensor of small whole numbers, some negative, none random."""
    count = math.prod(shape)
    return (torch.arange(count) * step % 11 - 4.0).reshape(shape)


# 7.1, W1: weights of three kinds of layer.

def three_layers(n, k):
    m = n - k + 1
    return n**2 * m**2, m**2 * k**2, k**2


def _as_many_outputs_as_pixels(n, k):
    return n**4, n**2 * k**2, k**2


def _one_place_too_few(n, k):
    m = n - k
    return n**2 * m**2, m**2 * k**2, k**2


def _a_side_for_an_area(n, k):
    m = n - k + 1
    return n * m, m * k, k


def _shared_all_the_same(n, k):
    return n**2 * (n - k + 1)**2, k**2, k**2


def _nothing_shared(n, k):
    m = n - k + 1
    return n**2 * m**2, m**2 * k**2, m**2 * k**2


def _with_biases(n, k):
    m = n - k + 1
    return n**2 * m**2 + m**2, m**2 * k**2 + m**2, k**2 + 1


WEIGHTS = Exercise(
    three_layers, [(3, 2), (5, 5), (4, 1), (6, 3), (28, 5)], {
        'It counts an output for each pixel. The window has to stay inside '
        'the image.': _as_many_outputs_as_pixels,
        'It counts n - k places for the window on a side. The first place '
        'counts too: n - k + 1.': _one_place_too_few,
        'It counts the pixels of one side. The image, the window and the '
        'output have two sides: square them.': _a_side_for_an_area,
        'Its local layer shares its weights. There, each output has a window '
        'of weights of its own.': _shared_all_the_same,
        'Its convolution does not share its weights: all outputs use one '
        'kernel.': _nothing_shared,
        'It counts biases too. The task asks for weights alone.':
            _with_biases},
    ('How many places does a window of k pixels have on a side of n pixels?',
     'With m places on a side there are m * m outputs. How many weights does '
     'each output have in the three layers, and who shares them?',
     'Fully connected: n * n weights for each output. Local: k * k for each '
     'output. Convolution: k * k in all.'),
    'on real layers, count_parameters(nn.Conv2d(1, 1, k, bias=False)) and '
    'count_parameters(nn.Linear(n * n, m * m, bias=False)).')


# 7.1, W2: a convolution as a matrix.

def kernel_matrix(kernel, n):
    k = len(kernel)
    W = torch.zeros(n - k + 1, n)
    for i in range(n - k + 1):
        W[i, i:i + k] = kernel
    return W


def _flipped_matrix(kernel, n):
    return kernel_matrix(kernel.flip(0), n)


def _transposed_matrix(kernel, n):
    return kernel_matrix(kernel, n).t()


def _round_the_end(kernel, n):
    row = F.pad(kernel, (0, n - len(kernel)))
    return torch.stack([row.roll(i) for i in range(n)])


def _rows_that_stay(kernel, n):
    m = n - len(kernel) + 1
    return F.pad(kernel, (0, m - 1)).repeat(m, 1)


def _rows_from_the_end(kernel, n):
    return kernel_matrix(kernel, n).flip(0)


KERNEL_MATRIX = Exercise(
    kernel_matrix, [(torch.tensor([1., 2.]), 3),
                    (torch.tensor([1., -2., 3.]), 5),
                    (torch.tensor([4.]), 3), (torch.tensor([2., 5., 3.]), 3)],
    {'The kernel is flipped. Cross-correlation keeps the order of its '
     'numbers.': _flipped_matrix,
     'Rows and columns are exchanged: there is one row for each output, one '
     'column for each input.': _transposed_matrix,
     'It goes on at the beginning where the window reaches the end. The '
     'window has to stay inside.': _round_the_end,
     'All rows are the same. From row to row the kernel moves on by one '
     'column.': _rows_that_stay,
     'The rows stand in the wrong order: the first output is that of the '
     'first window.': _rows_from_the_end},
    ('What are the numbers of rows and of columns, if W @ x has to give the '
     'outputs for the inputs x?',
     'Row i holds the weights with which output i reads the inputs. Where '
     'does its window begin, and what do inputs outside it get?',
     'Begin with zeros of shape (n - k + 1, n). Put the kernel into the '
     'columns i to i + k - 1 of row i.'),
    'F.conv1d(torch.eye(n)[:, None], kernel[None, None])[:, 0].t(), the '
    'output for an input that is 1 at one place.')


# 7.2, W1: corr2d as a product.

def corr2d_by_matmul(X, K):
    h, w = K.shape
    n_h, n_w = X.shape[0] - h + 1, X.shape[1] - w + 1
    windows = torch.stack([X[i:i + h, j:j + w].reshape(-1)
                           for i in range(n_h) for j in range(n_w)])
    return (windows @ K.reshape(-1)).reshape(n_h, n_w)


def _flipped_product(X, K):
    return corr2d_by_matmul(X, K.flip(0, 1))


def _kernel_by_columns(X, K):
    h, w = K.shape
    windows = F.unfold(X[None, None], (h, w))[0].t()
    return (windows @ K.t().reshape(-1)).reshape(
        X.shape[0] - h + 1, X.shape[1] - w + 1)


def _sides_exchanged(X, K):
    Y = corr2d_by_matmul(X, K)
    return Y.reshape(Y.shape[1], Y.shape[0])


def _windows_by_columns(X, K):
    Y = corr2d_by_matmul(X, K)
    return Y.t().reshape(Y.shape)


def _last_places_left_out(X, K):
    return corr2d_by_matmul(X, K)[:-1, :-1]


def _a_flat_output(X, K):
    return corr2d_by_matmul(X, K).reshape(-1)


BY_MATMUL = Exercise(
    corr2d_by_matmul, [
        (torch.arange(9.0).reshape(3, 3), torch.arange(4.0).reshape(2, 2)),
        (whole(4, 6), whole(2, 3)), (whole(3, 4), torch.tensor([[1., -1.]])),
        (whole(3, 3), whole(3, 3, step=5)),
        (whole(2, 4), torch.tensor([[2.]]))],
    {'The kernel is flipped. Cross-correlation multiplies it as it is.':
        _flipped_product,
     'The numbers of the kernel are in another order than those of the '
     'windows: row by row in one, column by column in the other.':
        _kernel_by_columns,
     'Height and width of the output are exchanged.': _sides_exchanged,
     'The windows are taken column by column, the output is filled row by '
     'row.': _windows_by_columns,
     'The last row and the last column of the output are missing: a side has '
     'n - k + 1 places, not n - k.': _last_places_left_out,
     'The output is still one row of numbers: give it its height and width.':
        _a_flat_output},
    ('How many windows are there, and how many numbers does each hold? These '
     'are the rows and columns of the matrix.',
     'Build the matrix with a row for each window, in reading order, and '
     'multiply it by the kernel as one column.',
     'torch.stack makes a matrix of the rows X[i:i + h, j:j + w].reshape(-1); '
     'the product gets the shape (n_h - h + 1, n_w - w + 1).'),
    'windows = F.unfold(X[None, None], K.shape)[0].t() builds the same '
    'matrix without a loop.')


# 7.2, W2: the true convolution of full size.

def convolve_full(X, K):
    (n_h, n_w), (h, w) = X.shape, K.shape
    Y = torch.zeros(n_h + h - 1, n_w + w - 1)
    for a in range(h):
        for b in range(w):
            Y[a:a + n_h, b:b + n_w] += K[a, b] * X
    return Y


def _correlate_full(X, K):
    return convolve_full(X, K.flip(0, 1))


def _only_rows_flipped(X, K):
    return convolve_full(X, K.flip(1))


def _only_columns_flipped(X, K):
    return convolve_full(X, K.flip(0))


def _image_flipped_too(X, K):
    return convolve_full(X.flip(0, 1), K)


def _valid_convolution(X, K):
    return corr2d_by_matmul(X, K.flip(0, 1))


def _padded_by_k(X, K):
    return F.pad(convolve_full(X, K), (1, 1, 1, 1))


def _padding_exchanged(X, K):
    h, w = K.shape
    padded = F.pad(X, (h - 1, h - 1, w - 1, w - 1))
    return corr2d_by_matmul(padded, K.flip(0, 1))


def _copies_overwritten(X, K):
    (n_h, n_w), (h, w) = X.shape, K.shape
    Y = torch.zeros(n_h + h - 1, n_w + w - 1)
    for a in range(h):
        for b in range(w):
            Y[a:a + n_h, b:b + n_w] = K[a, b] * X
    return Y


CONVOLVE = Exercise(
    convolve_full, [
        (torch.eye(2), torch.tensor([[1., 2.], [3., 4.]])),
        (whole(3, 4), torch.tensor([[1., 2., 3.], [4., 5., 7.]])),
        (whole(3, 3), torch.tensor([[1., -2.]])),
        (whole(2, 3), torch.tensor([[2.]]))],
    {'The kernel is not flipped: this is the cross-correlation.':
        _correlate_full,
     'Only the columns of the kernel are as they have to be: its rows are '
     'in the wrong order. A convolution flips both axes.':
        _only_columns_flipped,
     'Only the rows of the kernel are as they have to be: its columns are in '
     'the wrong order. A convolution flips both axes.': _only_rows_flipped,
     'The image is flipped as well. A convolution flips one of the two.':
        _image_flipped_too,
     'This is the valid size: only windows that lie inside the image. Full '
     'size counts every window that touches it.': _valid_convolution,
     'The output has a frame of zeros too much: pad by h - 1 and w - 1, not '
     'by h and w.': _padded_by_k,
     'The padding of height and width is exchanged: F.pad takes the last '
     'axis first.': _padding_exchanged,
     'Copies of the image that overlap overwrite each other: add them.':
        _copies_overwritten},
    ('How large is the output if every window counts that touches the image '
     'in one pixel?',
     'Either pad the image by h - 1 rows and w - 1 columns on each side and '
     'flip the kernel, or add up shifted copies of the image.',
     'Each number K[a, b] adds a copy of X, multiplied by it, to the rows '
     'from a and the columns from b of the output.'),
    'F.conv_transpose2d(X[None, None], K[None, None])[0, 0], or '
    'scipy.signal.convolve2d(X, K).')


# 7.3, W1: the shape of an output.

def output_shape(shape, kernel, padding, stride):
    return tuple((n + 2 * p - k) // s + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_without_floor(shape, kernel, padding, stride):
    return tuple((n + 2 * p - k) / s + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_rounded_up(shape, kernel, padding, stride):
    return tuple(-((k - n - 2 * p) // s) + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_rounded(shape, kernel, padding, stride):
    return tuple(round((n + 2 * p - k) / s) + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_padded_once(shape, kernel, padding, stride):
    return tuple((n + p - k) // s + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_without_first(shape, kernel, padding, stride):
    return tuple((n + 2 * p - k) // s
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_one_inside(shape, kernel, padding, stride):
    return tuple((n + 2 * p - k + 1) // s
                 for n, k, p, s in zip(shape, kernel, padding, stride))


def _shape_of_squares(shape, kernel, padding, stride):
    return output_shape(shape, kernel[:1] * 2, padding[:1] * 2,
                        stride[:1] * 2)


def _shape_exchanged(shape, kernel, padding, stride):
    return output_shape(shape, kernel, padding, stride)[::-1]


def _shape_divides_first(shape, kernel, padding, stride):
    return tuple(n + 2 * p - k // s + 1
                 for n, k, p, s in zip(shape, kernel, padding, stride))


OUTPUT_SHAPE = Exercise(
    output_shape, [
        ((8, 8), (3, 3), (1, 1), (1, 1)), ((8, 8), (3, 5), (0, 1), (3, 4)),
        ((7, 10), (3, 3), (0, 0), (2, 2)), ((5, 6), (5, 6), (0, 0), (3, 2)),
        ((9, 5), (2, 3), (0, 2), (4, 1)), ((224, 225), (11, 7), (2, 3),
                                           (4, 2))],
    {'The floor is forgotten: a window fits or it does not, so there is no '
     'half of an output. Divide with //.': _shape_without_floor,
     'It rounds up. A window that does not fit completely is left out: round '
     'down with //.': _shape_rounded_up,
     'It rounds to the nearest number. A window that does not fit completely '
     'is left out: round down with //.': _shape_rounded,
     'The padding is counted once. It is added on both sides, so a side grows '
     'by 2 * padding.': _shape_padded_once,
     'The first place of the window is forgotten: add 1 after dividing.':
        _shape_without_first,
     'The 1 is added before dividing. It is for the first place, which costs '
     'no step: add it after dividing.': _shape_one_inside,
     'It uses the numbers of the height for the width as well. Each axis has '
     'its own.': _shape_of_squares,
     'Height and width of the result are exchanged.': _shape_exchanged,
     'Only the kernel is divided by the stride, since // binds closer than + '
     'and -. Put the sum into brackets.': _shape_divides_first},
    ('Take one axis. How many pixels does it have with the padding on both '
     'sides?',
     'The window can move on by n + 2 * p - k pixels. How many steps of s '
     'pixels is this, and how many places?',
     'For each axis (n + 2 * p - k) // s + 1; zip goes through the four '
     'arguments together.'),
    'without a formula, F.conv2d(torch.empty(1, 1, *shape, device="meta"), '
    'torch.empty(1, 1, *kernel, device="meta"), None, stride, padding)'
    '.shape[2:].')


# 7.3, W2: the backward pass of a convolution with a stride.

def strided_backward(X, K, dY, stride):
    h, w = K.shape
    dX, dK = torch.zeros_like(X), torch.zeros_like(K)
    for i in range(dY.shape[0]):
        for j in range(dY.shape[1]):
            a, b = i * stride, j * stride
            dX[a:a + h, b:b + w] += dY[i, j] * K
            dK += dY[i, j] * X[a:a + h, b:b + w]
    return dX, dK


def _backward_overwritten(X, K, dY, stride):
    h, w = K.shape
    dX = torch.zeros_like(X)
    for i in range(dY.shape[0]):
        for j in range(dY.shape[1]):
            a, b = i * stride, j * stride
            dX[a:a + h, b:b + w] = dY[i, j] * K
    return dX, strided_backward(X, K, dY, stride)[1]


def _last_window_only(X, K, dY, stride):
    h, w = K.shape
    a, b = (stride * (n - 1) for n in dY.shape)
    return (strided_backward(X, K, dY, stride)[0],
            dY[-1, -1] * X[a:a + h, b:b + w])


def _backward_without_stride(X, K, dY, stride):
    return strided_backward(X, K, dY, 1)


def _backward_flipped(X, K, dY, stride):
    return (strided_backward(X, K.flip(0, 1), dY, stride)[0],
            strided_backward(X, K, dY, stride)[1])


def _backward_mean(X, K, dY, stride):
    dX, dK = strided_backward(X, K, dY, stride)
    return dX, dK / dY.numel()


def _backward_exchanged(X, K, dY, stride):
    return strided_backward(X, K, dY, stride)[::-1]


def _kernel_for_input(X, K, dY, stride):
    dX = strided_backward(X, torch.ones_like(K), dY, stride)[0]
    return dX, strided_backward(X, K, dY, stride)[1]


STRIDED_BACKWARD = Exercise(
    strided_backward, [
        (torch.ones(3, 3), torch.tensor([[1., 2.], [3., 4.]]),
         torch.tensor([[1., 10.], [100., 1000.]]), 1),
        (whole(5, 6), whole(3, 3), torch.tensor([[1., 2.], [3., 5.]]), 2),
        (whole(4, 5), torch.tensor([[1., -2.]]), whole(2, 2), 3),
        (whole(3, 7), whole(2, 3), whole(1, 3), 2)],
    {'In dX, gradients that overlap are overwritten. A pixel under several '
     'windows gets the sum: use +=.': _backward_overwritten,
     'dK holds the last window alone. The kernel was used at all places: add '
     'them up.': _last_window_only,
     'The stride is not used: output (i, j) comes from the window that '
     'begins at (i * stride, j * stride).': _backward_without_stride,
     'In dX the kernel is flipped. If you add it window by window, add it as '
     'it is.': _backward_flipped,
     'dK is a mean over the outputs. A gradient adds up what all uses of a '
     'weight contribute.': _backward_mean,
     'dX and dK are exchanged: return the gradient of the input first.':
        _backward_exchanged,
     'dX does not depend on the kernel. A pixel counts in an output with the '
     'weight by which it was multiplied.': _kernel_for_input},
    ('Take one output, and nudge one pixel of its window, or one weight. By '
     'how much does the output change?',
     'Go through all outputs (i, j). Each adds dY[i, j] * K to its window of '
     'dX, and dY[i, j] times its window of X to dK.',
     'The window of output (i, j) is X[a:a + h, b:b + w] with a = i * stride '
     'and b = j * stride.'),
    'torch.nn.grad.conv2d_input and torch.nn.grad.conv2d_weight compute the '
    'two for whole batches.', ('dX', 'dK'))


# 7.4, W1: parameters and work of a layer.

def layer_cost(c_i, c_o, k, n, padding, stride):
    m = (n + 2 * padding - k) // stride + 1
    return c_o * (c_i * k**2 + 1), c_o * c_i * k**2 * m**2


def _cost_without_bias(c_i, c_o, k, n, padding, stride):
    parameters, macs = layer_cost(c_i, c_o, k, n, padding, stride)
    return parameters - c_o, macs


def _cost_bias_everywhere(c_i, c_o, k, n, padding, stride):
    return (c_o * c_i * (k**2 + 1),
            layer_cost(c_i, c_o, k, n, padding, stride)[1])


def _cost_one_bias(c_i, c_o, k, n, padding, stride):
    parameters, macs = layer_cost(c_i, c_o, k, n, padding, stride)
    return parameters - c_o + 1, macs


def _cost_at_each_pixel(c_i, c_o, k, n, padding, stride):
    return c_o * (c_i * k**2 + 1), c_o * c_i * k**2 * n**2


def _cost_padded_once(c_i, c_o, k, n, padding, stride):
    m = (n + padding - k) // stride + 1
    return c_o * (c_i * k**2 + 1), c_o * c_i * k**2 * m**2


def _cost_of_one_channel(c_i, c_o, k, n, padding, stride):
    return layer_cost(1, c_o, k, n, padding, stride)


def _cost_of_a_row(c_i, c_o, k, n, padding, stride):
    m = (n + 2 * padding - k) // stride + 1
    return c_o * (c_i * k + 1), c_o * c_i * k * m


def _cost_with_biases_added(c_i, c_o, k, n, padding, stride):
    m = (n + 2 * padding - k) // stride + 1
    return c_o * (c_i * k**2 + 1), c_o * (c_i * k**2 + 1) * m**2


LAYER_COST = Exercise(
    layer_cost, [(1, 1, 3, 5, 0, 1), (3, 16, 5, 32, 2, 1),
                 (64, 128, 3, 56, 1, 2), (6, 4, 1, 7, 0, 3),
                 (2, 3, 4, 9, 1, 2)],
    {'The biases are forgotten: one for each output channel.':
        _cost_without_bias,
     'It counts a bias for each slice of a kernel. The slices are added '
     'first: one bias for each output channel.': _cost_bias_everywhere,
     'It counts one bias for the layer. There is one for each output '
     'channel.': _cost_one_bias,
     'It multiplies at each pixel of the input. The work is done once for '
     'each output: count the places of the window.': _cost_at_each_pixel,
     'The padding is counted once. It is added on both sides.':
        _cost_padded_once,
     'The input channels are forgotten: each kernel has a slice for every '
     'one.': _cost_of_one_channel,
     'It counts one side of the kernel and of the output. Both have two '
     'sides: square them.': _cost_of_a_row,
     'It counts the biases as multiplications. They are added: leave them '
     'out of the work.': _cost_with_biases_added},
    ('How many numbers does one kernel hold, if it reads all input channels?',
     'Each of the c_o kernels has c_i * k * k weights and a bias. Each weight '
     'is multiplied once for each place of the window.',
     'With m = (n + 2 * padding - k) // stride + 1 there are m * m places.'),
    'count_parameters(layer) and count_macs(layer, (1, c_i, n, n)) measure '
    'both on nn.Conv2d.', ('parameters', 'multiply-accumulates'))


# 7.4, W2: one kernel for several.

def compose(kernels):
    K = torch.ones(1, 1)
    for L in kernels:
        (h, w), (l_h, l_w) = K.shape, L.shape
        longer = torch.zeros(h + l_h - 1, w + l_w - 1)
        for a in range(l_h):
            for b in range(l_w):
                longer[a:a + h, b:b + w] += L[a, b] * K
        K = longer
    return K


def _composed_too_large(kernels):
    return F.pad(compose(kernels), (0, 2, 0, 2))


def _composed_larger_around(kernels):
    return F.pad(compose(kernels), (1, 1, 1, 1))


def _composed_by_correlation(kernels):
    K = kernels[0]
    for L in kernels[1:]:
        K = compose([K, L.flip(0, 1)])
    return K


def _composed_backwards(kernels):
    return compose(kernels).flip(0, 1)


def _composed_two(kernels):
    return compose(kernels[:2])


def _composed_overwritten(kernels):
    K = torch.ones(1, 1)
    for L in kernels:
        (h, w), (l_h, l_w) = K.shape, L.shape
        longer = torch.zeros(h + l_h - 1, w + l_w - 1)
        for a in range(l_h):
            for b in range(l_w):
                longer[a:a + h, b:b + w] = L[a, b] * K
        K = longer
    return K


def _added_up(kernels):
    h, w = (max(K.shape[axis] for K in kernels) for axis in (0, 1))
    return sum(F.pad(K, (0, w - K.shape[1], 0, h - K.shape[0]))
               for K in kernels)


COMPOSE = Exercise(
    compose, [
        ([torch.tensor([[1., -1.]]), torch.tensor([[1., -1.]])],),
        ([torch.tensor([[1., 2.]]), torch.tensor([[1., 3.]])],),
        ([whole(2, 2)],), ([whole(2, 3), whole(3, 2, step=5)],),
        ([torch.tensor([[1., 2.]]), torch.tensor([[1.], [3.]]),
          torch.tensor([[1., 0., -1.]])],)],
    {'It makes the side k1 + k2 + 1 long. The two kernels overlap in a pixel: '
     'k1 + k2 - 1.': _composed_too_large,
     'It makes the side k1 + k2 + 1 long, with a frame of zeros. Two kernels '
     'see k1 + k2 - 1 pixels: pad by k - 1 on each side, not by k.':
        _composed_larger_around,
     'It slides one kernel over the other without flipping it. Two '
     'cross-correlations in a row are one with the convolution of the two '
     'kernels.': _composed_by_correlation,
     'The result is flipped in both axes.': _composed_backwards,
     'It stops after two kernels. Compose the result with the next one.':
        _composed_two,
     'Products that meet in a cell overwrite each other. They are added: use '
     '+=.': _composed_overwritten,
     'It adds the kernels up. That is what two layers side by side do; in a '
     'row their weights multiply.': _added_up},
    ('How many pixels of the image does one output of the second layer see, '
     'along a side?',
     'Weight L[a, b] of the second kernel reads the first map at (a, b). '
     'Which weights does this give the pixels of the image?',
     'Start with zeros of (h + l_h - 1, w + l_w - 1). For each (a, b) add '
     'L[a, b] * K to the part that begins at (a, b).'),
    'one composition is F.conv_transpose2d(K[None, None], L[None, None])'
    '[0, 0].')


# 7.4, W3: a 1x1 convolution as a matrix product.

def pixelwise(X, W, b):
    n, c_i, h, w = X.shape
    pixels = X.permute(0, 2, 3, 1).reshape(-1, c_i)
    outputs = pixels @ W.t() + b
    return outputs.reshape(n, h, w, len(W)).permute(0, 3, 1, 2)


def _scrambled_pixels(X, W, b):
    n, c_i, h, w = X.shape
    outputs = X.reshape(-1, c_i) @ W.t() + b
    return outputs.reshape(n, h, w, len(W)).permute(0, 3, 1, 2)


def _scrambled_outputs(X, W, b):
    n, c_i, h, w = X.shape
    outputs = X.permute(0, 2, 3, 1).reshape(-1, c_i) @ W.t() + b
    return outputs.reshape(n, len(W), h, w)


def _scrambled_twice(X, W, b):
    n, c_i, h, w = X.shape
    return (X.reshape(-1, c_i) @ W.t() + b).reshape(n, len(W), h, w)


def _channels_last(X, W, b):
    return pixelwise(X, W, b).permute(0, 2, 3, 1)


def _no_bias(X, W, b):
    return pixelwise(X, W, 0 * b)


def _with_relu(X, W, b):
    return pixelwise(X, W, b).relu()


PIXELWISE = Exercise(
    pixelwise, [
        (whole(1, 2, 1, 2), torch.tensor([[1., 1.], [1., -1.], [0., 2.]]),
         torch.tensor([10., 20., 30.])),
        (whole(1, 3, 2, 2), whole(2, 3), torch.tensor([1., -2.])),
        (whole(2, 2, 3, 2), whole(4, 2, step=5), whole(4)),
        (whole(2, 3, 1, 1), whole(1, 3), torch.tensor([5.]))],
    {'The numbers that are multiplied belong to different pixels: reshape '
     'alone does not bring the channels to the end. Use permute first.':
        _scrambled_pixels,
     'The outputs land at the wrong pixels: the product has the channels at '
     'the end. Use permute after reshape.': _scrambled_outputs,
     'It reshapes without permute, before the product and after it. reshape '
     'keeps the order in memory, so it mixes pixels.': _scrambled_twice,
     'The channels are at the end. A map has the shape (example, channel, '
     'height, width).': _channels_last,
     'The bias is forgotten.': _no_bias,
     'It applies a ReLU. The layer itself is linear.': _with_relu},
    ('Which numbers does one output of a 1x1 convolution use?',
     'Make a matrix with a row for each pixel of each example, and a column '
     'for each channel. Multiply it by W transposed.',
     'X.permute(0, 2, 3, 1).reshape(-1, c_i) is this matrix. Go the same way '
     'back after the product.'),
    'F.conv2d(X, W[:, :, None, None], b), or torch.einsum("nihw,oi->nohw", '
    'X, W) + b[:, None, None].')


# 7.5, W1: max pooling.

def max_pool(X, k, stride, padding):
    X = F.pad(X, [padding] * 4, value=float('-inf'))
    n_h, n_w = ((n - k) // stride + 1 for n in X.shape)
    Y = torch.zeros(n_h, n_w)
    for i in range(n_h):
        for j in range(n_w):
            a, b = i * stride, j * stride
            Y[i, j] = X[a:a + k, b:b + k].max()
    return Y


def _pool_with_zeros(X, k, stride, padding):
    return max_pool(F.pad(X, [padding] * 4), k, stride, 0)


def _pool_side_by_side(X, k, stride, padding):
    return max_pool(X, k, k, padding)


def _pool_each_pixel(X, k, stride, padding):
    return max_pool(X, k, 1, padding)


def _pool_rounded_up(X, k, stride, padding):
    return F.max_pool2d(X[None], k, stride, padding, ceil_mode=True)[0]


def _pool_unpadded(X, k, stride, padding):
    return max_pool(X, k, stride, 0)


def _pool_mean(X, k, stride, padding):
    return F.avg_pool2d(X[None], k, stride, padding)[0]


def _pool_minimum(X, k, stride, padding):
    return -max_pool(-X, k, stride, padding)


def _pool_sizes(X, k, stride, padding):
    return max_pool(X.abs(), k, stride, padding)


MAX_POOL = Exercise(
    max_pool, [
        (torch.arange(16.0).reshape(4, 4), 2, 2, 0),
        (-torch.arange(1.0, 10).reshape(3, 3), 3, 2, 1),
        (whole(5, 6), 3, 2, 0), (whole(4, 7) - 3, 2, 3, 1),
        (whole(3, 3), 3, 1, 0)],
    {'It pads with zeros, and a zero of the frame can be the maximum of '
     'negative numbers. Pad with minus infinity.': _pool_with_zeros,
     'It moves the window by its own size. The step is the argument stride.':
        _pool_side_by_side,
     'It moves the window by one pixel. The step is the argument stride.':
        _pool_each_pixel,
     'It rounds the size up. A window that does not fit is left out: round '
     'down.': _pool_rounded_up,
     'The padding is not used.': _pool_unpadded,
     'This is the mean of each window, not its maximum.': _pool_mean,
     'This is the minimum of each window.': _pool_minimum,
     'It takes the absolute value first. The maximum of -3 and 1 is 1.':
        _pool_sizes},
    ('Which number can you put around the image that is never larger than a '
     'pixel?',
     'After padding the size follows the rule of 7.3. The window of output '
     '(i, j) begins at (i * stride, j * stride).',
     "F.pad(X, [padding] * 4, value=float('-inf')), and .max() of "
     'X[a:a + k, b:b + k].'),
    'F.max_pool2d(X[None], k, stride, padding)[0].')


# 7.5, W2: the backward pass of max pooling.

def max_pool_gradient(X, dY, k, stride):
    dX = torch.zeros_like(X)
    for i in range(dY.shape[0]):
        for j in range(dY.shape[1]):
            a, b = i * stride, j * stride
            place = X[a:a + k, b:b + k].argmax().item()
            dX[a + place // k, b + place % k] += dY[i, j]
    return dX


def _pool_gradient(X, dY, k, stride, share, add=True):
    dX = torch.zeros_like(X)
    for i in range(dY.shape[0]):
        for j in range(dY.shape[1]):
            a, b = i * stride, j * stride
            window = X[a:a + k, b:b + k]
            part = share(window) * dY[i, j]
            if add:
                dX[a:a + k, b:b + k] += part
            else:
                dX[a:a + k, b:b + k][part != 0] = part[part != 0]
    return dX


def _first_maximum(window):
    share = torch.zeros_like(window)
    share.view(-1)[window.argmax()] = 1
    return share


def _last_maximum(window):
    return _first_maximum(window.flip(0, 1)).flip(0, 1)


def _all_maxima(window):
    return (window == window.max()).float()


def _pool_overwritten(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, _first_maximum, add=False)


def _pool_to_all_maxima(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, _all_maxima)


def _pool_shared_by_maxima(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, lambda window: _all_maxima(
        window) / _all_maxima(window).sum())


def _pool_to_last_maximum(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, _last_maximum)


def _pool_spread_evenly(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride,
                          lambda window: torch.ones_like(window) / k**2)


def _pool_to_whole_window(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, torch.ones_like)


def _pool_times_maximum(X, dY, k, stride):
    return _pool_gradient(X, dY, k, stride, lambda window: _first_maximum(
        window) * window)


def _pool_without_stride(X, dY, k, stride):
    return max_pool_gradient(X, dY, k, 1)


MAX_POOL_GRADIENT = Exercise(
    max_pool_gradient, [
        (torch.tensor([[1., 2., 1.], [3., 9., 4.], [1., 5., 2.]]),
         torch.tensor([[1., 10.], [100., 1000.]]), 2, 1),
        (torch.tensor([[1., 5., 5., 2.], [5., 0., 1., 5.]]),
         torch.tensor([[3., 4.]]), 2, 2),
        (whole(5, 5), torch.tensor([[1., 2.], [3., 4.]]), 3, 2),
        (whole(4, 7), torch.tensor([[1., 2., 3.]]), 3, 2)],
    {'Gradients that overlap are overwritten. A pixel that is the maximum of '
     'several windows gets the sum: use +=.': _pool_overwritten,
     'All numbers that are equal to the maximum get the gradient. Give it '
     'once, to the first of them.': _pool_to_all_maxima,
     'Equal maxima share the gradient. That would be possible, but PyTorch '
     'gives it to the first, as the task asks.': _pool_shared_by_maxima,
     'The last of equal maxima gets the gradient. The task asks for the '
     'first, in reading order.': _pool_to_last_maximum,
     'It spreads the gradient evenly over the window: this is the backward '
     'pass of average pooling.': _pool_spread_evenly,
     'Every number of the window gets the gradient. The output depends on '
     'the largest alone.': _pool_to_whole_window,
     'It multiplies the gradient by the maximum. The output equals the '
     'maximum, so its derivative is 1.': _pool_times_maximum,
     'The stride is not used: output (i, j) comes from the window that '
     'begins at (i * stride, j * stride).': _pool_without_stride},
    ('Nudge one number of a window. When does the maximum change, and by how '
     'much?',
     'Go through all outputs. Each gives its gradient to one pixel; a pixel '
     'that is the maximum of several windows collects from all.',
     'argmax() of a window gives the place in reading order: its row is '
     'place // k, its column place % k.'),
    'F.max_pool2d(X[None], k, stride, return_indices=True) gives the places, '
    'and dX.view(-1).index_add_(0, indices.view(-1), dY.view(-1)) adds.')


# 7.6, W1: how many numbers reach the dense block.

def dense_inputs(n, channels, layers):
    for k, padding, stride in layers:
        n = (n + 2 * padding - k) // stride + 1
    return channels * n**2


def _dense_one_side(n, channels, layers):
    return channels * math.isqrt(dense_inputs(n, 1, layers))


def _dense_one_channel(n, channels, layers):
    return dense_inputs(n, 1, layers)


def _dense_without_floor(n, channels, layers):
    for k, padding, stride in layers:
        n = (n + 2 * padding - k) / stride + 1
    return channels * n**2


def _dense_rounded_up(n, channels, layers):
    for k, padding, stride in layers:
        n = -((k - n - 2 * padding) // stride) + 1
    return channels * n**2


def _dense_padded_once(n, channels, layers):
    for k, padding, stride in layers:
        n = (n + padding - k) // stride + 1
    return channels * n**2


def _dense_only_strides(n, channels, layers):
    for _, _, stride in layers:
        n = n // stride
    return channels * n**2


def _dense_without_last(n, channels, layers):
    return dense_inputs(n, channels, layers[:-1])


LENET = [(5, 2, 1), (2, 0, 2), (5, 0, 1), (2, 0, 2)]
DENSE_INPUTS = Exercise(
    dense_inputs, [(4, 3, [(2, 0, 2)]), (28, 16, LENET), (31, 16, LENET),
                   (10, 2, [(3, 0, 2), (2, 0, 2)]),
                   (15, 5, [(4, 1, 2), (4, 0, 2)]), (6, 1, [])],
    {'It multiplies by one side of the map. The map has two: n * n numbers '
     'for each channel.': _dense_one_side,
     'The channels are forgotten: flattening lines up the maps of all.':
        _dense_one_channel,
     'It does not round. A window fits or it does not: divide with //.':
        _dense_without_floor,
     'It rounds up. A window that does not fit is left out: round down with '
     '//.': _dense_rounded_up,
     'The padding is counted once. It is added on both sides.':
        _dense_padded_once,
     'It divides by the strides alone. Kernels without enough padding shrink '
     'the map too.': _dense_only_strides,
     'The last layer is left out.': _dense_without_last},
    ('Follow one side of the map through the layers. What does one layer make '
     'of n?',
     'For each (k, padding, stride), replace n by the number of places of '
     'the window.',
     'n = (n + 2 * padding - k) // stride + 1 in a loop; at the end there are '
     'n * n numbers in each channel.'),
    'nn.LazyLinear(120) finds this number on the first batch.')


# 7.6, W2: reading a confusion matrix.

def read_confusion(counts):
    right = counts.diag()
    accuracy = right.sum() / counts.sum()
    recall = right / counts.sum(dim=1)
    precision = right / counts.sum(dim=0).clamp(min=1)
    return accuracy, recall, precision


def _confusion_exchanged(counts):
    accuracy, recall, precision = read_confusion(counts)
    return accuracy, precision, recall


def _confusion_mean_recall(counts):
    _, recall, precision = read_confusion(counts)
    return recall.mean(), recall, precision


def _confusion_error(counts):
    accuracy, recall, precision = read_confusion(counts)
    return 1 - accuracy, recall, precision


def _confusion_of_all(counts):
    accuracy, *_ = read_confusion(counts)
    share = counts.diag() / counts.sum()
    return accuracy, share, share


def _confusion_nan(counts):
    accuracy, recall, _ = read_confusion(counts)
    return accuracy, recall, counts.diag() / counts.sum(dim=0)


def _confusion_without_diagonal(counts):
    accuracy, *_ = read_confusion(counts)
    wrong = counts - counts.diag().diag()
    return (accuracy, wrong.sum(dim=1) / counts.sum(dim=1),
            wrong.sum(dim=0) / counts.sum(dim=0).clamp(min=1))


READ_CONFUSION = Exercise(
    read_confusion, [
        (torch.tensor([[8., 2.], [1., 29.]]),),
        (torch.tensor([[5., 3., 2.], [0., 9., 1.], [4., 4., 12.]]),),
        (torch.tensor([[3., 1., 0.], [2., 6., 0.], [1., 1., 0.]]),)],
    {'Recall and precision are exchanged. Recall divides by the images of a '
     'class, a row; precision by what was predicted as it, a column.':
        _confusion_exchanged,
     'The accuracy is the mean of the recalls, in which a small class counts '
     'like a large one. Divide all right images by all images.':
        _confusion_mean_recall,
     'It gives the share of mistakes for the accuracy.': _confusion_error,
     'It divides each class by all images. Recall asks for the images of one '
     'class, precision for the predictions of one class.': _confusion_of_all,
     'The precision of a class that was never predicted is 0 / 0. The task '
     'asks for 0.': _confusion_nan,
     'It counts the mistakes in place of what is right, the diagonal.':
        _confusion_without_diagonal},
    ('Where in the matrix are the images that were classified correctly?',
     'Row i holds the images of class i, column j what was predicted as '
     'class j. Sum over the right axis.',
     'counts.diag() / counts.sum(dim=1) is the recall. clamp(min=1) keeps '
     'the precision of a class that was never predicted at 0.'),
    'show_confusion(counts, labels) draws such a matrix; if scikit-learn is '
    'there, its precision_recall_fscore_support computes the shares.',
    ('accuracy', 'recall', 'precision'))


# 7.6, W3: an interval over seeds.

def half_interval(values, t):
    n = len(values)
    deviations = values - values.mean()
    variance = (deviations**2).sum() / (n - 1)
    return (t * (variance / n).sqrt()).item()


def _interval_biased(values, t):
    return (t * values.std(correction=0) / len(values)**0.5).item()


def _interval_of_one_run(values, t):
    return (t * values.std()).item()


def _interval_twice_less(values, t):
    return (t * values.std() / (len(values) - 1)**0.5).item()


def _interval_variance(values, t):
    return (t * values.var() / len(values)**0.5).item()


def _interval_divided(values, t):
    return (t * values.std() / len(values)).item()


def _interval_whole(values, t):
    return 2 * half_interval(values, t)


def _interval_normal(values, t):
    return half_interval(values, 1.96)


def _interval_error(values, t):
    return half_interval(values, 1)


def _interval_range(values, t):
    return ((values.max() - values.min()) / 2).item()


HALF_INTERVAL = Exercise(
    half_interval, [
        (torch.tensor([1., 3.]), 12.706),
        (torch.tensor([0.73, 0.74, 0.72, 0.735, 0.741]), 2.776),
        (torch.tensor([0.8, 0.8, 0.86]), 4.303),
        (torch.tensor([0.5, 0.5, 0.5]), 4.303)],
    {'The variance is biased: it divides by n. The mean was computed from '
     'the same runs, so divide by n - 1.': _interval_biased,
     'It is the spread of single runs. That of their mean is smaller: divide '
     'by the root of n.': _interval_of_one_run,
     'It divides by the root of n - 1. The n - 1 belongs to the variance; '
     'here divide by the root of n.': _interval_twice_less,
     'It uses the variance in place of the standard deviation: take the '
     'root.': _interval_variance,
     'It divides by n. The standard deviation of a mean shrinks with the root '
     'of n.': _interval_divided,
     'It is the whole interval. The task asks for half of it, from the mean '
     'to one end.': _interval_whole,
     'It uses 1.96, which holds for many runs. For a few use the argument t.':
        _interval_normal,
     'It is the standard error alone: multiply it by t.': _interval_error,
     'It is half of the range. That grows with the number of runs, an '
     'interval for the mean shrinks.': _interval_range},
    ('How far are single runs from their mean? First their standard '
     'deviation.',
     'The mean of n runs scatters less than one run, by the root of n.',
     't * values.std() / len(values) ** 0.5; values.std() divides by n - 1.'),
    'interval(values) from helpers does this, and finds t by itself.')


EXERCISES = {
    '7.1': [WEIGHTS, KERNEL_MATRIX], '7.2': [BY_MATMUL, CONVOLVE],
    '7.3': [OUTPUT_SHAPE, STRIDED_BACKWARD],
    '7.4': [LAYER_COST, COMPOSE, PIXELWISE],
    '7.5': [MAX_POOL, MAX_POOL_GRADIENT],
    '7.6': [DENSE_INPUTS, READ_CONFUSION, HALF_INTERVAL]}
