// Cone: a stack of layers, what one of its units sees of an image, and how much
// each pixel counts for it.
import {conv2dBackward, must, outputSize, tensor} from './backward.mjs';
import {asking} from './asking.mjs';
import {add, ARROWS, choice, dress, easel, field, grey, h, load, paintOn,
        press, readWhole} from './parts.mjs';
import {randomFrom} from './random.mjs';

const GARMENT = 28, ROWS = 8, LAYERS = 32, WORK = 2e7, DRAWS = 4e6;
// What a row of the stack says: so many layers, each with such a window.
const PARTS = [['layers', 1, 16], ['kernel', 1, 11], ['stride', 1, 4],
               ['dilation', 1, 16]];
const SIDES = [28, 56, 112, 224];
const KINDS = ['all 1', 'random'];

const layer = (k, times = 1, dilation = 1) => [times, k, 1, dilation];
const POOL = [1, 2, 2, 1];
const PRESETS = {
  'one 5×5': [layer(5)], 'two 3×3': [layer(3, 2)], 'one 7×7': [layer(7)],
  'three 3×3': [layer(3, 3)],
};
const NETWORKS = {
  ...PRESETS,
  'dilated 1, 2, 4': [layer(3), layer(3, 1, 2), layer(3, 1, 4)],
  'LeNet': [layer(5), POOL, layer(5), POOL],
  'VGG-11, 4 blocks': [layer(3), POOL, layer(3), POOL, layer(3, 2), POOL,
                       layer(3, 2), POOL],
};
const START = {side: 28, up: null, at: null, kind: KINDS[0], channels: 1};

const all = (layers, k, s, d) => layers.every(
  layer => layer.k === k && layer.s === s && layer.d <= d);
const size = layers => layers.at(-1).size;

// What is offered in a chapter, and its questions.
const CHAPTERS = {
  kernels: {
    parts: 2, presets: PRESETS, channels: 1,
    questions: [{
      ask: 'One 5×5 layer sees 5×5 pixels and has 25 weights. See as much ' +
           'with 3×3 layers. How many weights do they have?',
      state: {rows: [layer(5)]},
      solved: (state, {layers}) => all(layers, 3, 1, 1) && size(layers) === 5,
      answer: 'Found. Two layers, 18 weights. The field is the same, but its ' +
              'pixels do not count equally any more: look at the map.',
    }, {
      ask: 'How many 3×3 layers until one unit sees the whole image of ' +
           '28×28 pixels?',
      state: {rows: [layer(3)]},
      solved: (state, {layers}) => all(layers, 3, 1, 1) && size(layers) >= 28,
      answer: 'Found. 14 are enough: each adds 2 pixels, and 1 + 14 · 2 = 29.',
    }, {
      ask: 'Which part of the field counts? Add 3×3 layers until half of ' +
           'the influence comes from a square less than half as wide as the ' +
           'field.',
      state: {rows: [layer(3, 2)]},
      solved: (state, {layers, half}) => all(layers, 3, 1, 1) &&
        2 * half < size(layers),
      answer: 'Found. Each layer adds 2 pixels to the field. The part that ' +
              'counts grows too, but more and more slowly.',
    }],
  },
  networks: {
    parts: 4, presets: NETWORKS, channels: 64,
    questions: [{
      ask: 'Two 3×3 layers or one 5×5? See the same 5×5 pixels with ' +
           '3×3 layers, and compare the weights.',
      state: {rows: [layer(5)]},
      solved: (state, {layers}) => all(layers, 3, 1, 1) && size(layers) === 5,
      answer: 'Found. 18 c² weights instead of 25 c², with c channels in and ' +
              'out of each layer: 72 %.',
    }, {
      ask: '14 layers of 3×3 see all 28×28 pixels. How few are enough ' +
           'with dilation 2? And with dilation 4?',
      state: {rows: [layer(3, 14)]},
      solved: (state, {layers}) => all(layers, 3, 1, 4) && layers.length < 5 &&
        size(layers) >= 28,
      answer: 'Found. 7 with dilation 2, since each adds 4 pixels. 4 with ' +
              'dilation 4. But how many pixels are read? Look at the map.',
    }, {
      ask: 'These four layers see 33×33 pixels and read few of them. Four ' +
           'layers can see 28×28 without holes. Which dilations?',
      state: {rows: Array.from({length: 4}, () => layer(3, 1, 4))},
      solved: (state, {layers, holes}) => all(layers, 3, 1, 16) && !holes &&
        layers.length < 5 && size(layers) >= 28,
      answer: 'Found. With 1, 2, 4 and 8, for example, each layer fills the ' +
              'holes of the next.',
    }, {
      ask: 'VGG has no dilation. See 28×28 pixels with 7 layers or fewer, ' +
           'no kernel larger than 3×3. What must the stride do?',
      state: {rows: [layer(3, 2), layer(2), layer(3, 2)]},
      solved: (state, {layers, holes}) => !holes && layers.length < 8 &&
        layers.every(({k, d}) => k < 4 && d === 1) && size(layers) >= 28,
      answer: 'Found. After a stride of 2 neighbours are twice as far apart, ' +
              'so each layer after it adds twice as many pixels.',
    }, {
      ask: 'Do random weights make more of the field count than weights of 1?',
      state: {rows: [layer(3, 6)]},
      solved: ({kind}, {layers}) => kind === 'random' && layers.length > 3,
      answer: 'Yes, some more: positive and negative paths cancel in part, ' +
              'and most where there are many. Still the border counts least.',
    }],
  },
};

