// Batch: an image among others, normalized by their mean or by the stored one:
// the recorded network of 8.5 tells what it sees.
import {avgPool, batchNorm, conv2d, flatten, linear, sigmoid, softmax, tensor}
  from './arithmetic.mjs';
import {asking} from './asking.mjs';
import {offer, readNetwork} from './data.mjs';
import {add, choice, dress, easel, field, grey, h, paintOn, press, readWhole,
        show} from './parts.mjs';
import {randomFrom} from './random.mjs';

const SIDE = 28, AREA = SIDE * SIDE, MOST = 64, OFFERED = 20, BINS = 24;
const NORMS = ['after convolution 1', 'after convolution 2', 'after dense 1',
               'after dense 2'];
const MODES = ['evaluation', 'training'];
const MIXED = 0, BAGS = 9, COPIES = 11;  // companies: mixed, ten classes
const PULLOVER = 2, BAG = 8, BOOT = 9;  // images
const START = {sample: BAG, size: 16, company: MIXED, mode: 1, drawn: 0,
               layer: 2, channel: 0};

// Each begins with a state and is solved by what comes of another.
const QUESTIONS = [{
  ask: 'Alone, this bag is clearly a bag. Can its company change its class? ' +
       'Choose the mode and what else is in the batch.',
  state: {mode: 0},
  solved: ({mode}, {best, alone}) => mode && best !== alone.best,
  answer: 'Found. No weight has changed. In training mode the whole batch ' +
          'sets the mean and the variance of each channel.',
}, {
  ask: 'One pullover among 15 bags. Which will training mode harm, the ' +
       'pullover or the bags? Predict, then change the mode.',
  state: {sample: PULLOVER, company: BAGS, mode: 0},
  solved: ({mode, sample, company, size}, {best, right}) => mode &&
    sample === PULLOVER && company === BAGS && best === PULLOVER &&
    right < size / 2,
  answer: 'The bags. What most of a batch has in common is in the mean, and ' +
          'is subtracted. What makes the pullover different is left.',
}, {
  ask: 'Among bags this bag is misclassified. Leave the batch as it is, and ' +
       'make it a bag again.',
  state: {company: BAGS},
  solved: ({mode, company, sample, size}) => !mode && size > 1 &&
    company === BAGS && sample === BAG,
  answer: 'Found. In evaluation mode each layer uses its stored mean and ' +
          'variance, whatever else is in the batch.',
}, {
  ask: 'In a mixed batch of two, chance decides. How many images must it ' +
       'have until all ten probabilities are within 5 points of evaluation ' +
       'mode?',
  state: {sample: BOOT, size: 2},
  solved: ({mode, company}, {p, alone}) => mode && company === MIXED &&
    p.every((x, i) => Math.abs(x - alone.p[i]) < 0.05),
  answer: 'Found. Does it hold for other companions, and for other images?',
}, {
  ask: 'Fill the batch with copies of the image, in training mode. Then ' +
       'choose another image. What changes?',
  solved: ({mode, company, sample, size}) => mode && company === COPIES &&
    sample !== BAG && size > 1,
  answer: 'Nothing. In a dense layer all copies have the same number, so ' +
          'number − mean is 0, and only the learned shift β is left.',
}];

