// LeNet alive: the recorded network of 7.6, from an image that the reader
// chooses, draws or loads, through every map and unit, to ten probabilities.
import {avgPool, conv2d, flatten, linear, sigmoid, softmax, tensor}
  from './forward.mjs';
import {offer, readNetwork} from './data.mjs';
import {add, ARROWS, choice, dress, easel, field, fromAddress, grey, h,
        paintOn, press, readNumber, readWhole, show, tick} from './parts.mjs';

const SIDE = 28, AREA = SIDE * SIDE, FAR = 4, SQUARE = 8;
// A layer's maps, and the window by which each reads the layer before: size,
// stride and padding. 120 and 84 units are drawn in several rows.
const LAYERS = [
  ['convolution 1', 6, 28, 28, 5, 1, 2], ['pooling 1', 6, 14, 14, 2, 2, 0],
  ['convolution 2', 16, 10, 10, 5, 1, 0], ['pooling 2', 16, 5, 5, 2, 2, 0],
  ['dense 1', 1, 5, 24], ['dense 2', 1, 4, 21], ['output', 1, 10, 1],
].map(([name, maps, rows, columns, k, s, p]) => (
  {name, maps, rows, columns, k, s, p}));
const DENSE = 4, OUTPUT = 6;
// The receptive field on the image: where that of unit [0, 0] starts, its size,
// and by how much that of the next unit is further on.
LAYERS.slice(0, DENSE).reduce(({start, size, jump}, layer) => {
  const {k, s, p} = layer;
  layer.field = {start: start - p * jump, size: size + (k - 1) * jump,
                 jump: jump * s};
  return layer.field;
}, {start: 0, size: 1, jump: 1});

const PAINTS = ['as it is', 'one grey', 'one grey, gaps filled'];
const WAYS = ['left', 'up', 'down', 'right'];
const START = {sample: 7, pixels: null, photo: '', pen: false, dy: 0, dx: 0,
               paint: 0, grey: 0.5, cover: null, off: null, at: [2, 0, 5, 5],
               epoch: 10};

