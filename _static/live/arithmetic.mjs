// The arithmetic of the course: all that is in forward.mjs, and what training
// needs beside it. A figure that only looks at a network loads that one alone.
import {eachChannel, fits, logSoftmax, mean, must, outputShape, pooling, slide,
        softmax, tensor} from './forward.mjs';

export * from './forward.mjs';

// Backward, each product hands the output's gradient on to both its factors.
export function conv2dBackward(X, K, dY, options = {}) {
  fits(dY, ...outputShape(X.shape, K.shape, options));
  const [dX, dK, db] = [tensor(X.shape), tensor(K.shape), tensor([K.shape[0]])];
  const [x, k, dx, dk, dy] = [X, K, dX, dK, dY].map(({data}) => data);
  slide(X.shape, K.shape, options, (to, from, weight, count, step) => {
    for (let j = 0; j < count; j++) {
      dx[from + j * step] += k[weight] * dy[to + j];
      dk[weight] += x[from + j * step] * dy[to + j];
    }
  });
  eachChannel(dY, (c, i) => { db.data[c] += dy[i]; });
  return {dX, dK, db};
}

export function avgPoolBackward(X, dY, options) {
  const [kernel, rest] = pooling(X, options);
  return conv2dBackward(X, mean(kernel), dY, rest).dX;
}

// The largest number of each window, and its place in X: the first of several.
// The padding is never the largest.
export function maxPool(X, options) {
  const [kernel, rest] = pooling(X, options);
  const Y = tensor(outputShape(X.shape, kernel, rest), -Infinity);
  const [x, y, at] = [X.data, Y.data, new Int32Array(Y.data.length)];
  slide(X.shape, kernel, rest, (to, from, _, count, step) => {
    for (let j = 0; j < count; j++) {
      if (x[from + j * step] > y[to + j]) {
        at[to + j] = from + j * step;
        y[to + j] = x[from + j * step];
      }
    }
  });
  return {Y, at};
}

export function maxPoolBackward(X, dY, at) {
  const dX = tensor(X.shape);
  dY.data.forEach((d, i) => { dX.data[at[i]] += d; });
  return dX;
}

export function linearBackward(X, W, dY) {
  const [n, ins] = X.shape, [outs] = W.shape;
  fits(dY, n, outs);
  const [dX, dW, db] = [tensor(X.shape), tensor(W.shape), tensor([outs])];
  dY.data.forEach((d, y) => {
    const out = y % outs, i = (y - out) / outs * ins;
    db.data[out] += d;
    for (let k = 0; k < ins; k++) {
      dX.data[i + k] += d * W.data[out * ins + k];
      dW.data[out * ins + k] += d * X.data[i + k];
    }
  });
  return {dX, dW, db};
}

// Batch normalization of X (n, channels, ...), a number of each part a channel.
// In training it takes the batch's own mean and variance, and moves the stored
// ones, in place, towards them; otherwise it takes the stored ones.
export function batchNorm(X, {gamma, beta, mean, variance}, training,
                          momentum = 0.1, epsilon = 1e-5) {
  const channels = X.shape[1], numbers = X.data.length / channels;
  [gamma, beta, mean, variance].forEach(part => fits(part, channels));
  let [m, v] = [mean.data, variance.data];
  if (training) {
    must(numbers > 1, 'Each channel of a batch needs two numbers or more.');
    [m, v] = [m, v].map(() => new Float64Array(channels));
    eachChannel(X, (c, i) => { m[c] += X.data[i] / numbers; });
    eachChannel(X, (c, i) => { v[c] += (X.data[i] - m[c]) ** 2 / numbers; });
    for (let c = 0; c < channels; c++) {
      const unbiased = v[c] * numbers / (numbers - 1);
      mean.data[c] += momentum * (m[c] - mean.data[c]);
      variance.data[c] += momentum * (unbiased - variance.data[c]);
    }
  }
  const [Xhat, Y] = [tensor(X.shape), tensor(X.shape)];
  const scale = v.map(x => 1 / Math.sqrt(x + epsilon));
  eachChannel(X, (c, i) => {
    Xhat.data[i] = (X.data[i] - m[c]) * scale[c];
    Y.data[i] = gamma.data[c] * Xhat.data[i] + beta.data[c];
  });
  return {Y, Xhat, scale};
}

export function batchNormBackward({Xhat, scale}, gamma, dY, training) {
  const channels = gamma.shape[0], numbers = dY.data.length / channels;
  const [dX, dgamma, dbeta] = [tensor(dY.shape), tensor([channels]),
                               tensor([channels])];
  eachChannel(dY, (c, i) => {
    dgamma.data[c] += dY.data[i] * Xhat.data[i];
    dbeta.data[c] += dY.data[i];
  });
  eachChannel(dY, (c, i) => {  // in training, X also moves mean and variance
    const moved = dbeta.data[c] + Xhat.data[i] * dgamma.data[c];
    dX.data[i] = gamma.data[c] * scale[c] * (
      dY.data[i] - (training ? moved / numbers : 0));
  });
  return {dX, dgamma, dbeta};
}

export function softmaxBackward(P, dP) {
  const [n, classes] = P.shape, sums = new Float64Array(n);
  const products = P.data.map((p, i) => p * dP.data[i]);
  products.forEach((x, i) => { sums[Math.floor(i / classes)] += x; });
  return {...P, data: products.map(
    (x, i) => x - P.data[i] * sums[Math.floor(i / classes)])};
}

// The mean of -log(probability of the label), and its gradient.
export function crossEntropy(X, labels) {
  const [n, classes] = X.shape, logs = logSoftmax(X), dX = softmax(X);
  must(labels.length === n && labels.every(
    y => Number.isInteger(y) && y >= 0 && y < classes),
       `Give ${n} labels, whole numbers from 0 to ${classes - 1}.`);
  let loss = 0;
  labels.forEach((label, i) => {
    loss -= logs.data[i * classes + label] / n;
    dX.data[i * classes + label] -= 1;
  });
  return {loss, dX: {...dX, data: dX.data.map(d => d / n)}};
}

// One step of stochastic gradient descent, in place.
export function sgd(parameters, gradients, lr) {
  parameters.forEach(({data}, p) => {
    for (let i = 0; i < data.length; i++) data[i] -= lr * gradients[p].data[i];
  });
}