const style = `
.live .samples {
  border: 0;
  display: grid;
  gap: 2px;
  grid-template-columns: repeat(10, minmax(0, 2.6rem));
  margin: 0.6rem 0;
  padding: 0;
}
.live .samples label {
  aspect-ratio: 1;
  border-radius: 0.2rem;
  cursor: pointer;
  overflow: hidden;
  position: relative;
}
.live .samples input {
  cursor: pointer;
  height: 100%;
  inset: 0;
  margin: 0;
  opacity: 0;
  position: absolute;
  width: 100%;
}
.live .samples label:has(:checked) {
  outline: 3px solid var(--color-brand-primary);
  outline-offset: -1px;
  z-index: 1;
}
.live .samples label:has(:focus-visible) {
  outline: 3px solid var(--color-good);
}
.live canvas {
  display: block;
  image-rendering: pixelated;
  width: 100%;
}
.live .batch {
  max-width: calc(2.1rem * var(--columns));
}
.live .ten {
  list-style: none;
  margin: 0.4rem 0;
  padding: 0;
}
.live .ten li {
  align-items: center;
  display: grid;
  gap: 0.5rem;
  grid-template-columns: 5.4rem minmax(0, 1fr) 3.6rem;
  line-height: 1.3rem;
  margin: 0;
}
.live .ten .best {
  font-weight: 650;
}
.live .ten span:last-child {
  text-align: right;
}
.live .bar {
  background: var(--color-background-border);
  border-radius: 0.15rem;
  height: 0.7rem;
  position: relative;
}
.live .bar b {
  background: var(--color-foreground-muted);
  border-radius: 0.15rem;
  display: block;
  height: 100%;
}
.live .best .bar b {
  background: var(--color-brand-primary);
}
.live .bar u {
  background: var(--color-foreground-primary);
  height: 1rem;
  position: absolute;
  top: -0.15rem;
  width: 2px;
}
.live .hist {
  border-bottom: 1px solid var(--color-foreground-border);
  height: 6rem;
  position: relative;
}
.live .hist > * {
  bottom: 0;
  position: absolute;
}
.live .hist span {
  background: var(--blue);
  width: calc(100% / ${BINS});
}
.live .hist b {
  border-left: 3px solid #e08a00;
  height: 100%;
}
.live .hist i {
  border-left: 2px dashed var(--color-foreground-primary);
  height: 100%;
}
.live .ends {
  display: flex;
  justify-content: space-between;
}
.live .two {
  display: grid;
  gap: 0.6rem 1rem;
  grid-template-columns: 1fr 1fr;
}
.live .two > * {
  min-width: 0;
}
.live .says {
  font-size: 1rem;
  min-height: 4.5em;
}
@container (max-width: 30rem) {
  .live .fields label {
    flex-wrap: wrap;
  }
  .live .fields select {
    flex-basis: 7rem;
  }
  .live .two {
    grid-template-columns: minmax(0, 1fr);
  }
}`;

// A network's file, with images from 0 to 1.
export function readBatch(buffer) {
  const network = readNetwork(buffer);
  return {...network, images: network.images.map(
    image => Array.from(image, x => x / 255))};
}

// Images through the network: what each normalization gets, makes of it and
// subtracts, and ten probabilities for each image.
export function run(images, weights, training) {
  const rest = [...weights], norms = [];
  let X = tensor([images.length, 1, SIDE, SIDE], images.flat());
  const layer = compute => {
    const before = compute(X, ...rest.splice(0, 2));
    const [gamma, beta, ...stored] = rest.splice(0, 4);
    // In training mode they would move: the network stays as it was recorded.
    const [mean, variance] = stored.map(({shape, data}) => tensor(shape, data));
    const parts = {gamma, beta, mean, variance};
    const {Y, Xhat} = batchNorm(before, parts, training);
    norms.push({before, after: Xhat, mean: stored[0], variance: stored[1]});
    X = sigmoid.forward(Y);
  };
  layer((X, K, bias) => conv2d(X, K, bias, {padding: 2}));
  X = avgPool(X, {size: 2});
  layer(conv2d);
  X = flatten(avgPool(X, {size: 2}));
  layer(linear);
  layer(linear);
  const {data} = softmax(linear(X, ...rest));
  return {norms, rows: images.map((_, i) => {
    const p = [...data.subarray(10 * i, 10 * i + 10)];
    return {p, best: p.indexOf(Math.max(...p))};
  })};
}

// The numbers 0 to n - 1 in an order that only the seed decides.
function shuffled(n, seed) {
  const random = randomFrom(seed);
  return Array.from({length: n}, (_, i) => [random(), i]).sort(
    ([a], [b]) => a - b).map(([, i]) => i);
}

// Which images are in the batch. A class with fewer than that begins again.
export function gather({sample, size, company, drawn}, classes) {
  const others = company === COPIES ? [sample] : shuffled(
    classes.length, drawn).filter(i => i !== sample &&
      (company === MIXED || classes[i] === company - 1));
  return Array.from({length: size}, (_, i) => i
    ? others[(i - 1) % others.length] : sample);
}

// A channel's numbers, of the whole batch or of its first image.
function channelOf({shape: [n, channels], data}, channel, images = n) {
  const area = data.length / n / channels;
  return Array.from({length: images}, (_, i) => {
    const start = (i * channels + channel) * area;
    return [...data.subarray(start, start + area)];
  }).flat();
}

function spread(values) {
  const mean = add(values) / values.length;
  return {mean, deviation: Math.sqrt(
    add(values.map(x => (x - mean) ** 2)) / values.length)};
}