// Each begins with a state. `by` is the change that solves it, alone, when the
// class is no longer that of the unchanged image.
const QUESTIONS = [{
  ask: 'Which shift breaks it first? Move the image until the network says ' +
       'something else.',
  by: ({dy, dx}) => dy || dx,
}, {
  ask: 'Does it go by the pattern or by the outline? Paint the garment in ' +
       'one grey, and find a grey that changes the class.',
  state: {sample: 2}, by: ({paint}) => paint,
  answer: 'Found. The outline is the same: it also goes by brightness.',
}, {
  ask: 'Where must a grey square lie to change the class?',
  state: {sample: 3, cover: [0, 0]}, by: ({cover}) => cover,
  answer: 'Found. Move it on: where does it change next to nothing?',
}, {
  ask: 'Which map can the network not do without? Switch maps off.',
  state: {at: [0, 0, 13, 13]}, by: ({off}) => off,
  answer: 'Found. Without it the layers after it get other sums.',
}, {
  ask: 'Go back through its training: up to which epoch does it say nearly ' +
       'the same of every image?',
  solved: ({epoch}, {p}) => epoch && Math.max(...p) < 0.25,
  answer: 'Found: the plateau. Try it with other images.',
}, {
  ask: 'Draw something that it calls a trouser with more than 50 %.',
  state: {pixels: new Uint8Array(AREA), pen: true},
  solved: ({pixels, photo}, {p}) => pixels && !photo && p[1] > 0.5,
  answer: 'Found. It gives one of ten names to anything.',
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
  height: 100%;
  image-rendering: pixelated;
  width: 100%;
}
.live .stage {
  align-items: start;
  display: grid;
  gap: 0.75rem 1.25rem;
  grid-template-columns: 14rem minmax(0, 1fr);
  margin: 0.6rem 0;
}
.live .picture, .live .map {
  cursor: crosshair;
  overflow: hidden;
  position: relative;
}
.live .picture {
  aspect-ratio: 1;
  border-radius: 0.2rem;
  touch-action: none;
  user-select: none;
}
.live section i {
  border: 2px solid #ffb02e;
  box-shadow: 0 0 0 1px #0008;
  box-sizing: border-box;
  min-height: 5px;
  min-width: 5px;
  pointer-events: none;
  position: absolute;
}
.live i.spot {
  border-color: #ff5f4a;
}
.live .pad {
  display: inline-flex;
  gap: 0.25rem;
}
.live .pad button {
  min-width: 2rem;
  padding: 0;
}
.live .says {
  font-size: 1rem;
  min-height: 3em;
}
.live .bars {
  list-style: none;
  margin: 0;
  padding: 0;
}
.live .bars li {
  align-items: center;
  border-radius: 0.2rem;
  cursor: pointer;
  display: grid;
  gap: 0.5rem;
  grid-template-columns: 5.2rem minmax(0, 1fr) 3.4rem;
  line-height: 1.25rem;
  margin: 0;
  padding: 0 0.25rem;
}
.live .bars [aria-selected="true"] {
  outline: 2px solid var(--color-brand-primary);
}
.live .bars .best {
  font-weight: 650;
}
.live .bars span:last-child {
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
.live .layers {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem 1rem;
}
.live .layer {
  flex: 0 0 100%;
  min-width: 0;
}
.live .layer .name {
  white-space: normal;
}
.live .layer.dense {
  flex: 24 1 14rem;
}
.live .layer.dense + .dense {
  flex-grow: 21;
}
.live .maps {
  display: grid;
  gap: 3px;
  grid-template-columns: repeat(var(--wide), minmax(0, var(--most)));
}
.live .map {
  touch-action: manipulation;
}
.live .map.off::after {
  background: linear-gradient(to top right, transparent 48%,
    var(--color-wrong) 48% 52%, transparent 52%);
  content: "";
  inset: 0;
  position: absolute;
}
.live input[type="range"] {
  accent-color: var(--color-brand-primary);
  width: 7rem;
}
.live .unit input[type="text"] {
  width: 2.4rem;
}
@container (max-width: 38rem) {
  .live .maps {
    grid-template-columns: repeat(var(--narrow), minmax(0, var(--most)));
  }
  .live .stage {
    grid-template-columns: minmax(0, 1fr);
  }
  .live .picture {
    width: min(14rem, 78%);
  }
}`;

// Each layer's numbers for one image, and the sums that its sigmoid got. The
// map, or the unit, of a layer that is off gives zeros.
function run(image, weights, off) {
  const outputs = [], sums = [], rest = [...weights];
  let X = tensor([1, 1, SIDE, SIDE], image);
  LAYERS.forEach(({k, p: padding}, layer) => {
    if (layer === DENSE) X = flatten(X);
    X = k === 2 ? avgPool(X, {size: 2}) : k
      ? conv2d(X, ...rest.splice(0, 2), {padding})
      : linear(X, ...rest.splice(0, 2));
    sums.push(X);
    if (k !== 2 && layer < OUTPUT) X = sigmoid.forward(X);
    if (off?.[0] === layer) {
      const size = X.data.length / X.shape[1];
      X.data.fill(0, off[1] * size, (off[1] + 1) * size);
    }
    outputs.push(X);
  });
  const p = softmax(X).data;
  return {outputs, sums, p, best: p.indexOf(Math.max(...p))};
}

// A garment and its gaps: what a flood from the border does not reach.
function fillGaps(mask) {
  const wet = new Set(), next = [...mask.keys()].filter(place =>
    place < SIDE || place >= AREA - SIDE || place % SIDE % (SIDE - 1) === 0);
  while (next.length) {
    const place = next.pop();
    if (mask[place] !== false || wet.has(place)) continue;
    wet.add(place);
    next.push(place - 1, place + 1, place - SIDE, place + SIDE);
  }
  return mask.map((_, place) => !wet.has(place));
}

// The image that the network gets, from 0 to 1.
function prepare(pixels, {dy, dx, paint, grey, cover}) {
  let values = Array.from(pixels, x => x / 255);
  if (paint) {
    const mask = values.map(x => x > 0.05);
    values = (paint === 2 ? fillGaps(mask) : mask).map(on => on * grey);
  }
  return values.map((_, place) => {
    const i = Math.floor(place / SIDE), j = place % SIDE;
    const under = (x, start) => x >= start && x < start + SQUARE;
    if (cover && under(i, cover[0]) && under(j, cover[1])) return 0.5;
    return j - dx < 0 || j - dx >= SIDE ? 0
      : values[(i - dy) * SIDE + j - dx] ?? 0;
  });
}

// The state in the address, and back.
const write = ({sample, dy, dx, paint, grey, cover, off, at, epoch}) => [
  sample, dy, dx, paint, grey, cover ?? '', off ?? '', at, epoch].join('/');

function read(text, images) {
  const [sample, dy, dx, paint, grey, cover, off, at, epoch = '10'] =
    text.split('/');
  const whole = (text, least, most) => readWhole(
    text ?? '', 'A number', least, most);
  const wholes = (text, sizes) => {
    const parts = text.split(',');
    return sizes.map((size, i) => whole(parts[i], 0, size - 1));
  };
  const {maps, rows, columns} = LAYERS[whole(at?.split(',')[0], 0, OUTPUT)];
  return {
    ...START, sample: whole(sample, 0, images.length - 1),
    dy: whole(dy, -FAR, FAR), dx: whole(dx, -FAR, FAR),
    paint: whole(paint, 0, 2),
    grey: clamp(readNumber(grey, 'The grey'), 0, 1),
    cover: cover ? wholes(cover, [21, 21]) : null,
    off: off ? wholes(off, [OUTPUT, 120]) : null,
    at: wholes(at, [7, maps, rows, columns]), epoch: whole(epoch, 0, 10)};
}

// Maps go from dark blue to white.
const blue = x => [8 + 240 * x * x, 24 + 226 * x, 60 + 193 * Math.sqrt(x)];
const clamp = (x, least, most) => Math.max(least, Math.min(most, x));
const percent = p => `${(100 * p).toFixed(1)} %`;
const plus = numbers => numbers.map((x, i) => !i ? show(x)
  : x < 0 ? ` − ${show(-x)}` : ` + ${show(x)}`).join('');
const frameOn = (element, {rows, columns}, i, j, size, name) => {
  const [top, left] = [Math.max(i, 0), Math.max(j, 0)];
  element.append(h('i', {class: name, style: Object.entries({
    top: top / rows, left: left / columns,
    height: (Math.min(i + size, rows) - top) / rows,
    width: (Math.min(j + size, columns) - left) / columns,
  }).map(([side, share]) => `${side}: ${100 * share}%`).join(';')}));
};
const row = (...parts) => h('div', {class: 'row'}, parts);
const modified = event => event.ctrlKey || event.metaKey || event.altKey;

export default function lenet(place, {bytes}) {
  dress('lenet', style);
  offer(place, {
    name: 'lenet', label: 'LeNet alive', what: 'network', bytes,
    ask: 'Which shift of an image breaks the network first?',
  }, buffer => alive(place, readNetwork(buffer)));
}

function alive(place, {weights: last, images, labels, classes}) {
  let past = [], weights = last;
  let number = 0, state, result, found, cursor = [14, 14], base, from;
  const begin = () => {
    found = '';
    change({...START, ...QUESTIONS[number].state});
  };

  // `base` is what comes of the same image without any change.
  function change(changes) {
    fault.textContent = '';
    state = {...state, ...changes};
    if (from !== (state.pixels ?? images[state.sample]) || 'epoch' in changes) {
      from = state.pixels ?? images[state.sample];
      weights = past[state.epoch] ?? last;
      base = run(prepare(from, START), weights);
    }
    const image = prepare(from, state);
    result = {image, ...run(image, weights, state.off)};
    draw();
  }

  async function goTo(epoch) {
    try {
      if (epoch < 10 && !past.length) {
        const {readTraining} = await import('./epochs.mjs');
        past = await readTraining(last);
      }
      change({epoch});
    } catch (error) {
      fault.textContent = `The training could not be loaded: ${error.message}`;
    }
  }

  function guard(act, before = '') {
    try {
      act();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fault.textContent = before + error.message;
    }
  }

  // What can be done to the image.
  function shift(dy, dx) {
    if (Math.max(Math.abs(dy), Math.abs(dx)) > FAR) {
      fault.textContent = `It can be shifted by up to ${FAR} pixels.`;
    } else if (dy !== state.dy || dx !== state.dx) change({dy, dx});
  }
  function cover(i, j) {
    change({cover: [i, j].map(x => clamp(x, 0, SIDE - SQUARE))});
  }
  function stroke(points) {
    const pixels = state.pixels.slice();
    const dot = (i, j, much) => {
      const [r, c] = [i - state.dy, j - state.dx];
      if (Math.min(r, c) >= 0 && Math.max(r, c) < SIDE) {
        pixels[r * SIDE + c] = Math.max(pixels[r * SIDE + c], much);
      }
    };
    points.forEach(([i, j]) => {
      dot(i, j, 255);
      Object.values(ARROWS).forEach(([a, b]) => dot(i + a, j + b, 187));
    });
    change({pixels});
  }
  async function load([file]) {
    try {
      if (file) {
        const {readPicture} = await import('./picture.mjs');
        change({...START, at: state.at, ...await readPicture(file, SIDE)});
      }
    } catch (error) {
      fault.textContent = error.message;
    }
  }

  // The first shift in each direction that changes the class.
  function tryShifts() {
    const ends = Object.values(ARROWS).map(([a, b], way) => {
      const by = [1, 2, 3, 4].find(n => run(prepare(
        from, {...START, dy: a * n, dx: b * n}), weights).best !== base.best);
      return [by ?? Infinity, WAYS[way]];
    }).sort(([a], [b]) => a - b);
    const some = end => ends.filter(([by]) => (by > FAR) === end).map(
      ([by, way]) => end ? way : `${by} ${way}`).join(', ') || 'none';
    return `Found. It breaks at ${some(false)}; it holds for ${FAR} pixels: ${
      some(true)}. The maps move with the image, but the dense layers have ` +
      'other weights at each position.';
  }

  // The parts, from top to bottom.
  const ask = h('p', {class: 'ask'});
  const answer = h('p', {class: 'found', 'aria-live': 'polite'});
  const fault = h('p', {class: 'fault', role: 'alert'});
  const id = `lenet-${Math.random()}`;
  const inputs = images.map((_, i) => h('input', {
    'type': 'radio', 'name': id,
    'aria-label': `${labels[classes[i]]} ${i < 10 ? 1 : 2}`,
    'onchange': () => change({sample: i, pixels: null, photo: '',
                              pen: false})}));
  const samples = h('fieldset', {
    'class': 'samples', 'aria-label': 'images of the validation data',
  }, images.map((image, i) => {
    const canvas = easel(SIDE, SIDE);
    paintOn(canvas, Array.from(image, x => x / 255), grey);
    return h('label', {title: labels[classes[i]]}, canvas, inputs[i]);
  }));
  const file = h('input', {
    'type': 'file', 'accept': 'image/*', 'hidden': '',
    'aria-label': 'a picture', 'onchange': async () => {
      await load(file.files);
      file.value = '';
    }});

  const canvas = easel(SIDE, SIDE), hint = h('p', {class: 'hint'});
  let held;
  const free = () => { held = null; };
  const picture = h('div', {
    'class': 'picture', 'role': 'application', 'tabindex': 0,
    'onpointermove': event => held && drag(event), 'onpointerup': free,
    'onpointercancel': free}, canvas);
  const pixelOf = (target, event, {rows, columns}) => {
    const {left, top, width, height} = target.getBoundingClientRect();
    return [clamp(Math.floor((event.clientY - top) / height * rows),
                  0, rows - 1),
            clamp(Math.floor((event.clientX - left) / width * columns),
                  0, columns - 1)];
  };
  function drag(event) {
    const [i, j] = pixelOf(picture, event, LAYERS[0]), [a, b] = held.last;
    held.last = [i, j];
    if (state.pen) {
      const n = Math.max(Math.abs(i - a), Math.abs(j - b), 1);
      cursor = [i, j];
      stroke(Array.from({length: n + 1}, (_, q) => [
        Math.round(a + (i - a) * q / n), Math.round(b + (j - b) * q / n)]));
    } else if (state.cover) cover(i - SQUARE / 2, j - SQUARE / 2);
    else {
      shift(clamp(held.dy + i - held.at[0], -FAR, FAR),
            clamp(held.dx + j - held.at[1], -FAR, FAR));
    }
  }
  picture.addEventListener('pointerdown', event => {
    picture.setPointerCapture(event.pointerId);
    const at = pixelOf(picture, event, LAYERS[0]);
    held = {...state, at, last: at};
    drag(event);
  });
  picture.addEventListener('keydown', event => {
    const [a, b] = ARROWS[event.key] ?? [0, 0], draws = event.key === ' ';
    if (modified(event) || !a && !b && !(draws && state.pen)) return;
    event.preventDefault();
    if (state.pen) {
      cursor = [cursor[0] + a, cursor[1] + b].map(x => clamp(x, 0, SIDE - 1));
      if (draws || event.shiftKey) stroke([cursor]);
      else draw();
    } else if (state.cover) cover(state.cover[0] + a, state.cover[1] + b);
    else shift(state.dy + a, state.dx + b);
  });

  const pad = h(
    'span', {'class': 'pad', 'role': 'group', 'aria-label': 'shift'},
    Object.values(ARROWS).map(([a, b], way) => press(
      '←↑↓→'[way], () => shift(state.dy + a, state.dx + b),
      `shift ${WAYS[way]}`)));
  const shifted = h('span', null);
  const square = tick('grey square', () => !!state.cover, on => change(
    {cover: on ? [10, 10] : null, pen: false}));
  const paint = choice('garment', PAINTS, () => PAINTS[state.paint],
                       name => change({paint: PAINTS.indexOf(name)}));
  const slider = h('input', {
    'type': 'range', 'min': 0, 'max': 1, 'step': 0.05, 'aria-label': 'grey',
    'oninput': () => change({grey: +slider.value})});
  const tone = h('label', null, slider, h('span', null));

  const training = h('input', {
    'type': 'range', 'min': 0, 'max': 10, 'aria-label': 'epochs of training',
    'oninput': () => goTo(+training.value)});
  const trained = h('label', null, h('span', null), training);

  const says = h('p', {'class': 'says', 'aria-live': 'polite'});
  const bars = labels.map((name, i) => h(
    'li', {'role': 'option', 'id': id + i,
           'onclick': () => change({at: [OUTPUT, 0, i, 0]})},
    h('span', null, name), h('span', {class: 'bar', 'aria-hidden': 'true'},
                             h('b', null), h('u', null)), h('span', null)));
  const list = h('ul', {
    'class': 'bars', 'role': 'listbox', 'tabindex': 0,
    'aria-label': 'probabilities', 'onkeydown': event => step(event, OUTPUT),
  }, bars);

  const layers = LAYERS.slice(0, OUTPUT).map((layer, number) => {
    const {name, maps, rows, columns} = layer;
    const cells = Array.from({length: maps}, (_, map) => {
      const canvas = easel(columns, rows);
      const at = event => [number, map, ...pixelOf(canvas, event, layer)];
      return h('div', {
        class: 'map', style: `aspect-ratio: ${columns} / ${rows}`,
        onclick: event => change({at: at(event)}),
        onpointermove: event => event.pointerType === 'mouse' &&
          frame(at(event)),
        onpointerleave: () => frame(state.at)}, canvas);
    });
    const size = maps > 1 ? `${maps} maps of ${rows} × ${columns}`
      : `${rows * columns} units`, scale = h('span', null);
    return {cells, scale, element: h(
      'div', {class: `layer ${maps > 1 ? '' : 'dense'}`,
              style: `--wide: ${maps}; --narrow: ${maps > 6 ? 8 : maps}; ` +
                `--most: ${[6, 3][number] ?? 99}rem`},
      h('div', {class: 'name'}, `${name} · ${size} · `, scale),
      h('div', {
        'class': 'maps', 'role': 'application', 'tabindex': 0,
        'aria-label': `${name}, ${size}: arrows choose a unit` + (maps > 1
          ? ', page up and page down a map' : ''),
        'onkeydown': event => step(event, number)}, cells))};
  });

  // An arrow key goes one unit further, over a map's side to the next map.
  function step(event, number) {
    const {maps, rows, columns} = LAYERS[number];
    const [a, b] = ARROWS[event.key] ?? [0, 0];
    const turn = {PageUp: -1, PageDown: 1}[event.key] ?? 0;
    if (modified(event) || !a && !b && !turn) return;
    event.preventDefault();
    const [layer, m, i, j] = state.at;
    if (layer !== number) return change({at: [number, 0, 0, 0]});
    const over = Math.floor((j + b) / columns), map = m + turn + over;
    change({at: map < 0 || map >= maps ? state.at : [
      number, map, clamp(i + a, 0, rows - 1), j + b - over * columns]});
  }

  // The unit's number in its layer; the number of what can be switched off.
  const unitOf = ([layer, map, i, j]) => {
    const {rows, columns} = LAYERS[layer];
    return (map * rows + i) * columns + j;
  };
  const partOf = at => at[0] < DENSE ? at[1] : unitOf(at);
  const isOff = at => state.off?.[0] === at[0] && state.off[1] === partOf(at);
  const layer = choice(
    'layer', LAYERS.map(({name}) => name), () => LAYERS[state.at[0]].name,
    name => {
      const to = LAYERS.findIndex(layer => layer.name === name);
      const middle = n => to < DENSE ? n >> 1 : 0;
      const {rows, columns} = LAYERS[to];
      change({at: [to, 0, middle(rows), middle(columns)]});
    });
  const coordinate = (name, seen, size, value, at) => {
    const made = field(name, text => guard(() => change(
      {at: at(readWhole(text, name, 0, size(LAYERS[state.at[0]]) - 1))})));
    return {...made, set: () => {
      made.element.hidden = !seen();
      made.set(value());
    }};
  };
  const spatial = (name, part, size) => coordinate(
    name, () => state.at[0] < DENSE, size, () => state.at[part],
    x => state.at.with(part, x));
  const off = tick('switch it off', () => isOff(state.at), on => change(
    {off: on ? [state.at[0], partOf(state.at)] : null}));
  const fields = [
    layer, spatial('map', 1, ({maps}) => maps),
    spatial('row', 2, ({rows}) => rows),
    spatial('column', 3, ({columns}) => columns),
    coordinate('unit', () => state.at[0] >= DENSE,
            ({rows, columns}) => rows * columns, () => unitOf(state.at), n => {
              const {columns} = LAYERS[state.at[0]];
              return [state.at[0], 0, Math.floor(n / columns), n % columns];
            })];
  const told = h('p', {'class': 'told', 'aria-live': 'polite'});
  const tables = h('div', {class: 'tables',
                           style: '--columns: 12; --longest: 6'});
  const link = h('a', {onclick: () => navigator.clipboard?.writeText(link.href)
    .catch(() => {})}, 'link to this');

  // What a unit reads, framed on the image and on the layer before.
  function frame(at) {
    const [layer, map, i, j] = at, {k, s, p, field} = LAYERS[layer];
    place.querySelectorAll('i').forEach(one => one.remove());
    const {start, size, jump} = field ?? {start: 0, size: SIDE, jump: 0};
    frameOn(picture, LAYERS[0], start + jump * i, start + jump * j, size);
    if (state.pen) frameOn(picture, LAYERS[0], ...cursor, 1, 'spot');
    if (layer < OUTPUT) {
      frameOn(layers[layer].cells[map], LAYERS[layer], i, j, 1, 'spot');
    }
    layers[layer - 1]?.cells.forEach((cell, other) => {
      if (k !== 2 || other === map) {
        frameOn(cell, LAYERS[layer - 1], ...k ? [s * i - p, s * j - p, k]
          : [0, 0, 99]);
      }
    });
  }

  // Its formula with its numbers, and the largest part of it as tables.
  function explain(at) {
    const [layer, map, i, j] = at, {name, k, s, p} = LAYERS[layer];
    const n = unitOf(at), value = show(result.outputs[layer].data[n]);
    const X = layer ? result.outputs[layer - 1].data : result.image;
    const {rows, columns} = LAYERS[layer ? layer - 1 : 0];
    const area = layer > DENSE ? 1 : 25;
    const window = c => !k ? [...X.slice(c * area, c * area + area)]
      : Array.from({length: k * k}, (_, q) => {
        const [r, l] = [s * i - p + Math.floor(q / k), s * j - p + q % k];
        return Math.min(r, l) < 0 || r >= rows || l >= columns ? 0
          : X[(c * rows + r) * columns + l];
      });
    const ends = isOff(at) ? ', switched off: 0' : '';
    let formula, words = '', shown;
    if (k === 2) {
      formula = `(${plus(window(map))}) / 4 = ${value}${ends}`;
      shown = [[`map ${map} before`, window(map)]];
    } else {
      const [K, bias] = weights.slice([0, 0, 2, 0, 4, 6, 8][layer]);
      const out = partOf(at), ins = K.data.length / K.shape[0];
      const parts = Array.from({length: ins / area}, (_, c) => {
        const x = window(c), w = [...K.data.slice(
          out * ins + c * area, out * ins + (c + 1) * area)];
        return {c, x, w, sum: add(x.map((x, q) => x * w[q]))};
      }).sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
      const top = parts.slice(0, 5), others = parts.slice(5);
      const sum = result.sums[layer].data[n];
      formula = plus([bias.data[out], ...top.map(({sum}) => sum), ...others
        .length ? [add(others.map(({sum}) => sum))] : []]);
      formula = layer === OUTPUT ? `${formula} = ${value}`
        : `σ(${formula}) = σ(${show(sum)}) = ${
          show(1 / (1 + Math.exp(-sum)))}${ends}`;
      const one = area > 1 ? 'map' : 'unit', of = ({c}) => c;
      words = layer ? `Bias; the largest sums, of ${one}s ${top.map(of).join(
        ', ')} of ${LAYERS[layer - 1].name}; the sum of all others.`
        : 'Bias; the sum of 25 products.';
      if (layer === OUTPUT) {
        const total = add([...result.outputs[OUTPUT].data].map(Math.exp));
        words += ` Softmax: exp(${value}) / ${show(total)} = ${
          percent(result.p[n])}.`;
      }
      shown = [[layer ? `${one} ${top[0].c}` : 'image', top[0].x],
               ['weights', top[0].w]];
    }
    told.replaceChildren(h('b', null, (layer < DENSE
      ? `${name}, map ${map}, [${i}, ${j}]` : layer < OUTPUT
        ? `${name}, unit ${n}` : labels[n]) + ' = '), formula, h('br'), words);
    tables.replaceChildren(...shown.map(([label, numbers], t) => {
      const side = Math.sqrt(numbers.length);
      const most = Math.max(...numbers.map(Math.abs)) || 1;
      const cell = x => h('td', {style: `--hue: var(--${
        x < 0 ? 'blue' : 'red'}); --much: ${Math.abs(x) / most}`}, show(x));
      return h('div', {class: 'group'}, t ? h('span', null, '·') : null, h(
        'div', null, h('div', {class: 'name'}, label), h(
          'table', {'aria-label': label}, h('tbody', null, Array.from(
            {length: side}, (_, r) => h('tr', null, numbers.slice(
              r * side, r * side + side).map(cell)))))));
    }));
  }

  function draw() {
    const {sample, pixels, photo, pen, dy, dx, off: cut, at} = state;
    const {p, best, outputs} = result, label = pixels ? best : classes[sample];
    const {by, solved, answer: known, ask: asked} = QUESTIONS[number];
    const changes = [dy || dx, state.paint, state.cover, cut].filter(x => x);
    const text = [[dx, 'right', 'left'], [dy, 'down', 'up']].filter(([n]) => n)
      .map(([n, on, back]) => `${Math.abs(n)} ${n > 0 ? on : back}`).join(', ')
      || 'not shifted';
    ask.replaceChildren(h('b', null, 'Try it. '), asked);
    paintOn(canvas, result.image, grey);
    inputs.forEach((input, i) => { input.checked = !pixels && i === sample; });
    [square, paint, off, ...fields].forEach(({set}) => set());
    off.element.hidden = at[0] === OUTPUT;
    off.element.lastChild.textContent =
      `switch this ${at[0] < DENSE ? 'map' : 'unit'} off`;
    tone.hidden = !state.paint;
    slider.value = state.grey;
    tone.lastChild.textContent = show(state.grey);
    training.value = state.epoch;
    trained.firstChild.textContent = `trained for ${state.epoch} of 10 epochs`;
    shifted.textContent = text;
    hint.textContent = photo || (pen
      ? 'Draw here. By keys: arrows move, space draws, shift and arrow a line.'
      : `Drag ${state.cover ? 'the square' : 'the image'}, or use its arrow ` +
        'keys.');
    picture.ariaLabel = pen
      ? `drawing, at row ${cursor[0]}, column ${cursor[1]}`
      : state.cover ? `image, square at row ${state.cover[0]}, column ${
        state.cover[1]}` : `image, ${text}`;
    says.replaceChildren(
      h('b', null, `${labels[best]}, ${percent(p[best])}`),
      label === best ? pixels ? '.' : ', which is right.'
        : `. Its label is ${labels[label]}.`, changes.length
        ? ` Unchanged: ${labels[base.best]}, ${percent(base.p[base.best])}.`
        : '');
    bars.forEach((bar, i) => {
      const [, {firstChild: now, lastChild: was}, share] = bar.children;
      now.style.width = `${100 * p[i]}%`;
      was.style.left = `${100 * base.p[i]}%`;
      was.hidden = !changes.length;
      share.textContent = percent(p[i]);
      bar.className = i === best ? 'best' : '';
      bar.ariaSelected = String(unitOf(at) === i && at[0] === OUTPUT);
      bar.dataset.p = p[i];
    });
    list.setAttribute('aria-activedescendant',
                      at[0] === OUTPUT ? id + unitOf(at) : '');
    layers.forEach(({cells, scale}, layer) => {
      const {data} = outputs[layer], size = data.length / cells.length;
      const seen = data.filter(x => x);  // what is switched off is 0
      const [least, most] = [Math.min(...seen), Math.max(...seen)];
      scale.textContent = `dark ${show(least)}, light ${show(most)}`;
      cells.forEach((cell, map) => {
        paintOn(cell.firstChild, data.subarray(map * size, (map + 1) * size),
                x => blue(clamp((x - least) / (most - least || 1), 0, 1)));
        cell.classList.toggle('off', layer < DENSE && cut?.[0] === layer &&
                              cut[1] === map);
      });
    });
    frame(at);
    explain(at);
    link.href = `#lenet=${write(state)}`;
    link.hidden = !!pixels;  // what a reader drew or loaded stays here
    if (!found && (solved ? solved(state, result) : changes.length === 1 &&
        by(state) && best !== base.best)) found = known ?? tryShifts();
    answer.textContent = found;
  }

  const open = () => {
    const text = fromAddress('lenet');
    if (text !== null && location.hash !== link.hash) {
      guard(() => {
        const shown = read(text, images);
        change({...shown, epoch: 10});
        if (shown.epoch < 10) goTo(shown.epoch);
      }, 'This address holds nothing that can be shown. ');
    }
  };
  begin();
  place.replaceChildren(h(
    'section', {'aria-label': 'LeNet alive'}, ask, answer, samples,
    row(press('draw', () => {
      change({...START, at: state.at, pixels: new Uint8Array(AREA), pen: true});
      picture.focus();
    }), press('load a picture', () => file.click()), file),
    h('div', {class: 'stage'}, h('div', null, picture, hint),
      h('div', null, says, list)),
    row(pad, shifted, square.element, paint.element, tone),
    row(trained), fault,
    h('div', {class: 'layers'}, layers.map(({element}) => element)),
    h('div', {class: 'row unit'}, [...fields, off].map(
      ({element}) => element)), told, tables,
    h('div', {class: 'row end'}, press('next question', () => {
      number = (number + 1) % QUESTIONS.length;
      begin();
    }), press('reset', begin), link)));
  addEventListener('hashchange', open);
  open();
  picture.focus({preventScroll: true});
}
