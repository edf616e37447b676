// Mixer: a 1x1 convolution with three weights, on the dyed pullover of 7.4 and
// on its photograph.
import {conv2d, tensor} from './forward.mjs';
import {asking} from './asking.mjs';
import {add, choice, dress, h, inBrackets, load, readNumber, readWhole, show}
  from './parts.mjs';
import {entry, keepsRange, picture, scaleOf, strip} from './pixels.mjs';

const COLOURS = ['red', 'green', 'blue'];
// Rows and columns of the pictures.
const SIZES = {'boot and pullover': [28, 56], 'photograph': [64, 54]};
const [GARMENTS, PHOTO] = Object.keys(SIZES);
const WALL = [10, 48];  // a pixel of the blue wall
const RED = [1, 0.25, 0.25];  // the chapter's: 1, -0.5, -0.5 around grey
const PRESETS = {
  'brightness': [1, 1, 1], 'redness': [1, -0.5, -0.5], 'red only': [1, 0, 0],
  'JPEG grey': [0.299, 0.587, 0.114],
  'JPEG blueness': [-0.169, -0.331, 0.5],
  'JPEG redness': [0.5, -0.419, -0.081],
};

const style = `
.live .mix {
  display: grid;
  gap: 0.5rem 0.8rem;
  grid-template-columns: repeat(6, minmax(0, 1fr));
  margin: 0.6rem 0;
}
.live .mix > * {
  grid-column: span 2;
}
.live .mix > :nth-child(-n + 2) {
  grid-column: span 3;
}
.live .mix.tall {
  grid-template-columns: repeat(10, minmax(0, 1fr));
}
.live .mix.tall > :nth-child(n) {
  grid-column: span 2;
}
.live .levels {
  align-items: center;
  display: flex;
  flex-wrap: wrap;
  gap: 0.2rem 0.9rem;
}
.live .levels > :first-child {
  min-width: 5.5rem;
}
.live .levels label span {
  min-width: 2.4rem;
}
.live .levels input[type="range"] {
  width: 4.6rem;
}
.live input[type="color"] {
  background: none;
  border: 1px solid var(--color-foreground-border);
  border-radius: 0.3rem;
  cursor: pointer;
  height: 2rem;
  padding: 0.1rem;
  width: 3rem;
}
@container (max-width: 34rem) {
  .live .levels > :first-child {
    flex-basis: 100%;
  }
  .live .levels label span {
    min-width: 2.9rem;
  }
  .live .levels input[type="range"] {
    width: 9rem;
  }
  .live .mix.tall {
    grid-template-columns: repeat(6, minmax(0, 1fr));
  }
  .live .mix.tall > :nth-child(-n + 2) {
    grid-column: span 3;
  }
}`;

// Three channels: a boot and a pullover on grey, the boot dyed white.
export const dyed = (garments, colour) => colour.flatMap(c => Array.from(
  garments, (g, p) => 0.5 + (p % 56 < 28 ? 0.5 : c - 0.5) * g / 255));

// What each channel adds to the mixture, and the mixture.
export function mix(X, [rows, columns], k) {
  const area = rows * columns;
  const image = tensor([1, 3, rows, columns], X);
  return [...k.map((w, c) => conv2d(
    tensor([1, 1, rows, columns], X.slice(c * area, (c + 1) * area)),
    tensor([1, 1, 1, 1], [w]), null).data),
  conv2d(image, tensor([1, 3, 1, 1], k), null).data];
}

const dot = (k, x) => add(k.map((w, c) => w * x[c]));
// By how much the mixture of a colour differs from that of the grey behind it.
const contrast = ({k, colour}) => dot(k, colour.map(c => c - 0.5));
const spread = colour => Math.max(...colour) - Math.min(...colour);
const same = (a, b) => a.every((x, c) => x === b[c]);