// Numbers as a histogram between two ends, with lines at two places in it.
function drawHistogram(place, values, [least, most], line, dashed) {
  const counts = Array(BINS).fill(0), left = x => `left: ${x}%`;
  const at = x => 100 * (x - least) / (most - least);
  for (const x of values) {
    counts[Math.min(BINS - 1, Math.floor(at(x) / 100 * BINS))]++;
  }
  place.replaceChildren(...counts.map((count, i) => h('span', {style: `${
    left(100 * i / BINS)}; height: ${100 * count / Math.max(...counts)}%`})),
    h('i', {style: left(at(dashed))}), h('b', {style: left(at(line))}));
  place.nextSibling.replaceChildren(...[least, most].map(
    x => h('span', null, show(x))));
}

const percent = p => `${(100 * p).toFixed(1)} %`;

// The state in the address, and back.
const write = ({sample, size, company, mode, drawn, layer, channel}) =>
  [sample, size, company, mode, drawn, layer, channel].join('/');

function read(text, norms) {
  const parts = text.split('/');
  const whole = (i, least, most) => readWhole(
    parts[i] ?? '', 'A number', least, most);
  const layer = whole(5, 0, NORMS.length - 1);
  return {sample: whole(0, 0, OFFERED - 1), size: whole(1, 1, MOST),
          company: whole(2, 0, COPIES), mode: whole(3, 0, 1),
          drawn: whole(4, 0, 999), layer,
          channel: whole(6, 0, norms[layer] - 1)};
}

export default function batch(place, {bytes}) {
  offer(place, {
    name: 'batch', label: 'An image in a batch', what: 'network', bytes,
    ask: 'Can the other images of a batch change what the network sees in ' +
         'one of them?',
  }, buffer => mix(place, readBatch(buffer)));
  dress('batch', style);
}

