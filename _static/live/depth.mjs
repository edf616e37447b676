// Depth: plain and residual networks before training, of 4 to 64 layers: how
// much gradient each layer gets, and which block is missed most.
import {batchNorm, batchNormBackward, crossEntropy, linear, linearBackward,
        relu, tensor} from './arithmetic.mjs';
import {asking} from './asking.mjs';
import {chart} from './chart.mjs';
import {add, choice, dress, field, h, readWhole, show, tick} from './parts.mjs';
import {normal, randomFrom} from './random.mjs';

const WIDTH = 16, IMAGES = 32, CLASSES = 10, SEEDS = [0, 1, 2, 3, 4];
const KINDS = ['plain', 'residual', 'no norm'];
const PLAIN = 0, RESIDUAL = 1, BARE = 2;
const WEIGHTS = ['PyTorch’s', 'He’s'], DEPTHS = [4, 8, 16, 32, 64];
const START = {kinds: [PLAIN], init: 0, depth: 16, block: 0};

const average = values => add(values) / values.length;
// log10 of the first layer's gradient, as a multiple of the last one's.
const reach = ({norms}) => norms[0] - norms.at(-1);

// Each begins with a state and is solved by what comes of another.
const QUESTIONS = [{
  ask: 'How does the gradient reach the first layer? Build a network in ' +
       'which it gets less than a millionth of what the last layer gets.',
  solved: (state, found) => found.some(one => reach(one) < -6),
  answer: 'Found. PyTorch’s initial weights make the signal smaller in each ' +
          'layer, and nothing sets it right.',
}, {
  ask: 'Bring this gradient back without normalization: the first layer of ' +
       '32 should get more than a thousandth.',
  state: {kinds: [BARE], depth: 32},
  solved: ({kinds, depth}, found) => kinds.includes(BARE) && depth >= 32 &&
    found.some(({kind, ...one}) => kind === BARE && reach(one) > -3),
  answer: 'Found. He’s rule keeps the size of a signal, in the mean, through ' +
          'layers with ReLU.',
}, {
  ask: 'Plain networks with normalization fail when they are deep. Does ' +
       'their gradient vanish? Look at 64 layers.',
  solved: ({kinds, depth}) => kinds.includes(PLAIN) && depth === 64,
  answer: 'No: it grows towards the first layer. That is not why they fail.',
}, {
  ask: 'Which block of the residual network is missed most? Remove it.',
  state: {kinds: [RESIDUAL]},
  solved: ({block}, found) => found.some(({kind, missed}) =>
    kind === RESIDUAL && block === 1 + missed.indexOf(Math.min(...missed))),
  answer: 'Found. Every block adds to a sum. The longer the sum is already, ' +
          'the less the next part changes it.',
}, {
  ask: 'Is there a block that the plain network can do without? Remove some.',
  solved: ({kinds, block}) => kinds.includes(PLAIN) && block,
  answer: 'None of them. A plain block passes on nothing but its own output, ' +
          'so the outputs have little or nothing in common with those before.',
}];

// A stem, blocks of two layers each, a last layer; and what they get. As
// PyTorch does, or by He's rule (normal, without biases).
export function make(init, depth, seed) {
  const random = randomFrom(seed + 1), one = () => normal(random);
  const draw = (shape, next) => {
    const made = tensor(shape);
    made.data.forEach((_, i) => { made.data[i] = next(); });
    return made;
  };
  const bound = 1 / Math.sqrt(WIDTH), even = () => bound * (2 * random() - 1);
  const layer = outs => ({
    W: draw([outs, WIDTH], init ? () => bound * Math.SQRT2 * one() : even),
    b: draw([outs], init ? () => 0 : even)});
  return {X: draw([IMAGES, WIDTH], one),
          layers: Array.from({length: depth - 1}, () => layer(WIDTH)),
          last: layer(CLASSES)};
}

