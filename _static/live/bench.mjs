// Bench: an image, a kernel or a pool, and the output, all numbers of which can
// be changed and followed, forward and backward.
import {avgPool, avgPoolBackward, conv2d, maxPool, maxPoolBackward, tensor}
  from './backward.mjs';
import {asking} from './asking.mjs';
import {add, ARROWS, choice, dress, field, h, inBrackets, readNumber, readWhole,
        show, tick} from './parts.mjs';

const fill = (rows, columns, value) => Array.from({length: rows}, (_, i) =>
  Array.from({length: columns}, (_, j) => value(i, j)));
const rowsOf = ({shape, data}) => fill(
  ...shape.slice(-2), (i, j) => data[i * shape.at(-1) + j]);
const tensorOf = rows => tensor([1, 1, rows.length, rows[0].length],
                                rows.flat());
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const flip = K => K.map(row => [...row].reverse()).reverse();
const inside = i => 2 <= i && i <= 5;

const IMAGES = {
  'square': fill(8, 8, (i, j) => +(inside(i) && inside(j))),
  'one pixel': fill(7, 7, (i, j) => +(i === 3 && j === 3)),
  'diagonal': fill(8, 8, (i, j) => +(i === j)),
  'black band': fill(6, 8, (i, j) => +!inside(j)),
  'checkerboard': fill(8, 8, (i, j) => (i + j) % 2),
  'all ones': fill(6, 6, () => 1),
  'ramp': fill(3, 3, (i, j) => 3 * i + j),
};
const KERNELS = {
  'difference': [[1, -1]],
  '0 1 2 3': [[0, 1], [2, 3]],
  'mean': fill(3, 3, () => 1 / 9),
  'Gaussian': fill(3, 3, (i, j) => [1, 2, 1][i] * [1, 2, 1][j] / 16),
  'sharpen': [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
  'Sobel': [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
  'Laplacian': [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
  'Roberts': [[1, 0], [0, -1]],
};
const digit = (i, j) => (3 * i + 7 * j + i * j) % 10;
const ones = k => fill(k, k, () => 1);
const MAP = [[1, 5, 2, 0], [3, 4, 8, 6], [7, 0, 1, 2], [2, 6, 3, 9]];
const POOLED = {X: MAP, K: ones(2), stride: 2, dY: [[1, 2], [3, 4]]};
const POOLS = ['max', 'average'];
const START = {padding: 0, stride: 1, dilation: 1, dY: null, at: ['Y', 0, 0]};

// Each side of the bench: what can be changed, and its questions, which begin
// with a state and are solved by another.
const SIDES = {
  kernel: {
    ops: ['correlation', 'convolution'], controls: ['image', 'kernel', 'flip'],
    questions: [{
      ask: 'This kernel marks the left and the right side of the square. ' +
           'Change it so that it marks only the top and the bottom.',
      state: {X: IMAGES.square, K: KERNELS.difference, at: ['Y', 2, 5]},
      solved: ({K}) => K[0].every((_, j) => !add(K.map(row => row[j]))) &&
        K.some(row => add(row)),
      answer: 'Found. Each column of your kernel adds up to 0, so what ' +
              'changes only along a row cancels out.',
    }, {
      ask: 'One pixel is 1, all others are 0. The output shows the kernel, ' +
           'but not as it is written. What turns it round?',
      state: {X: IMAGES['one pixel'], K: KERNELS['0 1 2 3'], at: ['X', 3, 3]},
      solved: ({op, X}) => op === 'convolution' && same(X, IMAGES['one pixel']),
      answer: 'Found. Cross-correlation shows it turned by half a turn. A ' +
              'convolution flips the kernel first, so it comes out as it is.',
    }, {
      ask: 'Which kernels with more than one number leave a uniform image as ' +
           'it is? Find one of them.',
      state: {X: IMAGES['all ones'], K: KERNELS.Sobel},
      solved: ({K}) => K.flat().filter(k => k).length > 1 &&
        Math.abs(add(K.flat()) - 1) < 1e-9,
      answer: 'Found. Those whose numbers add up to 1.',
    }],
  },
  size: {
    ops: ['correlation'],
    controls: ['pixels', 'kernel size', 'padding', 'stride', 'dilation'],
    questions: [{
      ask: '8 pixels, a kernel of 3, stride 2. What does the last column do? ' +
           'Choose one of its pixels.',
      state: {X: fill(8, 8, digit), K: ones(3), stride: 2, at: ['Y', 0, 2]},
      solved: ({at: [name, i, j]}, {feeds}) => name === 'X' &&
        !feeds[[i, j]].length,
      answer: 'Nothing. Three windows read 7 of 8 pixels, and the size is ' +
              'rounded down without a warning. Change the pixel: no output ' +
              'changes.',
    }, {
      ask: 'The last row and the last column are not read. Keep the stride ' +
           'of 2 and let the layer read every pixel.',
      state: {X: fill(8, 8, digit), K: ones(3), stride: 2},
      solved: ({stride}, {unread}) => stride === 2 && !unread,
      answer: 'Found. A padding of 1 does it, and so does one pixel more or ' +
              'less. The stride must divide n + 2p − k, or the rest must lie ' +
              'in the padding.',
    }, {
      ask: 'A kernel of 5 makes the map smaller. Which padding keeps its size?',
      state: {X: fill(8, 8, digit), K: ones(5)},
      solved: ({X, K, stride}, {Y}) => stride === 1 && K.length === 5 &&
        Y.length === X.length,
      answer: 'Found: (k − 1) / 2 zeros on each side.',
    }, {
      ask: 'With dilation 2 a kernel of 3 has holes. Which kernel without ' +
           'holes spans as many pixels? Build it.',
      state: {X: fill(8, 8, digit), K: ones(3), dilation: 2, at: ['Y', 1, 1]},
      solved: ({K, dilation}) => K.length === 5 && dilation === 1,
      answer: 'Found: 2 · (3 − 1) + 1 = 5 pixels. The one with holes has 9 ' +
              'weights, yours has 25.',
    }],
  },
  pool: {
    ops: POOLS,
    controls: ['pool', 'window', 'padding', 'stride', 'backward'],
    questions: [{
      ask: 'Each output has a gradient, dY. Choose one: where does it land?',
      state: POOLED,
      solved: ({at, op}) => at[0] === 'dY' && op === 'max',
      answer: 'On one pixel, the largest of the window. The other three did ' +
              'not matter and get 0. Try the average too.',
    }, {
      ask: 'Change one pixel of X so that the gradient 2 lands elsewhere.',
      state: {...POOLED, at: ['dY', 0, 1]},
      solved: ({op, K}, {windows}) => op === 'max' && K.length === 2 &&
        !windows['0,1'][1][0].share,
      answer: 'Found. The gradient follows the largest number of the window.',
    }, {
      ask: 'Can one pixel collect several gradients? Let the windows ' +
           'overlap, and choose such a pixel in dX.',
      state: POOLED,
      solved: ({at: [name, i, j]}, {feeds}) => name === 'dX' &&
        feeds[[i, j]].filter(({share}) => share).length > 1,
      answer: 'Found. It is the largest of several windows, and their ' +
              'gradients add up.',
    }, {
      ask: 'All numbers are negative, and the padding is 1. Is the maximum ' +
           'at the border 0? Choose a corner of the output.',
      state: {X: MAP.map(row => row.map(x => x - 10)), K: ones(2), stride: 2,
              padding: 1, at: ['X', 0, 0]},
      solved: ({at: [name, i, j], padding}, {Y}) => name === 'Y' && padding &&
        i % (Y.length - 1) === 0 && j % (Y.length - 1) === 0,
      answer: 'No: max pooling pads with −∞, which is never the largest.',
    }],
  },
};

// All that can be known of a state; an error says why nothing can.
function compute({op, X, K, padding, stride, dilation, dY}) {
  const size = [K.length, K[0].length], image = tensorOf(X);
  const pool = {size, stride, padding};
  const kernel = op === 'convolution' ? flip(K) : K;
  const {Y, at} = op === 'max' ? maxPool(image, pool) : {
    Y: op === 'average' ? avgPool(image, pool) : conv2d(
      image, tensorOf(kernel), null, {padding, stride, dilation})};
  const result = {Y: rowsOf(Y), kernel, feeds: {}, windows: {}};
  if (dY) {  // 1 for each output that has none yet
    result.dY = result.Y.map((row, i) => row.map((_, j) => dY[i]?.[j] ?? 1));
    const slopes = tensorOf(result.dY);
    result.dX = rowsOf(at ? maxPoolBackward(image, slopes, at)
      : avgPoolBackward(image, slopes, pool));
  }
  // What each window reads, in which outputs each pixel counts, and which share
  // of their gradients a pool sends back to it.
  for (let i = -padding; i < X.length + padding; i++) {
    for (let j = -padding; j < X[0].length + padding; j++) {
      result.feeds[[i, j]] = [];
    }
  }
  result.Y.forEach((row, i) => row.forEach((_, j) => {
    const largest = at?.[i * row.length + j];
    result.windows[[i, j]] = fill(...size, (a, b) => {
      const r = i * stride + a * dilation - padding;
      const c = j * stride + b * dilation - padding;
      const x = X[r]?.[c] ?? (at ? -Infinity : 0);
      const share = !at ? 1 / size[0] / size[1]
        : +(x > -Infinity && r * X[0].length + c === largest);
      result.feeds[[r, c]].push({i, j, share, weight: kernel[a][b]});
      return {r, c, x, share};
    });
  }));
  result.unread = X.flatMap((row, i) => row.filter(
    (_, j) => !result.feeds[[i, j]].length)).length;
  return result;
}

// Which cells belong to a chosen one, and the lines that say how.
function follow([name, i, j], {op, X, K}, {Y, dY, dX, kernel, feeds, windows}) {
  const lit = new Set(), value = {X, K, Y, dY, dX}[name][i]?.[j];
  const light = (table, cells) => cells.forEach(
    ({r, c}) => lit.add(`${table},${r},${c}`));
  const many = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
  const plus = numbers => numbers.map(inBrackets).join(' + ');
  const start = `${name}[${i}, ${j}] = `, end = ` = ${show(value ?? 0)}`;
  const cells = windows[[i, j]]?.flat(), pools = POOLS.includes(op);
  const outputs = (feeds[[i, j]] ?? []).map(
    output => ({...output, r: output.i, c: output.j}));
  let told;
  if (name === 'Y') {
    light('X', cells);
    told = op === 'max'
      ? [`${start}max(${cells.map(({x}) => show(x)).join(', ')})${end}`]
      : op === 'average'
        ? [`${start}(${plus(cells.map(({x}) => x))}) / ${cells.length}${end}`]
        : windows[[i, j]].map((row, a) => (a ? '+ ' : start) + row.map(
          ({x}, b) => `${inBrackets(kernel[a][b])}·${inBrackets(x)}`
        ).join(' + ') + (a < K.length - 1 ? '' : end));
  } else if (name === 'X') {
    light('Y', outputs);
    told = [(value !== undefined ? `${start}${show(value)}: ` : op === 'max'
      ? 'Padding, always −∞: ' : 'Padding, always 0: ') + (!outputs.length
      ? 'no window reads it, so it has no influence on the output.'
      : `read by ${many(outputs.length, 'window')}. ` + outputs.map(
        ({weight, r, c}) => (pools ? '' : `${inBrackets(weight)} · it in `) +
          `Y[${r}, ${c}]`).join(', '))];
  } else if (name === 'K') {
    const [a, b] = kernel === K ? [i, j]
      : [K.length - 1 - i, K[0].length - 1 - j];
    const read = Object.values(windows).map(window => window[a][b]);
    light('X', read);
    told = [`${start}${show(value)}: the weight of ${
      many(read.length, 'pixel')}, one for each output.`];
  } else if (name === 'dY') {
    const get = cells.filter(({share}) => share);
    light('Y', [{r: i, c: j}]);
    ['X', 'dX'].forEach(table => light(table, get));
    const {r, c, x} = get[0], ties = cells.filter(cell => cell.x === x).length;
    told = [start + (op === 'max'
      ? `${show(value)} lands on dX[${r}, ${c}], since X[${r}, ${c}] = ${
        show(x)} is the ${ties > 1 ? `first of ${ties} largest numbers`
        : 'largest'} of its window.`
      : `${show(value)} is shared: ${show(value)} / ${cells.length} = ${
        show(value / cells.length)} for each of the ${cells.length} pixels. ` +
        'What the padding gets is lost.')];
  } else {
    const get = outputs.filter(({share}) => share);
    light('dY', get);
    light('X', [{r: i, c: j}]);
    told = [start + (plus(get.map(({r, c, share}) => dY[r][c] * share)) || 0) +
      (get.length > 1 ? end : '') + ': ' + (get.length
      ? `from ${many(get.length, 'gradient')}.` : 'no gradient lands here.')];
  }
  return {lit, told};
}

// The state in the address, and back. What does not hold is an error.
function write({op, X, K, padding, stride, dilation, dY, at}) {
  const rows = table => table?.map(row => row.map(
    x => +x.toFixed(4)).join(',')).join(';') ?? '';
  return [op, rows(X), rows(K), padding, stride, dilation, rows(dY),
          at.join(',')].join('/');
}

function read(text, ops) {
  const [op, X, K, padding, stride, dilation, dY, at] = text.split('/');
  const rows = (text, most) => {
    const table = text.split(';').map(row => row.split(',').map(
      x => readNumber(x, 'A cell')));
    if (Math.max(table.length, ...table.map(row => row.length)) > most ||
        table.some(row => row.length !== table[0].length)) {
      throw new RangeError('A table has a wrong size.');
    }
    return table;
  };
  if (!ops.includes(op)) throw new RangeError('The operation is not known.');
  const state = {
    op, X: rows(X ?? '', 10), K: rows(K ?? '', 5),
    padding: readWhole(padding ?? '', 'padding', 0, 3),
    stride: readWhole(stride ?? '', 'stride', 1, 4),
    dilation: readWhole(dilation ?? '', 'dilation', 1, 3),
    dY: dY ? rows(dY, 16) : null, at: ['Y', 0, 0]};
  const [name, i, j] = (at ?? '').split(',');
  return {...state, at: [name, +i, +j]};
}

const style = `
.live .sign {
  font-size: 1.3rem;
}
.live td.padding {
  background: none;
  border-style: dashed;
  color: var(--color-foreground-muted);
}
.live td.unread {
  background: repeating-linear-gradient(45deg,
    var(--color-foreground-border) 0 1px,
    var(--color-background-border) 1px 5px);
  color: var(--color-foreground-primary);
}
.live td.lit::after, .live td.chosen::after {
  border: 2px solid var(--color-good);
  content: "";
  inset: -1px;
  pointer-events: none;
  position: absolute;
  z-index: 1;
}
.live td.lit {
  font-weight: 700;
}
.live td.chosen::after {
  border-color: var(--color-brand-primary);
  border-width: 3px;
}
.live .size {
  color: var(--color-foreground-secondary);
}`;

export default function bench(place, {side = 'kernel'}) {
  const {ops, controls, questions} = SIDES[side];
  dress('bench', style);
  let state, result;

  // Where nothing can be computed, all stays as it is.
  const change = changes => asked.attempt(() => asked.change(changes));

  // What can be typed over.
  const numbers = () => ({X: state.X, K: state.K, dY: result.dY});

  const edit = (text, input) => asked.attempt(() => {
    const [name, i, j] = state.at, value = readNumber(
      text, `${name}[${i}, ${j}]`);
    asked.change({[name]: numbers()[name].map((row, r) => row.map(
      (x, c) => r === i && c === j ? value : x))});
  }, input);

  const whole = (name, least, most, value, changes) => {
    const made = field(name, (text, input) => asked.attempt(() => asked.change(
      changes(readWhole(text, name, least, most))), input));
    return {...made, set: () => made.set(value())};
  };
  const option = (name, least, most) => whole(
    name, least, most, () => state[name], value => ({[name]: value}));
  const square = name => whole(
    name, 1, 5, () => state.K.length, k => ({K: ones(k)}));
  const preset = (name, key, tables) => choice(
    name, Object.keys(tables), () => Object.keys(tables).find(
      one => same(tables[one], state[key])) ?? '',
    one => change({[key]: tables[one]}));
  const made = {
    'image': () => preset('image', 'X', IMAGES),
    'kernel': () => preset('kernel', 'K', KERNELS),
    'flip': () => tick('flip the kernel (convolution)',
                       () => state.op === ops[1], on => change({op: ops[+on]})),
    'pool': () => choice('pool', ops, () => state.op, op => change({op})),
    'backward': () => tick('backward', () => state.dY,
                           on => change({dY: on ? [] : null})),
    'pixels': () => whole('pixels', 1, 10, () => state.X.length, n => ({
      X: fill(n, n, (i, j) => state.X[i]?.[j] ?? digit(i, j))})),
    'kernel size': () => square('kernel'),
    'window': () => square('window'),
    'padding': () => option('padding', 0, 3),
    'stride': () => option('stride', 1, 4),
    'dilation': () => option('dilation', 1, 3),
  };
  const fields = controls.map(name => made[name]());
  const bar = field('X[0, 0]', edit);
  const computed = h('span', null);
  const tables = h('div', {class: 'tables'}), size = h('p', {class: 'size'});
  const told = h('p', {class: 'told', 'aria-live': 'polite'});

  // The tables are made anew when their sizes change, else only filled.
  let shapes;
  function draw(next) {
    result = compute(next);
    state = next;
    const [name, i, j] = state.at;
    const cells = {...numbers(), Y: result.Y, dX: result.dX};
    if (!(name === 'X' ? result.feeds[[i, j]]
      : cells[name]?.[i]?.[j] !== undefined)) state.at = ['Y', 0, 0];
    const {op, X, K, padding: p} = state, {Y, dY, dX} = result;
    const pools = POOLS.includes(op);
    const padded = fill(X.length + 2 * p, X[0].length + 2 * p, (i, j) =>
      X[i - p]?.[j - p] ?? (op === 'max' ? -Infinity : 0));
    const groups = [
      [null, {name: 'X', rows: padded,
              label: p ? 'image X, padded' : 'image X'}],
      ...pools ? [] : [['∗', {name: 'K', rows: K, label: 'kernel K'},
                        ...op === 'convolution'
                          ? [{rows: flip(K), label: 'K flipped'}] : []]],
      [pools ? '→' : '=', {name: 'Y', rows: Y, label: 'output Y'}],
      ...dY ? [[null, {name: 'dY', rows: dY, label: 'gradient dY'}],
               ['→', {name: 'dX', rows: dX, label: 'gradient dX'}]] : []];
    const shown = groups.flatMap(group => group.slice(1));
    const sizes = JSON.stringify([p, shown.map(
      ({label, rows}) => [label, rows.length, rows[0].length])]);
    if (sizes !== shapes) {
      const focused = tables.contains(document.activeElement);
      tables.style.setProperty('--columns', Math.max(
        ...shown.map(({rows}) => rows[0].length)));
      tables.replaceChildren(...groups.map(([sign, ...some]) => h(
        'div', {class: 'group'}, sign && h(
          'span', {class: 'sign', 'aria-hidden': 'true'}, sign),
        h('div', null, some.map(grid)))));
      if (focused) cellOf(state.at)?.focus();
      shapes = sizes;
    }
    tables.querySelectorAll('table').forEach(
      (table, i) => paint(table, shown[i]));
    told.style.setProperty('--lines', Math.max(2, pools ? 0 : K.length));
    fields.forEach(({set}) => set());
    size.textContent = sizesTold();
    light(state.at);
    mark(state.at);
    return result;
  }

  function sizesTold() {
    const {X, K, padding: p, stride: s, dilation: d} = state;
    const lines = [[X.length, K.length, result.Y.length],
                   [X[0].length, K[0].length, result.Y[0].length]].map(
      ([n, k, size]) => {
        const moves = (n + 2 * p - d * (k - 1) - 1) / s;
        const span = d > 1 ? `(${d} · (${k} − 1) + 1)` : k;
        return `⌊(${n} + 2 · ${p} − ${span}) / ${s}⌋ + 1 = ` + (
          Number.isInteger(moves) ? '' : `⌊${show(moves)}⌋ + 1 = `) + size;
      });
    return (same(lines[0], lines[1]) ? `Size: ${lines[0]}`
      : `Height: ${lines[0]}. Width: ${lines[1]}`) + (result.unread
      ? `. Grey: ${result.unread} pixels that no window reads.` : '.');
  }

  function grid({name, rows, label}) {
    const p = name === 'X' ? state.padding : 0;
    const cell = (i, j) => h('td', {
      'data-cell': name && `${name},${i - p},${j - p}`,
      'tabindex': name && -1});
    return [h('div', {'class': 'name', 'aria-hidden': 'true'}, label),
            h('table', {'role': name ? 'grid' : null, 'aria-label': label}, h(
              'tbody', null, rows.map((row, i) => h('tr', null, row.map(
                (_, j) => cell(i, j))))))];
  }

  function paint(table, {name, rows}) {
    const numbers = rows.flat(), p = name === 'X' ? state.padding : 0;
    const bound = Math.max(...numbers.filter(Number.isFinite).map(Math.abs));
    table.style.setProperty('--longest', Math.max(...numbers.map(
      x => show(x).length)));
    [...table.querySelectorAll('td')].forEach((cell, n) => {
      const x = numbers[n], j = n % rows[0].length - p;
      const i = Math.floor(n / rows[0].length) - p;
      const outside = p && state.X[i]?.[j] === undefined;
      const unread = name === 'X' && !outside && !result.feeds[[i, j]].length;
      cell.textContent = show(x);
      cell.className = outside ? 'padding' : unread ? 'unread' : '';
      cell.ariaLabel = `${name ?? 'flipped'}[${i}, ${j}] = ${show(x)}` +
        (outside ? ', padding' : unread ? ', not read' : '');
      cell.style.cssText = outside || unread || !x ? '' : `--hue: var(--${x < 0
        ? 'blue' : 'red'}); --much: ${(Math.abs(x) / bound).toFixed(2)}`;
    });
  }

  const cellOf = at => tables.querySelector(`[data-cell="${at.join(',')}"]`);

  // Light what belongs to a cell.
  function light(at) {
    const {lit, told: lines} = follow(at, state, result);
    for (const cell of tables.querySelectorAll('td[data-cell]')) {
      cell.classList.toggle('lit', lit.has(cell.dataset.cell));
      cell.classList.toggle('chosen', cell.dataset.cell === at.join(','));
    }
    told.replaceChildren(...lines.flatMap((line, i) => i
      ? [h('br'), line] : [line]));
  }

  // The chosen cell: its number can be typed over, and tab leads to it.
  function mark(at) {
    const [name, i, j] = at, value = numbers()[name]?.[i]?.[j];
    bar.element.hidden = value === undefined;
    computed.textContent = value === undefined ? name === 'X'
      ? 'Padding cannot be changed.' : `${name} is computed from the others.`
      : '';
    if (value !== undefined) {
      bar.set(+value.toFixed(4), `${name}[${i}, ${j}]`);
    }
    tables.querySelectorAll('table[role="grid"]').forEach(table => {
      table.querySelectorAll('[tabindex="0"]').forEach(
        cell => { cell.tabIndex = -1; });
      (table.querySelector('.chosen') ??
       table.querySelector('[data-cell]')).tabIndex = 0;
    });
  }

  const atOf = target => {
    const cell = target.closest?.('[data-cell]');
    const [name, i, j] = cell?.dataset.cell.split(',') ?? [];
    return cell && [name, +i, +j];
  };
  tables.addEventListener('pointerover', event => {
    if (event.pointerType === 'mouse') light(atOf(event.target) ?? state.at);
  });
  tables.addEventListener('pointerleave', () => light(state.at));
  tables.addEventListener('focusin', event => {
    const at = atOf(event.target);
    if (at && !same(at, state.at)) change({at});
  });
  tables.addEventListener('dblclick', () => bar.input.select());
  tables.addEventListener('keydown', event => {
    const [name, i, j] = atOf(event.target) ?? [];
    const move = ARROWS[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) {
      event.preventDefault();
      cellOf([name, i + move[0], j + move[1]])?.focus();
    } else if (!bar.element.hidden && /^([-−+\d.,]|Enter)$/.test(event.key)) {
      event.preventDefault();
      bar.input.focus();
      if (event.key === 'Enter') bar.input.select();
      else bar.input.value = event.key;
    }
  });
  bar.input.addEventListener('keydown', event => {
    if (event.key === 'Enter') {
      event.preventDefault();
      edit(bar.input.value, bar.input);
      if (!asked.fault.textContent) cellOf(state.at).focus();
    } else if (event.key === 'Escape') {
      change({});
      cellOf(state.at).focus();
    }
  });

  const asked = asking('bench', {
    start: {...START, op: ops[0]}, questions, draw,
    write: state => write({...state, dY: result.dY}),
    read: text => read(text, ops)});
  asked.end.prepend(bar.element, computed);
  asked.run(
    place, 'Bench: numbers to change', h('div', {class: 'row fields'},
      fields.map(({element}) => element)),
    h('p', {class: 'hint'}, 'Choose a number to follow it. Type to change it.'),
    tables, told, controls.includes('stride') ? size : []);
}
