// Rows: from which pixels an output is computed, and by which weights, in four
// layers from fully connected to convolution; and how many weights each has.
import {linear, tensor} from './forward.mjs';
import {asking} from './asking.mjs';
import {ARROWS, dress, field, h, press, readWhole, show, signed, tick}
  from './parts.mjs';
import {picture, plus, strip, table} from './pixels.mjs';

const SIDE = 8, MOST = 0.9;
const KINDS = [['fully connected', false, false], ['shared', true, false],
               ['local', false, true], ['shared and local', true, true]].map(
  ([name, shared, local]) => ({name, shared, local}));
const SHAPE = ['110', '100', '110', '100'];  // 1 is white
const WAYS = ['left', 'up', 'down', 'right'];
const places = Array.from({length: SIDE * SIDE}, (_, place) => [
  Math.floor(place / SIDE), place % SIDE]);

const style = `
.live .kinds {
  display: grid;
  gap: 0.9rem 0.7rem;
  grid-template-columns: repeat(5, minmax(0, 1fr));
  margin: 0.6rem 0;
}
.live .kinds b {
  line-height: 1.3;
}
.live .kind {
  align-content: start;
  display: grid;
  gap: 0.25rem;
  grid-template-columns: minmax(0, 1fr);
}
.live .kind label {
  min-height: 1.5rem;
}
.live .kind b {
  min-height: 2.6em;
}
.live .pad {
  display: inline-flex;
  gap: 0.25rem;
}
.live .pad button {
  min-width: 2rem;
  padding: 0;
}
.live .sides input[type="text"] {
  width: 3rem;
}
.live .counts {
  --longest: 1;
  font-size: 0.875rem;
  line-height: 1.5;
  margin: 0.4rem 0;
}
.live .counts :is(td, th) {
  background: none;
  border: 0;
  border-bottom: 1px solid var(--color-background-border);
  cursor: auto;
  height: auto;
  max-width: none;
  padding: 0.15rem 0.8rem 0.15rem 0;
  text-align: left;
}
.live .counts :is(td, th + th) {
  text-align: right;
}
.live .sums {
  list-style: none;
  margin: 0;
  min-height: 6em;
  padding: 0;
}
@container (max-width: 34rem) {
  .live .kinds {
    gap: 0.5rem;
    grid-template-columns: repeat(4, minmax(0, 1fr));
  }
  .live .kind :is(b, label) {
    font-size: 0.75rem;
  }
  .live .kind:first-child {
    column-gap: 0.8rem;
    grid-column: span 4;
    grid-template-columns: 40% minmax(0, 1fr);
  }
  .live .kind:first-child > * {
    grid-column: 2;
    min-height: 0;
  }
  .live .kind:first-child > .pixels {
    grid-area: 1 / 1 / span 6;
  }
}`;

// A weight at random, from -0.9 to 0.9, that its place alone decides.
function random(...place) {
  let mixed = 7;
  for (const n of place) {
    mixed = Math.imul(mixed ^ (n + 31), 0x9e3779b1);
    mixed ^= mixed >>> 15;
  }
  return ((mixed >>> 8) % 19 - 9) / 10;
}

// The weights of output [i, j] from all pixels: those that are shared know only
// the offset from the output to the pixel, local ones are zero far away.
export function weightsOf({shared, local}, [i, j], radius) {
  return places.map(([k, l]) => {
    const [a, b] = [k - i, l - j];
    if (local && Math.max(Math.abs(a), Math.abs(b)) > radius) return 0;
    return shared ? random(a, b) : random(i, j, k, l);
  });
}

// How many weights lead from n x n pixels to n x n outputs. At the border a
// window is cut off, so that there are fewer local ones.
export function countOf({shared, local}, n, radius) {
  const offsets = 2 * (local ? radius : n - 1) + 1;
  if (shared) return offsets ** 2;
  return (local ? n * offsets - radius * (radius + 1) : n * n) ** 2;
}

// The image, moved; what leaves it is lost.
export const imageOf = (dy, dx) => places.map(
  ([i, j]) => +(SHAPE[i - 2 - dy]?.[j - 2 - dx] ?? 0));

export const outputsOf = (kind, image, radius) => linear(
  tensor([1, SIDE * SIDE], image), tensor(
    [SIDE * SIDE, SIDE * SIDE],
    places.flatMap(place => weightsOf(kind, place, radius))), null).data;