const style = `
.live .cone-row {
  margin: 0.3rem 0;
}
.live .cone-row b {
  font-weight: 600;
  min-width: 6rem;
}
.live .cone-row button:last-child {
  justify-self: end;
  min-width: 1.9rem;
}
.live .cone-pair {
  align-items: end;
  display: flex;
  gap: 0.6rem 1rem;
  margin: 0.6rem 0;
}
.live .cone-pair > div {
  flex: 0 1 15rem;
  min-width: 8rem;
}
.live .cone-pair .name {
  white-space: normal;
}
.live .cone-map {
  aspect-ratio: 1;
  background: var(--color-background-primary);
  cursor: crosshair;
  outline: 1px solid var(--color-foreground-border);
  overflow: hidden;
  position: relative;
  touch-action: manipulation;
}
.live .cone-map:focus-visible {
  outline: 3px solid var(--color-brand-primary);
}
.live .cone-map :is(canvas, svg) {
  height: 100%;
  image-rendering: pixelated;
  inset: 0;
  position: absolute;
  width: 100%;
}
.live .cone-map rect {
  fill: none;
  stroke: #ffb02e;
  stroke-width: 1.5;
}
.live .cone-map .shade {
  stroke: #000a;
  stroke-width: 3.5;
}
.live .cone-map .spot {
  stroke: #ff5f4a;
  stroke-width: 2.5;
}
.live :is(.cone-map, .cone) :is(rect, path) {
  vector-effect: non-scaling-stroke;
}
.live .cone {
  display: block;
  margin: 0.6rem 0 0.2rem;
  width: 100%;
}
.live .cone .unit {
  fill: var(--color-foreground-border);
  opacity: 0.5;
}
.live .cone .sees {
  fill: #2f7fc1;
}
.live .cone .side {
  fill: #2f7fc1;
  opacity: 0.2;
}
.live .cone .spot {
  fill: #e0533d;
}`;

// Each layer: its window, the size of its map, and the field of its units: where
// that of the first begins, how wide it is, and how far on the next one's is.
export function stack(rows, side) {
  let map = side, field = {start: 0, size: 1, jump: 1};
  const layers = rows.flatMap(([times, k, s, d]) => Array.from(
    {length: times}, () => {
      const p = Math.floor(d * (k - 1) / 2), {start, size, jump} = field;
      map = outputSize(map, k, {padding: p, stride: s, dilation: d});
      field = {start: start - p * jump, size: size + d * (k - 1) * jump,
               jump: jump * s};
      return {k, s, d, p, map, ...field};
    }));
  must(layers.length <= LAYERS, `These are ${layers.length} layers. Take ${
    LAYERS} or fewer.`);
  return layers;
}