const QUESTIONS = [{
  ask: 'These weights see the red pullover, and not the white boot. Dye the ' +
       'pullover in a colour to which they are blind. (No grey: that is easy.)',
  solved: state => same(state.k, PRESETS.redness) &&
    Math.abs(contrast(state)) < 0.015 && spread(state.colour) > 0.2,
  answer: 'Found. What red adds, green and blue take away. With three ' +
          'channels and one kernel there is always such a colour.',
  near: ({colour, k}) => same(k, PRESETS.redness) ? '' :
    'Here the weights stay 1, −0.5 and −0.5: change the colour.',
}, {
  ask: 'Now the other way round: the pullover stays red. Find weights that ' +
       'are blind to it and still see the boot.',
  state: {k: PRESETS['red only']},
  solved: state => same(state.colour, RED) &&
    Math.abs(contrast(state)) < 0.015 && Math.abs(add(state.k)) > 0.2,
  answer: 'Found: the weight of red equals the mean of the other two. Many ' +
          'weights do that.',
}, {
  ask: 'Turn the photograph into a grey picture in which black stays black ' +
       'and white stays white. Every channel has to count.',
  state: {shown: PHOTO, k: [0.2, 0.2, 0.2], at: WALL},
  solved: ({k}) => k.every(w => w > 0) && Math.abs(add(k) - 1) < 0.005,
  answer: 'Found: positive weights that add up to 1. JPEG gives green the ' +
          'largest, since our eyes see it as the brightest.',
  near: ({k}) => k.every(w => w > 0) ? '' : 'Make all three weights positive.',
}, {
  ask: 'Find weights that give 0 for every grey, and a positive number for ' +
       'the blue wall.',
  state: {shown: PHOTO, k: [0, 0, 1], at: WALL},
  solved: ({k}, X) => Math.abs(add(k)) < 0.005 && dot(k, COLOURS.map(
    (_, c) => X[(64 * c + WALL[0]) * 54 + WALL[1]])) > 0.05,
  answer: 'Found. Weights that add up to 0 cancel in every grey; what is ' +
          'left is colour.',
  near: ({k}) => Math.abs(add(k)) < 0.005 ? 'Greys give 0 now. The wall does ' +
    'not give a positive number yet.' : '',
}];
const START = {shown: GARMENTS, k: PRESETS.redness, colour: RED, at: [14, 42]};

const write = ({shown, k, colour, at}) => [
  Object.keys(SIZES).indexOf(shown), ...[k, colour].map(
    numbers => numbers.map(x => +x.toFixed(4))), at].join('/');

function read(text) {
  const [which, k, colour, at] = text.split('/');
  const whole = (text, most) => readWhole(text ?? '', 'A number', 0, most);
  const three = text => {
    const parts = (text ?? '').split(',');
    if (parts.length !== 3) throw new RangeError('There are three channels.');
    return parts.map(x => readNumber(x, 'A number'));
  };
  const shown = Object.keys(SIZES)[whole(which, 1)], [i, j] = (at ?? '')
    .split(',');
  const state = {shown, k: three(k), colour: three(colour), at: [
    whole(i, SIZES[shown][0] - 1), whole(j, SIZES[shown][1] - 1)]};
  if (state.colour.some(c => c < 0 || c > 1)) {
    throw new RangeError('A colour has numbers from 0 to 1.');
  }
  return state;
}