// Forward, from a layer on, without one block or with all: outputs, and what
// the way back needs.
export function forward({X, layers, last}, kind, without = 0, from = 0) {
  const steps = [], ones = tensor([WIDTH], 1), zeros = tensor([WIDTH]);
  let shortcut = null;
  layers.forEach(({W, b}, i) => {
    const block = Math.ceil(i / 2), opens = i % 2 === 1;
    if (i < from || block && block === without) return;
    if (opens) shortcut = X;
    const step = {i, X, W};
    let Y = linear(X, W, b);
    if (kind !== BARE) {
      step.norm = batchNorm(Y, {gamma: ones, beta: zeros, mean: tensor([WIDTH]),
                                variance: tensor([WIDTH], 1)}, true);
      Y = step.norm.Y;
    }
    step.adds = kind === RESIDUAL && i && !opens;
    step.opens = kind === RESIDUAL && opens;
    if (step.adds) {
      Y = {...Y, data: Y.data.map((y, n) => y + shortcut.data[n])};
    }
    X = step.Y = relu.forward(Y);
    steps.push(step);
  });
  return {steps, X, outputs: linear(X, last.W, last.b)};
}

// The loss, and the norm of its gradient for the weights of each layer.
export function gradients(network, kind, without = 0) {
  const {steps, X, outputs} = forward(network, kind, without);
  const labels = Array.from({length: IMAGES}, (_, i) => i % CLASSES);
  const {loss, dX} = crossEntropy(outputs, labels);
  const norms = [], gamma = tensor([WIDTH], 1);
  let dY = linearBackward(X, network.last.W, dX).dX, passed;
  for (const step of steps.reverse()) {
    let d = relu.backward(step.Y, dY);
    if (step.adds) passed = d;
    if (step.norm) d = batchNormBackward(step.norm, gamma, d, true).dX;
    const back = linearBackward(step.X, step.W, d);
    norms.unshift([step.i + 1, Math.hypot(...back.dW.data)]);
    dY = back.dX;
    if (step.opens) {
      dY = {...dY, data: dY.data.map((x, n) => x + passed.data[n])};
    }
  }
  return {loss, norms};
}

// How far two networks' outputs agree about the differences between images:
// the cosine, after the mean over the images is taken off.
export function agreement(A, B) {
  const [a, b] = [A, B].map(({data}) => {
    const means = Array(CLASSES).fill(0);
    data.forEach((x, i) => { means[i % CLASSES] += x / IMAGES; });
    return data.map((x, i) => x - means[i % CLASSES]);
  });
  return add([...a.map((x, i) => x * b[i])]) / Math.hypot(...a) /
    Math.hypot(...b);
}

// All seeds of one kind; what does not depend on the block is kept.
const kept = {};
function measure(kind, {init, depth, block}) {
  const networks = SEEDS.map(seed => make(init, depth, seed));
  const missed = kept[[kind, init, depth]] ??= kind === BARE ? [[]]
    : networks.map(network => {
      const {steps, outputs} = forward(network, kind);
      return Array.from({length: depth / 2 - 1}, (_, i) => agreement(
        outputs, forward({...network, X: steps[2 * i + 1].X}, kind, 0,
                         2 * i + 3).outputs));
    });
  const runs = networks.map(network => gradients(network, kind, block));
  const layers = runs[0].norms.map(([layer]) => layer);
  const seeds = runs.map(({norms}) => norms.map(([, x]) => Math.log10(x)));
  return {
    kind, layers, seeds, all: missed,
    loss: average(runs.map(({loss}) => loss)),
    norms: layers.map((_, i) => average(seeds.map(norms => norms[i]))),
    missed: missed[0].map((_, i) => average(missed.map(run => run[i])))};
}

// Labels stand above their lists where there is little room.
const style = `
@container (max-width: 30rem) {
  .live .fields label {
    flex-wrap: wrap;
  }
  .live .fields select {
    flex-basis: 7rem;
  }
}`;

// The state in the address, and back.
const write = ({kinds, init, depth, block}) =>
  [kinds.join(''), init, depth, block].join('/');

