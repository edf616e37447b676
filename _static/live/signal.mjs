// Signal: how large the outputs of the layers of a deep network with random
// weights are, and how much they differ between inputs.
import {linear, must, relu, sigmoid, tanh, tensor} from './forward.mjs';
import {asking} from './asking.mjs';
import {chart, exact} from './chart.mjs';
import {add, choice, dress, field, h, press, readNumber, readWhole}
  from './parts.mjs';
import {randomFrom} from './random.mjs';

const INPUTS = 8, SEEDS = [1, 2, 3, 4, 5];
const FUNCTIONS = {
  'ReLU': relu.forward, 'tanh': tanh.forward, 'sigmoid': sigmoid.forward,
  'none': X => X,
};
const MEASURES = ['size', 'difference'];
const START = {activation: 'ReLU', depth: 20, width: 64, gain: 1,
               measure: 'size', first: 1};

const last = ({theory}) => theory.at(-1);
// From one layer to another the theory stays within so many per cent.
const level = ({theory}, from, percent) => Math.abs(
  Math.log(theory.at(-1) / theory[from])) < Math.log(1 + percent / 100);

const QUESTIONS = [{
  ask: 'With gain 1 the signal dies out. Which gain keeps it level for ReLU?',
  state: {},
  solved: ({activation, depth, measure}, result) => activation === 'ReLU' &&
    measure === 'size' && depth >= 20 && level(result, 1, 25),
  answer: 'Found: √2 = 1.414. ReLU sets half of the mean square to zero, and ' +
          'a variance of 2 / n makes up for it. This is He’s rule.',
}, {
  ask: 'And for tanh? Which gains keep the signal level behind the first ' +
       'layers?',
  state: {activation: 'tanh', gain: 0.8},
  solved: ({activation, depth, gain}, result) => activation === 'tanh' &&
    gain > 1 && depth >= 20 && level(result, depth >> 1, 3),
  answer: 'Found. Above 1 the signal finds a level by itself, since tanh ' +
          'limits what is large. At 1 and below it dies out. PyTorch ' +
          'advises 5/3.',
}, {
  ask: 'The sigmoid keeps the size at any gain. Do two inputs still differ? ' +
       'Show the difference, and keep it above 0.1 up to layer 10.',
  state: {activation: 'sigmoid', depth: 10},
  solved: ({activation, depth, measure}, result) => activation === 'sigmoid' &&
    measure === 'difference' && depth >= 10 && last(result) > 0.1,
  answer: 'Found. It needs a large gain: the slope of a sigmoid is 1/4 at ' +
          'most. At gain 1 all inputs look alike after a few layers.',
}, {
  ask: 'ReLU at √2: the size stays. Does the difference between inputs stay ' +
       'too? Look, at 40 layers.',
  state: {depth: 40, gain: 1.414, width: 128},
  solved: ({activation, depth, measure}, result) => activation === 'ReLU' &&
    measure === 'difference' && depth === 40,
  answer: 'Not quite: it falls slowly, by theory to a seventh. No output of a ' +
          'ReLU is negative, so inputs become more and more alike.',
}, {
  ask: 'Five seeds, one gain of √2, and sizes far apart. Bring the seeds ' +
       'together without fewer layers.',
  state: {depth: 40, gain: 1.414, width: 8},
  solved: ({depth, measure}, {seeds}) => depth === 40 && measure === 'size' &&
    Math.max(...seeds.map(line => line.at(-1))) <
    8 * Math.min(...seeds.map(line => line.at(-1))),
  answer: 'Found. Each layer multiplies the size by a random factor. In a ' +
          'wide layer this is a mean over many units, and nearer to 1.',
}];

const style = `
.live .signal .step input[type="text"] {
  width: 2.3rem;
}
.live .signal input[type="range"] {
  accent-color: var(--color-brand-primary);
  height: 1.9rem;
  width: min(14rem, 40cqw);
}
.live .signal .gain[type="text"] {
  border-inline: 1px solid var(--color-foreground-border);
  border-radius: 0.3rem;
  width: 3.6rem;
}`;