export default async function mixer(place, {bytes}) {
  dress('mixer', style);
  const garments = new Uint8Array(await load('mixer', bytes));
  let state, photo, X, maps, pictures, loading;

  const choose = (at, stays) => stays ? change({at}) : point(at ?? state.at);
  const fixed = c => c.toFixed(2);
  // Sliders, one for each channel.
  const levels = (name, least, key) => COLOURS.map((colour, c) => {
    const set = x => change({[key]: state[key].with(c, x)});
    const slider = h('input', {
      'type': 'range', 'min': least, 'max': 1, 'step': 0.05,
      'aria-label': `${name} of ${colour}`, 'oninput': () => set(
        +slider.value)});
    return {slider, set, element: h('label', null, h(
      'span', {'aria-hidden': 'true'}, colour), slider)};
  });
  const weights = levels('slider of the weight', -1, 'k');
  const dyes = levels('amount', 0, 'colour');
  const entries = weights.map(({set}, c) => entry(
    `weight of ${COLOURS[c]}`, (text, input) => attempt(
      () => set(readNumber(text, 'A weight')), input)));
  const amounts = dyes.map(() => h('span', null));
  const picker = h('input', {
    'type': 'color', 'aria-label': 'colour of the pullover',
    'oninput': () => change({colour: [1, 3, 5].map(
      i => parseInt(picker.value.slice(i, i + 2), 16) / 255)})});
  const preset = choice(
    'weights', Object.keys(PRESETS), () => Object.keys(PRESETS).find(
      name => same(PRESETS[name], state.k)) ?? '',
    name => change({k: PRESETS[name]}));
  const which = choice('picture', Object.keys(SIZES), () => state.shown,
                       shown => change({shown, at: shown === PHOTO ? WALL
                         : START.at}));
  const stage = h('div', {class: 'mix'}), scale = strip();
  const total = h('span', null), dye = h('div', null);
  const seen = h('p', null);
  const told = h('p', {'class': 'told', 'aria-live': 'polite'});

  const product = x => state.k.map((w, c) => `${inBrackets(w)} · ${
    show(x[c])}`).join(' + ') + ` = ${show(dot(state.k, x))}`;

  function point([i, j]) {
    const [rows, columns] = SIZES[state.shown];
    const x = COLOURS.map((_, c) => X[(c * rows + i) * columns + j]);
    pictures.forEach(one => one.frame([i, j]));
    told.textContent = `Pixel [${i}, ${j}]: ${product(x)}`;
    return show(dot(state.k, x));
  }

  // Pictures of the size that is shown, made anew when it changes.
  function makePictures() {
    const [rows, columns] = SIZES[state.shown], [, r, g, b, y] = pictures = [
      'picture', ...COLOURS.map(colour => `part of ${colour}`), 'mixture'].map(
      (name, p) => picture(name, rows, columns, p % 4 ? null : choose));
    stage.className = rows > columns ? 'mix tall' : 'mix';
    stage.dataset.shown = state.shown;
    stage.replaceChildren(...[pictures[0], y, r, g, b].map((one, p) => h(
      'div', null, h('div', {class: 'name'}, p > 1 ? COLOURS[p - 2] + ' part'
        : ['picture', 'mixture'][p]), one.element)));
  }

  // The photograph is loaded when it is asked for first.
  function wait() {
    told.textContent = 'The photograph is being loaded.';
    loading ??= load('photograph', 3 * 64 * 54).then(buffer => {
      photo = Array.from(new Uint8Array(buffer), x => x / 255);
      change({});
    }, error => {
      change({shown: GARMENTS, at: START.at});
      attempt(() => { throw new RangeError(error.message); }, null,
              'The photograph could not be loaded: ');
    }).finally(() => { loading = null; });
  }

  function draw(next) {
    state = next;
    const {shown, k, colour, at} = state;
    if (shown === PHOTO && !photo) return wait();
    X = shown === PHOTO ? photo : dyed(garments, colour);
    if (stage.dataset.shown !== shown) makePictures();
    const area = X.length / 3;
    maps = mix(X, SIZES[shown], k);
    const shades = scaleOf(maps.flatMap(map => [...map]), keepsRange(k));
    pictures[0].paint([...maps[0].keys()], p => COLOURS.map(
      (_, c) => 255 * X[c * area + p]));
    maps.forEach((map, m) => pictures[m + 1].paint(map, shades.color));
    scale.set(shades);
    [preset, which].forEach(({set}) => set());
    weights.forEach(({slider}, c) => {
      slider.value = k[c];
      entries[c].set(k[c]);
    });
    dyes.forEach(({slider}, c) => {
      slider.value = colour[c];
      amounts[c].textContent = fixed(colour[c]);
    });
    picker.value = `#${colour.map(c => Math.round(255 * c).toString(16)
      .padStart(2, '0')).join('')}`;
    total.textContent = `Sum of the weights: ${show(add(k))}.`;
    dye.hidden = shown === PHOTO;
    seen.textContent = `The mixture of this colour: ${product(colour)}; of ` +
      `the grey behind it: ${show(0.5 * add(k))}.`;
    const value = point(at);
    [pictures[0], pictures[4]].forEach(one => one.at(at, value));
    return X;
  }

  const {attempt, change, run} = asking(
    'mixer', {start: START, questions: QUESTIONS, write, read, draw});
  const row = (...parts) => h('div', {class: 'row'}, parts);
  dyes.forEach(({element}, c) => element.append(amounts[c]));
  dye.append(h('div', {class: 'row levels'}, h('label', null, 'dye', picker),
               dyes.map(({element}) => element)), seen);
  run(place, 'Mixer: one number from three channels',
      row(which.element, preset.element), stage, row(scale.element, total),
      h('div', {class: 'levels', role: 'group', 'aria-label': 'weights'},
        h('span', null, 'weights'), weights.map(({element}, c) => h(
          'div', {class: 'field'}, element, entries[c].element))),
      dye, told);
}
