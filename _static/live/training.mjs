// The LeNet of 7.6, its activation and normalization to be chosen, and how it
// is trained: pure arithmetic, for train.mjs's worker and for the tests.
import * as arithmetic from './arithmetic.mjs';
import {normal, randomFrom} from './random.mjs';

const {avgPool, avgPoolBackward, batchNorm, batchNormBackward, conv2d,
       conv2dBackward, crossEntropy, eachMap, flatten, linear,
       linearBackward, sgd, tensor} = arithmetic;
const SHAPES = [[6, 1, 5, 5], [16, 6, 5, 5], [120, 400], [84, 120], [10, 84]];
const CONVOLUTIONS = 2, HIDDEN = 4, AREA = 784, EVERY = 20;
const options = layer => ({padding: layer ? 0 : 2});
const range = n => Array.from({length: n}, (_, i) => i);

// Weights by Xavier's rule (uniform) or He's (normal), as in the chapters; the
// biases as PyTorch draws them.
export function makeNet({norm, init}, random) {
  return SHAPES.map(([outs, ...rest], layer) => {
    const draw = (shape, next) => tensor(
      shape, tensor(shape).data.map(() => next()));
    const field = rest.slice(1).reduce((a, b) => a * b, 1);
    const inputs = rest[0] * field;
    const uniform = bound => () => bound * (2 * random() - 1);
    const he = () => Math.sqrt(2 / inputs) * normal(random);
    const net = {
      weight: draw([outs, ...rest], init === 'He' ? he
        : uniform(Math.sqrt(6 / (inputs + outs * field)))),
      bias: draw([outs], uniform(1 / Math.sqrt(inputs)))};
    return !norm || layer === HIDDEN ? net : {
      ...net, gamma: tensor([outs], 1), beta: tensor([outs]),
      mean: tensor([outs]), variance: tensor([outs], 1)};
  });
}

export const parametersOf = net => net.flatMap(
  ({weight, bias, gamma, beta}) => gamma ? [weight, bias, gamma, beta]
    : [weight, bias]);

// The logits, and of each layer what the way back needs.
export function forward(net, activation, X, training) {
  const steps = net.map((layer, i) => {
    const input = i === CONVOLUTIONS ? flatten(X) : X;
    X = i < CONVOLUTIONS ? conv2d(input, layer.weight, layer.bias, options(i))
      : linear(input, layer.weight, layer.bias);
    const normed = layer.gamma && batchNorm(X, layer, training);
    if (normed) X = normed.Y;
    if (i < HIDDEN) X = arithmetic[activation].forward(X);
    const output = X;
    if (i < CONVOLUTIONS) X = avgPool(X, {size: 2});
    return {input, normed, output, pooled: X};
  });
  return {logits: X, steps};
}

// The gradients of the parameters, in their order, from that of the logits.
export function backward(net, activation, steps, dY) {
  const gradients = [];
  for (let i = net.length - 1; i >= 0; i--) {
    const {weight, gamma} = net[i], {input, normed, output, pooled} = steps[i];
    let scales = [];
    if (i < CONVOLUTIONS) {
      dY = avgPoolBackward(output, {...dY, shape: pooled.shape}, {size: 2});
    }
    if (i < HIDDEN) dY = arithmetic[activation].backward(output, dY);
    if (normed) {
      const {dX, dgamma, dbeta} = batchNormBackward(normed, gamma, dY, true);
      [dY, scales] = [dX, [dgamma, dbeta]];
    }
    const {dX, dK, dW = dK, db} = i < CONVOLUTIONS
      ? conv2dBackward(input, weight, dY, options(i))
      : linearBackward(input, weight, dY);
    gradients.unshift(dW, db, ...scales);
    dY = dX;
  }
  return gradients;
}

const best = ({shape: [n, classes], data}) => range(n).map(i => {
  const row = data.subarray(i * classes, (i + 1) * classes);
  return row.indexOf(Math.max(...row));
});
export const accuracy = (logits, labels) => best(logits).filter(
  (label, i) => label === labels[i]).length / labels.length;

// One step: the loss and the accuracy of the batch before it, and the norm of
// the gradient of each layer's weights.
export function step(net, {activation, lr}, X, labels) {
  const {logits, steps} = forward(net, activation, X, true);
  const {loss, dX} = crossEntropy(logits, labels);
  const parameters = parametersOf(net);
  const gradients = backward(net, activation, steps, dX);
  sgd(parameters, gradients, lr);
  const weights = net.map(({weight}) => gradients[parameters.indexOf(weight)]);
  return {loss, training: accuracy(logits, labels), norms: weights.map(
    ({data}) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0)))};
}

// In evaluation mode: the accuracy, and of each hidden layer the share of units
// (channels, if it has maps) whose slope is 0 for every image, to 6 decimals.
export function evaluate(net, activation, X, labels) {
  const {logits, steps} = forward(net, activation, X, false);
  const dead = steps.slice(0, HIDDEN).map(({output}) => {
    const alive = new Set(), slopes = arithmetic[activation].backward(
      output, tensor(output.shape, 1));
    eachMap(slopes, (unit, from, to) => {
      if (slopes.data.subarray(from, to).some(x => x > 1e-6)) alive.add(unit);
    });
    return 1 - alive.size / output.shape[1];
  });
  return {validation: accuracy(logits, labels), dead};
}

// A training that goes on by one step with every call, and reports it; at first
// and every 20 steps with an evaluation, after `at` steps. `images` and
// `labels` hold the training images first; `number` says how many.
export function begin(settings, {images, labels, number}) {
  const random = randomFrom(settings.seed), net = makeNet(settings, random);
  const gather = places => [
    tensor([places.length, 1, 28, 28], places.flatMap(place => Array.from(
      images.subarray(place * AREA, (place + 1) * AREA), x => x / 255))),
    places.map(place => labels[place])];
  const validation = gather(range(labels.length - number).map(
    i => number + i));
  const test = at => ({
    at, ...evaluate(net, settings.activation, ...validation)});
  let rest = [], done = 0;
  return () => {
    const first = done ? {} : test(0);
    if (!rest.length) {
      rest = range(number);
      for (let i = number - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [rest[i], rest[j]] = [rest[j], rest[i]];
      }
    }
    const report = step(net, settings, ...gather(
      rest.splice(0, settings.batch)));
    return {...first, ...report, ...++done % EVERY ? {} : test(done)};
  };
}