// Along one axis: the units of each map that reach a unit, from the image on.
export function reach(layers, side, unit) {
  const all = [[unit]];
  for (let n = layers.length - 1; n >= 0; n--) {
    const {k, s, d, p} = layers[n], size = n ? layers[n - 1].map : side;
    const units = all[0].flatMap(i => Array.from(
      {length: k}, (_, a) => i * s + a * d - p));
    all.unshift([...new Set(units)].filter(i => i >= 0 && i < size)
      .sort((a, b) => a - b));
  }
  return all;
}

// The gradient of one unit of the last map by each pixel.
export function gradient(layers, side, [i, j], kernels) {
  const {map} = layers.at(-1);
  let slopes = tensor([1, 1, map, map]);
  slopes.data[i * map + j] = 1;
  for (let n = layers.length - 1; n >= 0; n--) {
    const {s, d, p} = layers[n], size = n ? layers[n - 1].map : side;
    slopes = conv2dBackward(tensor([1, 1, size, size]), kernels[n], slopes, {
      stride: s, dilation: d, padding: p}).dX;
  }
  return slopes.data;
}

// How much each pixel counts: the size of its gradient. With random weights it
// is the mean of several stacks, fewer if they are large.
export function influence(layers, side, at, kind) {
  const work = add(layers.map(({k, map}) => (k * map) ** 2));
  must(work <= WORK, 'This is too much to compute here. Take a smaller image, ' +
       'a smaller kernel or fewer layers.');
  const random = kind === 'random', next = randomFrom(1);
  const draws = random ? Math.max(1, Math.min(100, Math.floor(DRAWS / work)))
    : 1;
  const map = new Float64Array(side * side);
  for (let n = 0; n < draws; n++) {
    const kernels = layers.map(({k}) => tensor([1, 1, k, k], random
      ? Array.from({length: k * k}, () => 2 * next() - 1) : 1));
    gradient(layers, side, at, kernels).forEach((x, q) => {
      map[q] += Math.abs(x) / draws;
    });
  }
  return {map, draws};
}

// The side of the smallest square around the field's middle that has half of
// all influence.
export function halfOf(map, side, {start, size, jump}, [i, j]) {
  const whole = add([...map]);
  for (let half = size % 2 || 2; ; half += 2) {
    const [top, left] = [i, j].map(x => start + jump * x + (size - half) / 2);
    let sum = 0;
    for (let r = Math.max(0, top); r < Math.min(side, top + half); r++) {
      sum += add([...map.subarray(r * side + Math.max(0, left),
                                  r * side + Math.min(side, left + half))]);
    }
    if (half >= size || sum >= whole / 2) return half;
  }
}

// All that is shown of a state; an error says why nothing can be.
export function compute({rows, side, up, at, kind}) {
  const whole = stack(rows, side);
  const layers = whole.slice(0, up ?? LAYERS), {map} = layers.at(-1);
  const unit = at?.map(x => Math.min(x, map - 1)) ?? [map >> 1, map >> 1];
  const seen = influence(layers, side, unit, kind);
  const along = unit.map(x => reach(layers, side, x));
  // Along each axis: pixels that are read, and those between the outer ones.
  const [read, spans] = [pixels => pixels.length,
                         pixels => pixels.at(-1) - pixels[0] + 1].map(
    count => along.map(([pixels]) => count(pixels)));
  const weights = add(layers.map(({k}) => k * k));
  const products = add(layers.map(({k}, n) => k * k * layers.slice(n + 1)
    .reduce((all, {s}) => all * s * s, 1)));
  return {
    whole, layers, unit, ...seen, along, read, spans, weights, products,
    holes: spans.some((span, axis) => span !== read[axis]),
    half: halfOf(seen.map, side, layers.at(-1), unit)};
}