// Numbers of a standard normal distribution, always the same for a seed: pairs
// of them, by Box and Muller.
export function normals(seed, n) {
  const uniform = randomFrom(seed), numbers = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const far = Math.sqrt(-2 * Math.log(1 - uniform()));
    const turn = 2 * Math.PI * uniform();
    numbers[i] = far * Math.cos(turn);
    if (i + 1 < n) numbers[i + 1] = far * Math.sin(turn);
  }
  return numbers;
}

// Weights and inputs before the gain: kept, since a gain only scales them.
const kept = new Map();
export function drawn(seed, width, layer) {
  const name = `${seed}/${width}/${layer}`;
  if (!kept.has(name)) {
    if (kept.size > 400) kept.clear();
    kept.set(name, normals(1e6 * seed + 1e3 * layer + width,
                           width * (layer ? width : INPUTS)));
  }
  return kept.get(name);
}

// The outputs of each dense layer, before its activation, for several inputs.
export function outputs({activation, depth, width, gain}, seed) {
  let X = tensor([INPUTS, width], drawn(seed, width, 0));
  const found = [X];
  for (let layer = 1; layer <= depth; layer++) {
    X = linear(X, {shape: [width, width], data: drawn(seed, width, layer)});
    X.data = X.data.map(x => x * gain / Math.sqrt(width));
    found.push(X);
    X = FUNCTIONS[activation](X);
  }
  return found;
}

// The root of the mean square of all numbers; and what the chapter's `spreads`
// gives: the standard deviation over the inputs, as a root mean square.
export function size({data}) {
  return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
}

export function difference({shape: [n, width], data}) {
  let sum = 0;
  for (let unit = 0; unit < width; unit++) {
    const values = Array.from({length: n}, (_, i) => data[i * width + unit]);
    const mean = add(values) / n;
    sum += add(values.map(x => (x - mean) ** 2)) / (n - 1);
  }
  return Math.sqrt(sum / width);
}

// What both would be in layers of endless width. There all outputs are normal,
// so for each layer two numbers are enough: their mean square q, and half of
// the mean square d of what two inputs differ by.
const POINTS = Array.from({length: 60}, (_, i) => {
  const z = (i - 29.5) / 5;
  return {z, share: Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) / 5};
});
export function theory({activation, depth, gain, measure}) {
  const at = z => FUNCTIONS[activation]({data: z}).data;
  const found = [1], shares = POINTS.map(({share}) => share);
  let [q, d] = [1, 1];
  for (let layer = 1; layer <= depth; layer++) {
    if (layer > 1) {
      const mean = values => add(values.map((x, i) => x * x * shares[i]));
      const half = POINTS.map(({z}) => z * Math.sqrt(d / 2));
      const apart = add(POINTS.map(({z, share}) => {
        const middle = z * Math.sqrt(Math.max(0, q - d / 2));
        const right = at(half.map(x => middle + x));
        return share * mean(at(half.map(x => middle - x)).map(
          (x, i) => x - right[i]));
      })) / 2;
      [q, d] = [mean(at(POINTS.map(({z}) => z * Math.sqrt(q)))), apart];
    }
    [q, d] = [q * gain ** 2, d * gain ** 2];
    found.push(Math.sqrt(measure === 'size' ? q : d));
  }
  return found;
}

export function compute(state) {
  const measure = state.measure === 'size' ? size : difference;
  const seeds = SEEDS.map(n => outputs(state, state.first + n - 1).map(
    measure));
  return {seeds, theory: theory(state), mean: seeds[0].map(
    (_, layer) => add(seeds.map(line => line[layer])) / seeds.length)};
}

// The state in the address, and back.
const write = ({activation, depth, width, gain, measure, first}) => [
  activation, depth, width, gain, measure, first].join('/');