const many = n => n.toLocaleString('en-US');
const rightTicks = ({ticks}) => KINDS.every(
  ({shared}, k) => shared === ticks[k]);
const counted = ({n, radius}) => KINDS.map(
  kind => countOf(kind, n, radius));
const near = state => state.ticks.filter(on => on).length > 1
  ? 'Not these yet. Move it by one pixel and back, and compare.' : '';

const QUESTIONS = [{
  ask: 'Every output has a picture of weights. Move the output. Which of the ' +
       'four layers carry their picture along, unchanged? Tick them.',
  solved: rightTicks, near,
  answer: 'Right. A shared weight depends only on the offset between output ' +
          'and pixel, so the picture moves with the output and is only cut ' +
          'off at the border. A local layer moves its window, but the ' +
          'weights in it are new each time.',
}, {
  ask: 'What does each demand save? Count the weights for an image of one ' +
       'megapixel.',
  solved: ({n}) => n === 1000,
  answer: state => {
    const [full, shared, local, both] = counted(state).map(many);
    return `Of ${full} weights sharing alone leaves ${shared}, locality ` +
      `alone ${local}, and both together ${both}. Only the last number does ` +
      'not depend on the size of the image.';
  },
}, {
  ask: 'Here sharing alone leaves fewer weights than locality alone. Is ' +
       'there a radius at which it is the other way round?',
  solved: state => counted(state)[2] < counted(state)[1],
  answer: 'Only radius 0, where an output reads a single pixel. From radius ' +
          '1 on sharing saves more, at any size of the image.',
}, {
  ask: 'Now move the image. Which of the four outputs move along with it and ' +
       'are otherwise the same? Tick them.',
  solved: rightTicks, near,
  answer: 'Right, and they are the same two. Sharing makes a layer ' +
          'equivariant; locality alone does not.',
}];
const START = {at: [3, 3], dy: 0, dx: 0, n: 28, radius: 1,
               ticks: [false, false, false, false]};

const write = ({at, dy, dx, n, radius, ticks}) => [
  at, dy, dx, n, radius, ticks.map(Number).join('')].join('/');

function read(text) {
  const [at, dy, dx, n, radius, ticks] = text.split('/');
  const whole = (text, least, most) => readWhole(
    text ?? '', 'A number', least, most);
  const [i, j] = (at ?? '').split(',');
  return {
    at: [whole(i, 0, SIDE - 1), whole(j, 0, SIDE - 1)],
    dy: whole(dy, -2, 2), dx: whole(dx, -2, 4), n: whole(n, SIDE, 1000),
    radius: whole(radius, 0, SIDE - 1),
    ticks: KINDS.map((_, k) => ticks?.[k] === '1')};
}

