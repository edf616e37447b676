// The arithmetic of the course: all that is in forward.mjs and backward.mjs, and
// what training needs beside them. A figure loads no more of it than it needs.
import {eachMap, fits, logSoftmax, must, softmax, tensor} from './backward.mjs';

export * from './backward.mjs';

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
    eachMap(X, (c, from, to) => {
      for (let i = from; i < to; i++) m[c] += X.data[i] / numbers;
    });
    eachMap(X, (c, from, to) => {
      for (let i = from; i < to; i++) v[c] += (X.data[i] - m[c]) ** 2 / numbers;
    });
    for (let c = 0; c < channels; c++) {
      const unbiased = v[c] * numbers / (numbers - 1);
      mean.data[c] += momentum * (m[c] - mean.data[c]);
      variance.data[c] += momentum * (unbiased - variance.data[c]);
    }
  }
  const [Xhat, Y] = [tensor(X.shape), tensor(X.shape)];
  const scale = v.map(x => 1 / Math.sqrt(x + epsilon));
  eachMap(X, (c, from, to) => {
    for (let i = from; i < to; i++) {
      Xhat.data[i] = (X.data[i] - m[c]) * scale[c];
      Y.data[i] = gamma.data[c] * Xhat.data[i] + beta.data[c];
    }
  });
  return {Y, Xhat, scale};
}

export function batchNormBackward({Xhat, scale}, gamma, dY, training) {
  const channels = gamma.shape[0], numbers = dY.data.length / channels;
  const [dX, dgamma, dbeta] = [tensor(dY.shape), tensor([channels]),
                               tensor([channels])];
  eachMap(dY, (c, from, to) => {
    for (let i = from; i < to; i++) {
      dgamma.data[c] += dY.data[i] * Xhat.data[i];
      dbeta.data[c] += dY.data[i];
    }
  });
  eachMap(dY, (c, from, to) => {  // in training, X also moves mean and
    for (let i = from; i < to; i++) {  // variance
      const moved = dbeta.data[c] + Xhat.data[i] * dgamma.data[c];
      dX.data[i] = gamma.data[c] * scale[c] * (
        dY.data[i] - (training ? moved / numbers : 0));
    }
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