function mix(place, {weights, images, labels, classes}) {
  const sizes = [2, 8, 14, 20].map(i => weights[i].shape[0]);
  let state;

  // What an image is in evaluation mode, in any company.
  const known = [];
  const alone = i => (known[i] ??= run([images[i]], weights, false).rows[0]);

  // Where nothing can be computed, all stays, and the fields say so.
  function change(changes) {
    asked.attempt(() => asked.change(changes));
    fields.forEach(({set}) => set());
  }

  const name = `batch-${Math.random()}`;
  const inputs = images.slice(0, OFFERED).map((_, i) => h('input', {
    'type': 'radio', name, 'aria-label':
    `${labels[classes[i]]} ${i < 10 ? 1 : 2}`,
    'onchange': () => change({sample: i})}));
  const samples = h('fieldset', {class: 'samples', 'aria-label': 'the image'},
                    inputs.map((input, i) => {
    const canvas = easel(SIDE, SIDE);
    paintOn(canvas, images[i], grey);
    return h('label', {title: labels[classes[i]]}, canvas, input);
  }));
  const companies = ['mixed', ...labels, 'copies'];
  const whole = (name, key, least, most) => {
    const made = field(name, (text, input) => asked.attempt(() => asked.change(
      {[key]: readWhole(text, name, least, most())}), input));
    return {...made, set: () => made.set(state[key])};
  };
  const option = (name, key, options) => choice(
    name, options, () => options[state[key]],
    one => change({[key]: options.indexOf(one)}));
  const fields = [
    option('mode', 'mode', MODES),
    whole('batch size', 'size', 1, () => MOST),
    option('company', 'company', companies)];
  const shown = [
    option('numbers', 'layer', NORMS),
    whole('channel', 'channel', 0, () => sizes[state.layer] - 1)];
  const others = press('other companions', () => change(
    {drawn: (state.drawn + 1) % 1000}));
  const picture = h('div', {class: 'batch', role: 'img'});
  const says = h('p', {'class': 'says', 'aria-live': 'polite'});
  const bars = labels.map(label => h(
    'li', null, h('span', null, label), h(
      'span', {class: 'bar', 'aria-hidden': 'true'}, h('b'), h('u')),
    h('span')));
  const told = [h('p'), h('p')];
  const charts = [h('div', {class: 'hist'}), h('div', {class: 'hist'})];

  // All images side by side, the chosen one framed.
  function paintBatch(members) {
    const columns = Math.min(10, members.length), tile = SIDE + 4;
    const rows = Math.ceil(members.length / columns);
    const pixels = Array(columns * rows * tile * tile);
    members.forEach((i, place) => {
      const top = Math.floor(place / columns) * tile;
      for (let r = 0; r < tile; r++) {
        for (let c = 0; c < tile; c++) {
          const inside = Math.min(r, c, tile - 1 - r, tile - 1 - c) > 1;
          pixels[(top + r) * columns * tile + place % columns * tile + c] =
            inside ? images[i][(r - 2) * SIDE + c - 2] : place ? -1 : -2;
        }
      }
    });
    const canvas = easel(columns * tile, rows * tile);
    paintOn(canvas, Array.from(pixels, x => x ?? -1), x =>
      x >= 0 ? grey(x) : x === -2 ? [255, 176, 46] : [0, 0, 0, 0]);
    picture.style.setProperty('--columns', columns);
    picture.replaceChildren(canvas);
    const counts = labels.map((label, c) => [members.filter(
      i => classes[i] === c).length, label]).filter(([n]) => n);
    picture.ariaLabel = `batch of ${members.length}: ` + counts.map(
      ([n, label]) => `${n} ${label}`).join(', ');
  }

  function paintNumbers(norms) {
    const {layer, channel: c, mode} = state;
    const {before, after, mean, variance} = norms[layer];
    const stored = {mean: mean.data[c],
                    deviation: Math.sqrt(variance.data[c])};
    const both = [before, after].map((numbers, i) => {
      const all = channelOf(numbers, c), found = spread(all);
      const own = spread(channelOf(numbers, c, 1)).mean;
      const used = i ? {mean: 0, deviation: 1} : mode ? found : stored;
      const ends = [-3, 3].map(n => used.mean + n * (used.deviation || 1));
      drawHistogram(charts[i], all, [Math.min(...all, ends[0]),
                                     Math.max(...all, ends[1])], own,
                    used.mean);
      return {...found, own};
    });
    const say = ({mean, deviation}) => `mean ${show(mean)}, deviation ${
      show(deviation)}`;
    told[0].textContent = `Batch: ${say(both[0])}${
      mode ? ', which are used' : ''}. Stored: ${say(stored)}${
      mode ? '' : ', which are used'}. The image: ${show(both[0].own)}.`;
    told[1].textContent = `Batch: ${say(both[1])}. The image: ${
      show(both[1].own)}.`;
  }

  function draw(next) {
    next.channel = Math.min(next.channel, sizes[next.layer] - 1);
    if (next.mode && next.size === 1) {
      throw new RangeError('In training mode a batch of one is refused: the ' +
        'only number of a dense channel is its own mean.');
    }
    state = next;
    const {sample, size, mode, company} = state;
    const members = gather(state, classes), base = alone(sample);
    const {norms, rows} = run(members.map(i => images[i]), weights, !!mode);
    const count = found => members.filter(
      (i, place) => found(i, place).best === classes[i]).length;
    const right = count((_, place) => rows[place]);
    const [{p, best}] = rows;

    inputs.forEach((input, i) => { input.checked = i === sample; });
    [...fields, ...shown].forEach(({set}) => set());
    others.hidden = company === COPIES;
    paintBatch(members);
    says.replaceChildren(
      h('b', null, `${labels[best]}, ${percent(p[best])}`),
      best === classes[sample] ? ', which is right.'
        : `. Its label is ${labels[classes[sample]]}.`,
      mode ? ` In evaluation mode: ${labels[base.best]}, ${
        percent(base.p[base.best])}.` : '', size > 1 ? ` Of the batch, ${
        right} of ${size} are classified correctly` + (mode
        ? `; in evaluation mode ${count(alone)}.` : '.') : '');
    bars.forEach((bar, i) => {
      const [, {firstChild: now, lastChild: was}, share] = bar.children;
      now.style.width = `${100 * p[i]}%`;
      was.style.left = `${100 * base.p[i]}%`;
      was.hidden = !mode;
      share.textContent = percent(p[i]);
      bar.className = i === best ? 'best' : '';
      bar.dataset.p = p[i];
    });
    paintNumbers(norms);
    return {p, best, right, alone: base};
  }

  const row = (...parts) => h('div', {class: 'row fields'}, parts);
  const asked = asking('batch', {start: START, questions: QUESTIONS, write,
                                 read: text => read(text, sizes), draw});
  asked.run(
    place, 'An image in a batch', samples,
    row(fields.map(({element}) => element), others), picture, asked.fault, says,
    h('ul', {class: 'ten', 'aria-label': 'ten outputs'}, bars),
    h('p', {class: 'hint'}, 'Bars: this mode. Lines across them: evaluation ' +
      'mode.'),
    row(shown.map(({element}) => element)),
    h('p', {class: 'hint'}, 'The numbers of this channel in the whole batch. ' +
      'Orange: the image, or the mean of its map. Dashed: the mean that is ' +
      'subtracted, 0 afterwards.'),
    h('div', {class: 'two'}, charts.map((element, i) => h(
      'div', null, h('div', {class: 'name'}, ['before the normalization',
        'after it'][i]), element, h('div', {class: 'ends name'}), told[i]))));
  inputs[state.sample].focus({preventScroll: true});
}