// The state in the address, and back.
const write = ({rows, side, up, at, kind, channels}) => [
  rows.join(';'), side, up ?? '', at ?? '', KINDS.indexOf(kind), channels
].join('/');

function read(text, {parts}) {
  const [rows, side, up, at, kind, channels] = text.split('/');
  const table = rows.split(';').map(row => row.split(',').map((text, n) => {
    const [name, least, most] = PARTS[n] ?? [];
    must(name, 'A row is too long.');
    return readWhole(text, name, least, n < parts ? most : 1);
  }));
  must(table.length <= ROWS && table.every(row => row.length === 4),
       'The rows have a wrong size.');
  must(SIDES.includes(+side) && KINDS[+kind], 'The image is not known.');
  const layers = stack(table, +side);
  const state = {...START, rows: table, side: +side, kind: KINDS[+kind],
                 up: up ? readWhole(up, 'The layer', 1, layers.length) : null,
                 channels: readWhole(channels ?? '', 'channels', 1, 512)};
  const {map} = layers[(state.up ?? layers.length) - 1];
  const place = at && at.split(',').map(
    x => readWhole(x, 'A place', 0, map - 1));
  must(!place || place.length === 2, 'The unit has no place.');
  return {...state, at: place || null};
}

const count = n => n.toLocaleString('en');
const square = n => `${n}×${n}`;
const squares = ([a, b]) => `${a}×${b}`;
const row = (...parts) => h('div', {class: 'row'}, parts);

