// Kernels: a 3x3 kernel on the photograph of 7.2, and how each pixel of its map
// is computed.
import {conv2d, tensor} from './forward.mjs';
import {asking} from './asking.mjs';
import {offer} from './data.mjs';
import {add, choice, dress, grey, h, press, readNumber, readWhole, show, tick}
  from './parts.mjs';
import {entry, keepsRange, picture, plus, scaleOf, strip, table}
  from './pixels.mjs';

const ROWS = 96, COLUMNS = 82, MOST = 12 * 255;  // twelve bytes make a pixel
const SIDES = [0, 1, 2];
const PRESETS = {
  'mean': Array(9).fill(1 / 9),
  'Gaussian': [1, 2, 1, 2, 4, 2, 1, 2, 1].map(x => x / 16),
  'sharpen': [0, -1, 0, -1, 5, -1, 0, -1, 0],
  'Sobel': [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  'Laplacian': [0, 1, 0, 1, -4, 1, 0, 1, 0],
  'Roberts': [1, 0, 0, 0, -1, 0, 0, 0, 0],
};

const style = `
.live .pair {
  display: grid;
  gap: 0.3rem 1rem;
  grid-template-columns: repeat(2, minmax(0, 17rem));
}
.live .equation {
  --longest: 5;
  --side: 2.4rem;
  align-items: end;
  display: flex;
  flex-wrap: wrap;
  gap: 0.4rem 0.7rem;
  margin: 0.6rem 0;
}
.live .equation td {
  cursor: auto;
}
.live .equation > span {
  font-size: 1.3rem;
  line-height: 7.2rem;
}
.live .kernel {
  display: grid;
  grid-template-columns: repeat(3, var(--side));
}
.live .kernel input.entry[type="text"] {
  border-radius: 0;
  font-size: 0.8125rem;
  height: var(--side);
  padding: 0;
  width: 100%;
}
@container (max-width: 30rem) {
  .live .equation {
    column-gap: 0.4rem;
  }
  .live .pair {
    column-gap: 0.5rem;
  }
}`;

export const mapOf = (X, rows, columns, K) => conv2d(
  tensor([1, 1, rows, columns], X), tensor([1, 1, 3, 3], K), null).data;

// The largest response to a soft edge of each of twelve directions, as a share
// of the largest of all.
export function weakest(K) {
  const strongest = Array.from({length: 12}, (_, turn) => {
    const angle = Math.PI * turn / 12;
    const edge = Array.from({length: 225}, (_, place) => {
      const across = Math.cos(angle) * (place % 15 - 7) +
        Math.sin(angle) * (Math.floor(place / 15) - 7);
      return 1 / (1 + Math.exp(-across));
    });
    return Math.max(...mapOf(edge, 15, 15, K).map(Math.abs));
  });
  return Math.min(...strongest) / (Math.max(...strongest) || 1);
}

const level = K => Math.abs(add(K)) < 1e-6;
const column = (K, j) => K[j] + K[3 + j] + K[6 + j];
const only = (K, place) => K.every((x, p) => x === +(p === place));

const QUESTIONS = [{
  ask: 'Sobel draws the sides of the collar and misses the brim of the cap. ' +
       'Find one kernel that draws edges of all directions, and nothing ' +
       'where the picture is uniform.',
  solved: ({K}) => level(K) && weakest(K) > 0.5,
  answer: 'Found. Its numbers add up to 0, and no direction is special. So ' +
          'it cannot say which direction it saw.',
}, {
  ask: 'This kernel blurs. Find one that leaves the picture as it is.',
  state: {K: PRESETS.mean},
  solved: ({K}) => only(K, 4),
  answer: 'Found. Each output reads one pixel, its own.',
  near: ({K}) => level(K) ? 'These numbers add up to 0, so only edges are left.'
    : K.filter(x => x).length === 1 && Math.max(...K) === 1
      ? 'Almost: it is the same picture, but moved by a pixel.' : '',
}, {
  ask: 'Now move the picture one pixel to the right, and change nothing ' +
       'else. Where must the 1 be?',
  state: {K: [0, 0, 0, 0, 1, 0, 0, 0, 0]},
  solved: ({K}) => only(K, 3),
  answer: 'Found, on the left: each output shows the pixel to the left of ' +
          'it, so the picture moves to the right.',
  near: ({K}) => only(K, 5) ? 'This moves it to the left: each output shows ' +
    'the pixel to the right of it.' : '',
}, {
  ask: 'The ReLU sets what is negative to 0. Sobel now draws only where the ' +
       'picture gets brighter from left to right. Draw only where it gets ' +
       'darker.',
  state: {relu: true},
  solved: ({K, relu}) => relu && level(K) && column(K, 2) <= 0 &&
    column(K, 0) >= 0 && column(K, 0) - column(K, 2) > 1e-6,
  answer: 'Found: the left column counts positive, the right one negative. ' +
          'The other sign would take a second kernel.',
}];
const START = {K: PRESETS.Sobel, relu: false, at: [13, 40]};

const write = ({K, relu, at}) => [
  K.map(x => +x.toFixed(4)), Number(relu), at].join('/');

function read(text) {
  const [K, relu, at] = text.split('/'), numbers = K.split(',');
  const whole = (text, most) => readWhole(text ?? '', 'A number', 0, most);
  if (numbers.length !== 9) throw new RangeError('A kernel has nine numbers.');
  const [i, j] = (at ?? '').split(',');
  const typed = numbers.map(x => readNumber(x, 'A number'));
  return {  // 0.1111 stands for the 1/9 of a preset
    K: Object.values(PRESETS).find(preset => preset.every(
      (x, p) => Math.abs(x - typed[p]) < 1e-4)) ?? typed,
    relu: !!whole(relu, 1), at: [whole(i, ROWS - 3), whole(j, COLUMNS - 3)]};
}

export default function kernels(place, {bytes}) {
  dress('kernels', style);
  offer(place, {
    name: 'kernels', label: 'Kernels on a photograph', what: 'photograph',
    bytes, ask: 'Sobel misses the brim of the cap. Is there one kernel for ' +
                'all edges?',
  }, buffer => {
    const sums = new DataView(buffer);
    alive(place, Float64Array.from({length: ROWS * COLUMNS}, (_, p) =>
      sums.getUint16(2 * p, true) / MOST));
  });
}

function alive(place, X) {
  let state, map;
  const choose = (at, stays) => {
    const inside = at && [Math.min(at[0], ROWS - 3),
                          Math.min(at[1], COLUMNS - 3)];
    if (stays) change({at: inside});
    else point(inside ?? state.at);
  };
  // A pixel of the photograph stands for the window around it.
  const source = picture('photograph', ROWS, COLUMNS, (at, stays) => choose(
    at && at.map(x => Math.max(0, x - 1)), stays));
  const output = picture('map', ROWS - 2, COLUMNS - 2, choose);
  const strips = [strip(), strip()], mapName = h('div', {class: 'name'});
  const same = K => Object.keys(PRESETS).find(
    name => PRESETS[name].every((x, p) => x === K[p]));
  const preset = choice('kernel', Object.keys(PRESETS),
                        () => same(state.K) ?? '',
                        name => change({K: PRESETS[name]}));
  const relu = tick('ReLU after it', () => state.relu,
                    on => change({relu: on}));
  const inputs = START.K.map((_, p) => entry(
    `K[${Math.floor(p / 3)}, ${p % 3}]`, (text, input) => attempt(
      () => change({K: state.K.with(p, readNumber(text, 'A weight'))}),
      input)));
  const [read3, products] = [h('div', null), h('div', null)];
  const told = h('p', {'class': 'told', 'aria-live': 'polite'});

  // The window, the products and the sum of one pixel of the map.
  function point([i, j]) {
    const nine = f => SIDES.map(a => SIDES.map(b => f(3 * a + b, a, b)));
    const window = nine((_, a, b) => X[(i + a) * COLUMNS + j + b]);
    const parts = nine((p, a, b) => state.K[p] * window[a][b]);
    const sum = add(parts.flat()), value = map[i * (COLUMNS - 2) + j];
    source.frame([i, j], 3);
    output.frame([i, j]);
    read3.replaceChildren(h('div', {class: 'name'}, 'window'),
                          table('window', window, 1));
    products.replaceChildren(
      h('div', {class: 'name'}, 'products'), table('products', parts, Math.max(
        ...parts.flat().map(Math.abs))));
    told.textContent = `Y[${i}, ${j}] = ${state.relu ? 'ReLU(' : ''}${
      plus(parts.flat().filter((_, p) => state.K[p])) || 0}${
      state.relu ? `) = ReLU(${show(sum)})` : ''} = ${show(value)}`;
    return show(value);
  }

  function draw(next) {
    state = next;
    const {K, relu: cut, at} = state;
    map = mapOf(X, ROWS, COLUMNS, K);
    if (cut) map = map.map(x => Math.max(x, 0));
    // As in the chapter: what adds up to 1 makes a picture.
    const whole = Math.abs(add(K) - 1) < 1e-6;
    const scale = scaleOf(map, whole || keepsRange(K));
    mapName.textContent = !whole || keepsRange(K) ? 'map'
      : 'map, cut off at 0 and 1';
    source.paint(X, grey);
    output.paint(map, scale.color);
    strips[0].set({least: 0, most: 1, color: grey});
    strips[1].set(scale);
    [preset, relu].forEach(({set}) => set());
    inputs.forEach(({set}, p) => set(K[p]));
    const value = point(at);
    source.at(at.map(x => x + 1), value);
    output.at(at, value);
    return true;
  }

  const {attempt, change, run} = asking(
    'kernels', {start: START, questions: QUESTIONS, write, read, draw});
  run(place, 'Kernels on a photograph',
      h('div', {class: 'row'}, preset.element, press('turn it', () => change({
        K: state.K.map((_, p) => state.K[3 * (2 - p % 3) + Math.floor(p / 3)]),
      }), 'turn the kernel by 90 degrees'), relu.element),
      h('div', {class: 'pair'}, [source, output].map(({element}, s) => h(
        'div', null, s ? mapName : h('div', {class: 'name'}, 'photograph'),
        element, strips[s].element))),
      h('p', {class: 'hint'}, 'Point at a pixel, or go there with the arrow ' +
        'keys. Type your own kernel.'),
      h('div', {class: 'equation'}, read3, h(
        'span', {'aria-hidden': 'true'}, '·'), h('div', null, h(
        'div', {class: 'name'}, 'kernel'), h('div', {
        'class': 'kernel', 'role': 'group', 'aria-label': 'kernel'},
      inputs.map(({element}) => element))), h(
        'span', {'aria-hidden': 'true'}, '='), products), told);
  output.element.focus({preventScroll: true});
}
