// The forward half of the arithmetic, in plain JavaScript: each function
// computes what torch computes (tests/test_arithmetic.py compares them on random settings).
// A tensor is {shape, data}: shape [2, 3] has six numbers in one row, the last
// axis running fastest. They have 64 bits, as all numbers of JavaScript have,
// so nothing is rounded or converted on its way into an array.

export function tensor(shape, data = 0) {
  const size = shape.reduce((product, n) => product * n, 1);
  must(shape.every(n => Number.isInteger(n) && n > 0),
       `The shape ${shape} needs whole numbers above 0.`);
  if (typeof data === 'number') {
    return {shape, data: new Float64Array(size).fill(data)};
  }
  must(data.length === size,
       `The shape ${shape} needs ${size} numbers, not ${data.length}.`);
  return {shape, data: new Float64Array(data)};
}

export function must(hold, sentence) {
  if (!hold) throw new RangeError(sentence);
}

export function fits({shape}, ...expected) {
  must(`${shape}` === `${expected}`,
       `A tensor has the shape ${shape}, and ${expected} is needed.`);
}

// The number of windows of k pixels along n. What is left over behind the last
// one is not read: the division is rounded down.
export function outputSize(n, k, {padding = 0, stride = 1, dilation = 1} = {}) {
  const numbers = {kernel: k, padding, stride, dilation};
  for (const name in numbers) {
    const least = name === 'padding' ? 0 : 1;
    must(Number.isInteger(numbers[name]) && numbers[name] >= least,
         `The ${name} is ${numbers[name]}: a whole number is needed, ` +
         `${least} or more.`);
  }
  const span = dilation * (k - 1) + 1;
  must(span <= n + 2 * padding, `The window spans ${span} pixels, and the ` +
       `padded image has only ${n + 2 * padding}.`);
  return Math.floor((n + 2 * padding - span) / stride) + 1;
}

// An option is one number for both axes, or a pair: [2, 1].
function pair(option) {
  return [option, option].flat().slice(-2);
}

function along(axis, {padding = 0, stride = 1, dilation = 1}) {
  return {padding: pair(padding)[axis], stride: pair(stride)[axis],
          dilation: pair(dilation)[axis]};
}

export function outputShape([n, , height, width], [channels, , h, w], options) {
  return [n, channels, outputSize(height, h, along(0, options)),
          outputSize(width, w, along(1, options))];
}

// All products of a convolution, a row at a time: `row(y, x, k, count, step)`
// says that the outputs y, y + 1, ... read the inputs x, x + step, ... by the
// kernel's number k. What lies in the padding adds zero and is left out.
export function slide(shape, kernel, options, row) {
  const [n, channels, height, width] = shape, [outs, ins, h, w] = kernel;
  const [, , rows, columns] = outputShape(shape, kernel, options);
  const [down, across] = [along(0, options), along(1, options)];
  const {groups = 1} = options;
  must(ins * groups === channels && outs % groups === 0,
       `${groups} groups do not divide ${channels} channels in, ${outs} out, ` +
       `with kernels of ${ins}.`);
  for (let image = 0; image < n; image++) {
    for (let k = 0; k < outs * ins * h * w; k++) {
      const b = k % w, a = Math.floor(k / w) % h;
      const c = Math.floor(k / w / h) % ins, out = Math.floor(k / w / h / ins);
      const group = Math.floor(out * groups / outs);
      const left = b * across.dilation - across.padding;
      const first = Math.max(0, Math.ceil(-left / across.stride));
      const last = Math.min(columns - 1,
                            Math.floor((width - 1 - left) / across.stride));
      for (let i = 0; i < rows; i++) {
        const line = i * down.stride + a * down.dilation - down.padding;
        if (line < 0 || line >= height) continue;
        row(((image * outs + out) * rows + i) * columns + first,
            ((image * channels + group * ins + c) * height + line) * width +
            left + first * across.stride, k, last - first + 1, across.stride);
      }
    }
  }
}

// Images X (n, channels, height, width), kernels K (outputs, channels of a
// group, h, w), a bias of each output or null; the options are padding, stride,
// dilation and groups.
export function conv2d(X, K, bias, options = {}) {
  const Y = tensor(outputShape(X.shape, K.shape, options));
  const [x, k, y] = [X.data, K.data, Y.data];
  if (bias) {
    fits(bias, K.shape[0]);
    eachChannel(Y, (c, i) => { y[i] = bias.data[c]; });
  }
  slide(X.shape, K.shape, options, (to, from, weight, count, step) => {
    for (let j = 0; j < count; j++) y[to + j] += k[weight] * x[from + j * step];
  });
  return Y;
}

export function eachChannel({shape: [n, channels], data}, visit) {
  const area = data.length / n / channels;
  data.forEach((_, i) => visit(Math.floor(i / area) % channels, i));
}

// A pool moves as a convolution that keeps channels apart. Its stride is the
// window's size unless it is given.
export function pooling({shape: [, channels]},
                        {size, stride = size, padding = 0}) {
  const [h, w] = pair(size), [down, across] = pair(padding);
  must(2 * down <= h && 2 * across <= w,
       'The padding of a pool is at most half of its window.');
  return [[channels, 1, h, w], {stride, padding, groups: channels}];
}

// The mean of each window is a convolution; the padding counts as zeros.
export function avgPool(X, options) {
  const [kernel, rest] = pooling(X, options);
  return conv2d(X, mean(kernel), null, rest);
}

export function mean(kernel) {
  return tensor(kernel, 1 / kernel[2] / kernel[3]);
}

// The numbers of each image in one row; they are where they were.
export function flatten(X) {
  return {...X, shape: [X.shape[0], X.data.length / X.shape[0]]};
}

// X (n, inputs) times each row of W (outputs, inputs), plus a bias or null.
export function linear(X, W, bias) {
  const [n, ins] = X.shape, [outs] = W.shape, Y = tensor([n, outs]);
  fits(W, outs, ins);
  if (bias) fits(bias, outs);
  Y.data.forEach((_, y) => {
    const out = y % outs, i = (y - out) / outs * ins;
    let sum = bias ? bias.data[out] : 0;
    for (let k = 0; k < ins; k++) sum += X.data[i + k] * W.data[out * ins + k];
    Y.data[y] = sum;
  });
  return Y;
}

// Each row of X (n, classes) as logarithms of probabilities. The largest number
// is taken off first, so that no exponential overflows.
export function logSoftmax(X) {
  const [n, classes] = X.shape, Y = tensor(X.shape);
  for (let i = 0; i < n * classes; i += classes) {
    const row = X.data.subarray(i, i + classes), top = Math.max(...row);
    const sum = row.reduce((sum, x) => sum + Math.exp(x - top), 0);
    Y.data.set(row.map(x => x - top - Math.log(sum)), i);
  }
  return Y;
}

export function softmax(X) {
  return {...X, data: logSoftmax(X).data.map(Math.exp)};
}

// An activation, and its slope, told from its output.
function activation(value, slope) {
  return {
    forward: X => ({...X, data: X.data.map(value)}),
    backward: (Y, dY) => ({...Y, data: Y.data.map(
      (y, i) => dY.data[i] * slope(y))}),
  };
}
export const sigmoid = activation(x => 1 / (1 + Math.exp(-x)),
                                  y => y * (1 - y));
export const tanh = activation(Math.tanh, y => 1 - y * y);
export const relu = activation(x => Math.max(x, 0), y => +(y > 0));