export default function cone(place, {side: chapter = 'kernels'}) {
  const {parts, presets, questions, channels} = CHAPTERS[chapter];
  dress('cone', style);
  let state, result, garment;

  // What is too much to compute leaves all as it is, and says so.
  const change = changes => asked.attempt(() => asked.change(changes));

  const whole = (name, least, most, value, changes) => {
    const made = field(name, (text, input) => asked.attempt(() => asked.change(
      changes(readWhole(text, name, least(), most()))), input));
    return {...made, set: () => made.set(value())};
  };

  // The parts, from top to bottom.
  const lines = Array.from({length: ROWS}, (_, n) => {
    const fields = PARTS.slice(0, parts).map(([name, least, most], part) =>
      whole(name, () => least, () => most, () => state.rows[n][part],
            value => ({rows: state.rows.with(
              n, state.rows[n].with(part, value))})));
    const sees = h('b', null), remove = press('×', () => {
      change({rows: state.rows.toSpliced(n, 1)});
      lines[Math.min(n, state.rows.length - 1)].fields[0].input.focus();
    }, `remove row ${n + 1}`);
    return {fields, sees, remove, element: h(
      'div', {class: 'row fields cone-row', role: 'group',
              'aria-label': `row ${n + 1} of the stack`},
      fields.map(({element}) => element), sees, remove)};
  });
  const more = press('add a row', () => {
    change({rows: [...state.rows, state.rows.at(-1)]});
    lines[state.rows.length - 1].fields[0].input.focus();
  });
  const controls = [
    choice('stack', Object.keys(presets), () => Object.keys(presets).find(
      name => `${presets[name]}` === `${state.rows}`) ?? '',
    name => change({rows: presets[name], up: null})),
    ...parts > 2 ? [choice('image', SIDES.map(square), () => square(state.side),
      name => change({side: parseInt(name), at: null}))] : [],
    choice('weights', KINDS, () => state.kind, kind => change({kind})),
    whole('unit of layer', () => 1, () => result.whole.length,
          () => result.layers.length, up => ({up, at: null})),
    ...parts > 2 ? [whole('channels', () => 1, () => 512, () => state.channels,
                          channels => ({channels}))] : []];
  const told = h('p', {'class': 'told', 'aria-live': 'polite',
                       'style': '--lines: 4'});

  // Two squares: the image with the nested fields, and what counts in it.
  const picture = easel(1, 1), map = easel(1, 1), said = h('span', null);
  const frames = '<svg aria-hidden="true" preserveAspectRatio="none"></svg>';
  const pane = (canvas, settings, ...words) => {
    const element = h('div', {class: 'cone-map', ...settings}, canvas);
    element.insertAdjacentHTML('beforeend', frames);
    element.addEventListener('click', event => choose(element, event));
    element.addEventListener('pointermove', event => event.buttons === 1 &&
      event.pointerType === 'mouse' && choose(element, event));
    return [element, h('div', null, h('div', {class: 'name'}, words), element)];
  };
  const [onImage, left] = pane(picture, {
    tabindex: 0, role: 'application', onkeydown: step}, 'what it sees');
  const [onMap, right] = pane(map, {role: 'img'}, 'what counts: ', said);

  // The unit whose field has its middle nearest to a place on the image.
  function choose(element, event) {
    const {left, top, width, height} = element.getBoundingClientRect();
    const {start, size, jump, map} = result.layers.at(-1);
    const at = [(event.clientY - top) / height,
                (event.clientX - left) / width].map(x => Math.max(0, Math.min(
      map - 1, Math.round((x * state.side - start - size / 2) / jump))));
    if (`${at}` !== `${result.unit}`) change({at});
  }
  function step(event) {
    const move = ARROWS[event.key], {map} = result.layers.at(-1);
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    change({at: result.unit.map((x, axis) => Math.max(0, Math.min(
      map - 1, x + move[axis])))});
  }

  const drawing = h('div', null), top = h('span', null);

  function draw(next) {
    const total = add(next.rows.map(([times]) => times));
    if (next.up >= total) next.up = null;
    result = compute(next);
    if (next.at) next.at = result.unit;
    state = next;
    const {rows, side, kind, channels: c} = state, {layers, whole} = result;
    const {start, size, jump, map: units} = layers.at(-1), n = layers.length;
    let last = 0;
    lines.forEach(({fields, sees, remove, element}, n) => {
      element.hidden = n >= rows.length;
      if (element.hidden) return;
      fields.forEach(({set}) => set());
      last += rows[n][0];
      sees.textContent = `sees ${square(whole[last - 1].size)}`;
      remove.hidden = rows.length === 1;
    });
    more.disabled = rows.length === ROWS;
    controls.forEach(({set}) => set());

    const cost = (n, of) => c > 1 ? `${count(n)} c² = ${count(n * c * c)} ${of}`
      : `${count(n)} ${of}`;
    const {read, spans, half, holes} = result;
    const inside = spans.every(span => span === size);
    told.replaceChildren(
      h('b', null, `A unit of layer ${n} sees ${square(size)} pixels`),
      inside ? '' : `, ${squares(spans)} of them in the image`, '. ',
      holes ? `It reads only ${count(read[0] * read[1])} of them. ` : '',
      `Its map has ${square(units)} units, ${jump} ${
        jump > 1 ? 'pixels' : 'pixel'} apart.`, h('br'),
      cost(result.weights, 'weights'), '; ',
      cost(result.products, 'multiply-accumulates'), ' per position of its map',
      c > 1 ? `, with c = ${c} channels everywhere.` : '.', h('br'),
      `Half of the influence comes from the middle ${square(half)} pixels.`);
    said.textContent = kind === 'random' ? result.draws > 1
      ? `mean of ${result.draws} random stacks` : 'a random stack'
      : 'all weights 1';

    // The field of a unit in the middle of each layer's part of the cone.
    const boxes = layers.map(({start, size, jump}, n) => {
      const [y, x] = result.along.map(sets => {
        const units = sets[n + 1];
        return start + jump * units[units.length >> 1];
      });
      return `x="${x}" y="${y}" width="${size}" height="${size}"/>`;
    });
    const outer = boxes.at(-1);
    onImage.lastChild.innerHTML = `<rect class="shade" ${outer}` +
      boxes.map(box => `<rect ${box}`).join('') + `<rect class="spot" ${outer}`;
    onMap.lastChild.innerHTML = `<rect class="spot" ${outer}`;
    [onImage, onMap].forEach(({lastChild}) => lastChild.setAttribute(
      'viewBox', `0 0 ${side} ${side}`));
    const [i, j] = result.unit;
    onImage.ariaLabel = `image of ${square(side)} pixels; row ${i}, column ${
      j} of layer ${n} sees rows ${start + i * jump} to ${
      start + i * jump + size - 1}, columns ${start + j * jump} to ${
      start + j * jump + size - 1}. Arrows choose another unit.`;
    onMap.ariaLabel = `influence of each pixel, ${said.textContent}: half of ` +
      `it in the middle ${square(half)} of ${square(size)}`;

    const most = Math.max(...result.map);
    map.width = map.height = side;
    paintOn(map, result.map, x => [47, 127, 193,
                                   x ? 45 + 210 * x / most : 0]);
    paint();
    top.textContent = `layer ${n}`;
    drawing.innerHTML = coneOf(layers, side, result.along[1]);
    return result;
  }

  function paint() {
    if (picture.width === state.side && picture.done) return;
    picture.width = picture.height = state.side;
    if (!garment) return;
    picture.done = true;
    const context = picture.getContext('2d');
    context.drawImage(garment, 0, 0, state.side, state.side);
  }

  // The garment, 784 bytes; without it all but the picture is there.
  async function paintGarment() {
    try {
      const bytes = new Uint8Array(await load('cone', GARMENT ** 2));
      garment = easel(GARMENT, GARMENT);
      paintOn(garment, Array.from(bytes, x => x / 255), grey);
      paint();
    } catch {
      asked.fault.textContent =
        'The image could not be loaded. All else works.';
    }
  }

  const asked = asking('cone', {
    start: {...START, channels}, questions, write, draw,
    read: text => read(text, CHAPTERS[chapter])});
  asked.run(
    place, 'Cone: what a unit sees', lines.map(({element}) => element),
    row(more, controls.map(({element}) => element)), asked.fault, told,
    h('div', {class: 'cone-pair'}, left, right),
    h('p', {class: 'hint'}, 'Choose a place on the image to move the unit. ' +
      'Blue pixels count, the darker the more; the others are not read. ' +
      'Around the image are zeros.'),
    drawing, h('p', {class: 'hint'}, 'The same along one row of pixels, from ',
      top, ' down to the image.' + (parts > 2
        ? ' A pooling counts here as a convolution of its size.' : '')));
  paintGarment();
}