function read(text) {
  const [kinds, init, depth, block] = text.split('/');
  const whole = (text, most) => readWhole(text ?? '', 'A number', 0, most);
  if (!/^0?1?2?$/.test(kinds) || !kinds || !DEPTHS.includes(+depth)) {
    throw new RangeError('No such network.');
  }
  return {kinds: [...kinds].map(Number), init: whole(init, 1), depth: +depth,
          block: whole(block, depth / 2 - 1)};
}

export default function depth(place) {
  dress('depth', style);
  let state;
  const change = changes => asked.change(changes);

  const kinds = KINDS.map((name, kind) => tick(
    name, () => state.kinds.includes(kind), on => {
      const next = KINDS.map((_, i) => i).filter(
        i => i === kind ? on : state.kinds.includes(i));
      if (next.length) return change({kinds: next});
      asked.fault.textContent =
        'One network must stay: choose another one first.';
      fields.forEach(({set}) => set());
    }));
  const block = field('remove block', (text, input) => asked.attempt(
    () => change({block: readWhole(text, 'remove block', 0,
                                   state.depth / 2 - 1)}), input));
  const fields = [
    ...kinds, choice('layers', DEPTHS, () => state.depth,
                     depth => change({depth: +depth})),
    choice('initial weights', WEIGHTS, () => WEIGHTS[state.init],
           one => change({init: WEIGHTS.indexOf(one)})),
    {...block, set: () => block.set(state.block)}];
  const told = h('p', {class: 'told', role: 'status'});
  const norms = chart('gradient of each layer', {name: 'layer', least: 1},
                      {name: 'log10 of the gradient norm'});
  const missed = chart('outputs without a block, for each block',
                       {name: 'removed block', least: 1},
                       {name: 'agreement', least: 0, most: 1});
  const blocks = h('div', null, missed.element, h(
    'p', {class: 'hint'}, 'Agreement: the cosine of the outputs with and ' +
    'without the block. 1: it is not missed; 0: nothing is left of them. ' +
    'Without normalization it is not measured.'));

  function draw(next) {
    state = next;
    state.block = Math.min(state.block, state.depth / 2 - 1);
    const {block} = state;
    const result = state.kinds.map(kind => measure(kind, state));
    fields.forEach(({set}) => set());
    // A mean and its seeds, of each network; `at` says where they belong.
    const lines = (some, at, seeds, mean) => some.flatMap(one => [
      ...one[seeds].map((values, seed) => ({
        name: `${KINDS[one.kind]}, seed ${seed}`, color: one.kind, faint: true,
        points: values.map((y, i) => [at(one, i), y])})),
      {name: KINDS[one.kind], color: one.kind,
       points: one[mean].map((y, i) => [at(one, i), y])}]);
    norms.draw(lines(result, ({layers}, i) => layers[i], 'seeds', 'norms'));
    const normed = result.filter(({kind}) => kind !== BARE);
    blocks.hidden = !normed.length;
    missed.draw([
      ...lines(normed, (_, i) => i + 1, 'all', 'missed'),
      ...block ? [{name: `block ${block}`, color: 4, dots: true, points: normed
        .map(({missed}) => [block, missed[block - 1]])}] : []]);
    told.replaceChildren(...result.flatMap((one, n) => [
      n ? h('br') : '', h('b', null, KINDS[one.kind]),
      `: log10 of the gradient norm ${show(one.norms[0])} at the first layer, ${
        show(one.norms.at(-1))} at the last; loss ${show(one.loss)}.`,
      block && one.kind !== BARE ? ` Without block ${block} the outputs agree to ${
        show(one.missed[block - 1])}.` : '']));
    told.style.setProperty('--lines', 2 * result.length);
    return result;
  }

  const asked = asking('depth', {start: START, questions: QUESTIONS, write,
                                 read, draw});
  asked.run(
    place, 'Depth', h('div', {class: 'row fields'}, fields.map(
      ({element}) => element)), asked.fault, told,
    norms.element,
    h('p', {class: 'hint'}, 'Small networks of dense layers, 16 units wide, ' +
      'before training, on 32 random inputs. Faint: seeds 0 to 4. Bold: ' +
      'their mean.'), blocks);
}