export default function rows(place) {
  dress('rows', style);
  let state, image, all;

  const choose = (at, stays) => stays ? change({at}) : point(at ?? state.at);
  const source = picture('image', SIDE, SIDE);
  const cards = KINDS.map((kind, k) => {
    const shown = picture(`weights, ${kind.name}`, SIDE, SIDE);
    const output = picture(`output, ${kind.name}`, SIDE, SIDE, choose);
    const value = h('span', null);
    const ticked = tick('moves along', () => state.ticks[k], on => change(
      {ticks: state.ticks.with(k, on)}));
    return {kind, shown, output, value, ticked, element: h(
      'div', {class: 'kind'}, h('b', null, kind.name), h(
        'span', {class: 'name'}, 'weights'), shown.element,
      h('span', {class: 'name'}, 'output'), output.element, value,
      ticked.element)};
  });
  const strips = [strip(), strip()];
  const pad = (name, move) => h(
    'span', {'class': 'pad', 'role': 'group', 'aria-label': name}, name,
    Object.values(ARROWS).map(([a, b], way) => press(
      '←↑↓→'[way], () => move(a, b), `${name} ${WAYS[way]}`)));
  const inside = (x, least, most) => Math.max(least, Math.min(most, x));
  const moves = h(
    'div', {class: 'row'},
    pad('move the output', (a, b) => change({at: [
      inside(state.at[0] + a, 0, SIDE - 1),
      inside(state.at[1] + b, 0, SIDE - 1)]})),
    pad('move the image', (a, b) => change({
      dy: inside(state.dy + a, -2, 2), dx: inside(state.dx + b, -2, 4)})));
  const size = (name, key, least) => {
    const made = field(name, (text, input) => attempt(() => change(
      {[key]: readWhole(text, name, least, key === 'n' ? 1000 : SIDE - 1)}),
    input));
    return {...made, set: () => made.set(state[key])};
  };
  const sizes = [size('radius', 'radius', 0), size('image side', 'n', SIDE)];
  const presets = [SIDE, 28, 224, 1000].map(n => press(
    many(n), () => change({n}), `image side ${many(n)}`));
  const heads = [h('th', {scope: 'col'}), h('th', {scope: 'col'})];
  const counts = KINDS.map(() => [h('td', null), h('td', null)]);
  const where = h('p', null);
  const sums = h('ul', {'class': 'sums', 'aria-live': 'polite'});
  const scroll = h('div', {class: 'tables',
                           style: `--columns: ${SIDE}; --longest: 5`});
  const numbers = h('details', {ontoggle: () => fill()},
                    h('summary', null, 'The weights of this output as numbers'),
                    scroll);

  function fill(at = state.at) {
    if (!numbers.open) return;
    scroll.replaceChildren(...KINDS.map(kind => {
      const weights = weightsOf(kind, at, state.radius);
      return h('div', null, h('div', {class: 'name'}, kind.name), table(
        `weights, ${kind.name}`, Array.from({length: SIDE}, (_, i) =>
          weights.slice(SIDE * i, SIDE * (i + 1))), MOST));
    }));
  }

  // What one output is computed from.
  function point(at) {
    source.frame(at);
    where.textContent = `Output [${at.join(', ')}]:`;
    sums.replaceChildren(...cards.map(({kind, shown, output, value}, k) => {
      const weights = weightsOf(kind, at, state.radius);
      const result = show(all[k][at[0] * SIDE + at[1]]);
      shown.paint(weights, signed(MOST));
      [shown, output].forEach(one => one.frame(at));
      value.textContent = `= ${result}`;
      return h('li', null, h('b', null, `${kind.name}: `), `${
        plus(weights.filter((_, p) => image[p]))} = ${result}`);
    }));
  }

  function draw(next) {
    state = next;
    const {at, dy, dx, n, radius} = state;
    image = imageOf(dy, dx);
    all = KINDS.map(kind => outputsOf(kind, image, radius));
    const most = Math.max(...all.flatMap(data => [...data]).map(Math.abs));
    source.paint(image, x => [255 * x, 255 * x, 255 * x]);
    cards.forEach(({output, ticked, kind}, k) => {
      output.paint(all[k], signed(most));
      output.at(at, show(all[k][at[0] * SIDE + at[1]]));
      ticked.set();
      counts[k][0].textContent = many(countOf(kind, SIDE, radius));
      counts[k][1].textContent = many(countOf(kind, n, radius));
    });
    strips.forEach((one, s) => {
      const end = [MOST, most][s];
      one.set({least: -end, most: end, color: signed(end)});
    });
    [SIDE, n].forEach((n, c) => {
      heads[c].textContent = `${many(n)} × ${many(n)}${c ? '' : ', drawn'}`;
    });
    sizes.forEach(({set}) => set());
    point(at);
    fill();
    return true;
  }

  const {attempt, change, run} = asking(
    'rows', {start: START, questions: QUESTIONS, write, read, draw});
  run(place, 'Rows: the weights of one output',
      h('div', {class: 'kinds'}, h(
        'div', {class: 'kind'}, h('b', null, 'image'), h(
          'span', {class: 'name'}, 'black 0, white 1'), source.element,
        h('span', {class: 'name'}, 'weights'), strips[0].element,
        h('span', {class: 'name'}, 'output'), strips[1].element),
      cards.map(({element}) => element)), moves,
      h('p', {class: 'hint'}, 'Choose an output: click it, or use the arrow ' +
        'keys. The image is 1 on six pixels and 0 elsewhere, so an output is ' +
        'the sum of six weights.'), where, sums, numbers,
      h('div', {class: 'row sides'}, sizes.map(({element}) => element),
        presets),
      h('table', {'class': 'counts', 'aria-label': 'number of weights'}, h(
        'tbody', null, h('tr', null, h('th', {scope: 'col'}, 'weights'), heads),
        KINDS.map(({name}, k) => h('tr', null, h(
          'th', {scope: 'row'}, name), counts[k])))));
}