// Maps as rows of units, to scale, and what of them reaches the unit on top.
function coneOf(layers, side, sets) {
  const step = Math.max(9, Math.min(30, 240 / layers.length)), bar = step * 0.4;
  const maps = [{start: 0, size: 1, jump: 1, map: side}, ...layers];
  const y = n => (maps.length - 1 - n) * step;
  const x = ({start, size, jump}, i, edge = 0) => +(
    start + jump * i + size / 2 + edge * 0.43 * jump).toFixed(2);
  const units = (n, some) => some.map(i => `M${x(maps[n], i, -1)} ${y(n)}h${
    +(0.86 * maps[n].jump).toFixed(2)}v${bar}H${x(maps[n], i, -1)}z`).join('');
  const path = (name, d) => `<path class="${name}" d="${d}"/>`;
  const edges = n => [x(maps[n], sets[n][0], -1), x(maps[n], sets[n].at(-1), 1)];
  const parts = maps.map(({map}, n) => {
    const [left, right] = edges(n), [first, last] = edges(Math.max(0, n - 1));
    return (n ? path('side', `M${left} ${y(n) + bar}H${right}L${last} ${
      y(n - 1)}H${first}z`) : '') +
      path('unit', units(n, Array.from({length: map}, (_, i) => i))) +
      path(n === maps.length - 1 ? 'spot' : 'sees', units(n, sets[n]));
  });
  const height = y(0) + bar;
  return `<svg class="cone" role="img" viewBox="0 0 ${side} ${height}" height="${
    height}" preserveAspectRatio="none" aria-label="from the unit down: ${
    sets.toReversed().map(({length}) => length).join(', ')} units in a row">${
    parts.join('')}</svg>`;
}