function read(text) {
  const [activation, depth, width, gain, measure, first] = text.split('/');
  must(Object.hasOwn(FUNCTIONS, activation) && MEASURES.includes(measure),
       'The activation or the measure is not known.');
  return {activation, measure, gain: readGain(gain ?? ''),
          depth: readWhole(depth, 'depth', 1, 40),
          width: readWhole(width, 'width', 2, 128),
          first: readWhole(first ?? '', 'The seed', 1, 996)};
}

function readGain(text) {
  const gain = readNumber(text, 'gain');
  must(gain >= 0.1 && gain <= 20, 'gain can be from 0.1 to 20.');
  return gain;
}

export default function signal(place) {
  dress('signal', style);
  let state;
  const change = changes => asked.change(changes);
  const whole = (name, least, most) => {
    const made = field(name, (text, input) => asked.attempt(() => change(
      {[name]: readWhole(text, name, least, most)}), input));
    return {...made, set: () => made.set(state[name])};
  };
  const option = (label, name, options) => choice(
    label, options, () => state[name], value => change({[name]: value}));
  const fields = [
    option('activation', 'activation', Object.keys(FUNCTIONS)),
    whole('depth', 1, 40), whole('width', 2, 128),
    option('show', 'measure', MEASURES)];
  const slider = h('input', {
    'type': 'range', 'min': 0.5, 'max': 3, 'step': 0.01,
    'aria-label': 'gain, slider', 'oninput': () => change(
      {gain: +slider.value})});
  const gain = h('input', {
    'type': 'text', 'inputmode': 'decimal', 'autocomplete': 'off',
    'class': 'gain', 'aria-label': 'gain',
    'onchange': () => asked.attempt(
      () => change({gain: readGain(gain.value)}), gain)});
  const told = h('p', {'class': 'told', 'aria-live': 'polite'});
  const picture = chart(
    'Size or difference of the outputs, by layer', {name: 'layer', least: 0},
    {name: 'root mean square', log: true});

  function draw(next) {
    state = next;
    const result = compute(state), {seeds, mean, theory} = result;
    const {depth, gain: g, width} = state;
    fields.forEach(({set}) => set());
    slider.max = state.activation === 'sigmoid' ? 10 : 3;
    slider.value = g;
    gain.value = g;
    gain.removeAttribute('aria-invalid');
    const points = line => line.map((y, x) => [x, y]);
    picture.draw([
      ...seeds.map((line, n) => ({name: `seed ${state.first + n}`, color: 0,
                                  faint: true, points: points(line)})),
      {name: 'theory', color: 1, points: points(theory)},
      {name: 'mean', color: 0, points: points(mean)}]);
    const step = line => depth > 1
      ? (line[depth] / line[1]) ** (1 / (depth - 1)) : line[1];
    told.replaceChildren(
      h('b', null, `Layer ${depth}: ${exact(mean[depth])}`),
      `, the theory says ${exact(theory[depth])}. From layer to layer it is ` +
      `multiplied by ${exact(step(mean))} (theory ${exact(step(theory))}).`,
      h('br'), `Each weight has the variance ${g}² / ${width} = ${
        exact(g * g / width)}.`);
    return result;
  }

  const asked = asking('signal', {start: START, questions: QUESTIONS, write,
                                  read, draw});
  asked.run(
    place, 'Signal: random layers',
    h('div', {class: 'row signal'}, fields.map(({element}) => element)),
    h('div', {class: 'row signal'},
      h('span', {'aria-hidden': 'true'}, 'gain'), slider, gain,
      press('other seeds', () => change(
        {first: state.first % 996 + SEEDS.length}))),
    asked.fault, told, picture.element,
    h('p', {class: 'hint'}, `${INPUTS} random inputs go through dense layers ` +
      'without biases. The five faint lines are five seeds. Size: the root of ' +
      'the mean square of a layer’s outputs, before the activation. ' +
      'Difference: how much they differ between the inputs, as in the figure ' +
      'above. The theory is for very wide layers.'));
}
