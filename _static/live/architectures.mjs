// Architectures: a network of the course, or the reader's own list of layers;
// what each layer puts out, holds, works and sees, at any size of the image.
import {measure, parse, PRESETS} from './layers.mjs';
import {asking} from './asking.mjs';
import {choice, dress, field, h, readWhole} from './parts.mjs';

const style = `
.live .network {
  display: grid;
  gap: 0.75rem;
  grid-template-columns: minmax(9rem, 1fr) minmax(0, 3.4fr);
}
.live .network textarea {
  background: var(--color-background-primary);
  border: 1px solid var(--color-foreground-border);
  border-radius: 0.3rem;
  box-sizing: border-box;
  color: inherit;
  font: 0.8125rem/1.5 var(--font-stack--monospace);
  height: 22rem;
  padding: 0.4rem;
  resize: vertical;
  white-space: pre;
  width: 100%;
}
.live .layers-box {
  border: 1px solid var(--color-background-border);
  max-height: 22rem;
  overflow: auto;
}
.live .layers-box table {
  border-spacing: 0;
  font-size: 0.75rem;
  line-height: 1.45;
  width: 100%;
}
.live .layers-box :is(td, th) {
  background: none;
  border: 0;
  border-bottom: 1px solid var(--color-background-border);
  cursor: auto;
  height: auto;
  max-width: none;
  min-width: 0;
  padding: 0.1rem 0.3rem;
  text-align: right;
}
.live .layers-box th {
  background: var(--color-background-secondary);
  position: sticky;
  top: 0;
}
.live .layers-box :is(td, th):first-child {
  text-align: left;
}
.live .layers-box .amount {
  background: linear-gradient(var(--tone), var(--tone)) right bottom /
    calc(var(--share) * 100%) 3px no-repeat;
}
.live .layers-box td:first-child {
  padding-left: calc(0.4rem + var(--depth) * var(--step, 1rem));
}
.live .layers-box .narrow {
  display: none;
}
.live .sizes label {
  min-width: 0;
}
.live .sizes select {
  min-width: 0;
}
.live .sizes input[type="text"] {
  width: 2.6rem;
}
@container (max-width: 38rem) {
  .live .network {
    grid-template-columns: minmax(0, 1fr);
  }
  .live .network textarea {
    height: 12rem;
  }
  .live .layers-box {
    --step: 0.3rem;
  }
  .live .layers-box .narrow {
    display: inline;
  }
  .live .layers-box .wide {
    clip-path: inset(50%);
    position: absolute;
    right: 0;
  }
  .live .layers-box :is(td, th) {
    padding: 0.1rem 0.15rem;
  }
  .live .layers-box td:first-child {
    white-space: normal;
  }
}`;

const NAMES = Object.keys(PRESETS);
const of = name => ({preset: name, ...PRESETS[name]});
const many = n => n.toLocaleString('en');
// As few characters as a phone has room for: 938 M.
const brief = n => n < 1e3 ? n : n < 1e6 ? `${(n / 1e3).toPrecision(2) * 1} k`
  : `${(n / 1e6).toPrecision(3) * 1} M`;
// A text for wide screens and readers of the screen, and one for narrow ones.
const twice = (text, short) => [h('span', {class: 'wide'}, text), h(
  'span', {'class': 'narrow', 'aria-hidden': 'true'}, short)];
const million = n => n < 1e5 ? many(n) : `${(n / 1e6).toPrecision(3)} million`;
const costs = name => measure(parse(PRESETS[name].text), PRESETS[name].side,
                              PRESETS[name].inputs);

// By how many lines a text differs from its preset: one may be changed, added
// or taken away.
function changed({preset, text}) {
  const [now, was] = [text, PRESETS[preset].text].map(all => all.split('\n'));
  const same = now.findIndex((line, i) => line !== was[i]);
  if (same < 0) return now.length === was.length ? 0 : 1;
  const rest = [now.slice(same).reverse(), was.slice(same).reverse()];
  const end = rest[0].findIndex((line, i) => line !== rest[1][i]);
  const left = rest.map(part => end < 0 ? 0 : part.length - end);
  return Math.max(1, ...left);
}

// The smallest image on which a list of layers runs.
function smallest({text, inputs}) {
  const layers = parse(text);
  return Array.from({length: 512}, (_, i) => i + 1).find(side => {
    try {
      return measure(layers, side, inputs);
    } catch {
      return false;
    }
  });
}

const QUESTIONS = [{
  name: 'AlexNet',
  ask: 'At which image size does AlexNet fail, and in which layer? Make the ' +
       'image smaller.',
  solved: ({text}, {error}) => error && text === PRESETS.AlexNet.text,
  answer: state => `Found. The smallest image on which it runs has ${
    smallest(state)} pixels a side: each stride and each pooling shrinks it.`,
}, {
  name: 'VGG-11',
  ask: 'Halve the parameters of VGG-11 by changing a single line.',
  solved: (state, {parameters}) => state.preset === 'VGG-11' &&
    changed(state) === 1 && 2 * parameters <= costs('VGG-11').parameters,
  answer: (_, {work}) => `Found: nearly all parameters belong to the first ` +
    `dense layer. The work is still ${million(work)}.`,
}, {
  name: 'VGG-11',
  ask: 'Now halve the work of VGG-11 by changing a single line.',
  solved: (state, {work}) => state.preset === 'VGG-11' &&
    changed(state) === 1 && 2 * work <= costs('VGG-11').work,
  answer: (_, {parameters}) => 'Found: the work is where the maps are large. ' +
    `${million(parameters)} parameters are left.`,
}, {
  name: 'VGG-11, pooling inside the loop',
  ask: 'Here each convolution is followed by a pooling layer, as in the notes. ' +
       'Find an image size at which the image is not used up.',
  solved: ({preset}, {error}) => preset === 'VGG-11, pooling inside the loop' &&
    !error,
  answer: 'Found. Eight poolings halve eight times: it takes 2⁸ = 256 pixels.',
}, {
  name: 'NiN',
  ask: 'Put a dense layer of 10 units in place of the mean: how many ' +
       'parameters does it cost, and which sizes still run?',
  solved: ({preset, text}, {error, parameters}) => preset === 'NiN' && !error &&
    !text.includes('global') && parameters > costs('NiN').parameters,
  answer: (_, {parameters}) => `Found: ${many(parameters -
    costs('NiN').parameters)} more here. Another size needs another dense ` +
    'layer; the mean takes any.',
}, {
  name: 'GoogLeNet',
  ask: 'Take away the 1x1 convolution in front of the 5x5 convolution of the ' +
       'first block. By how much does the work grow?',
  solved: ({preset, text}, {error, work}) => preset === 'GoogLeNet' && !error &&
    !text.split('conv 32 5x5')[0].includes('conv 16 1x1') &&
    work > costs('GoogLeNet').work,
  answer: (_, {work}) => `Found: by ${million(work - costs('GoogLeNet').work)
  } for this one branch.`,
}, {
  name: 'ResNet-18',
  ask: 'Which does more work, ResNet-50 or VGG-16? Choose ResNet-50, and guess ' +
       'before you look.',
  solved: ({preset}) => preset === 'ResNet-50, torchvision',
  answer: () => `VGG-16, ${(costs('VGG-16, torchvision').work /
    costs('ResNet-50, torchvision').work).toFixed(1)} times as much, with ${
    (costs('VGG-16, torchvision').parameters /
     costs('ResNet-50, torchvision').parameters).toFixed(1)
    } times the parameters: bottlenecks are cheap.`,
}, {
  name: 'ResNet-18',
  ask: 'Make a shortcut of ResNet-18 impossible: which stride or width must ' +
       'not change?',
  solved: ({preset}, {error}) => preset === 'ResNet-18' &&
    error?.includes('cannot be added'),
  answer: 'Found: only equal shapes can be added.',
}].map(question => ({...question, state: of(question.name)}));

export default function architectures(place, {preset}) {
  dress('architectures', style);
  const first = QUESTIONS.findIndex(({name}) => name === preset);
  const box = h('textarea', {
    'aria-label': 'layers, one a line', 'spellcheck': 'false',
    'autocapitalize': 'off', 'oninput': () => figure.attempt(
      () => figure.change({text: box.value}))});
  const told = h('p', {class: 'told', role: 'status', style: '--lines: 3'});
  const body = h('tbody');
  const table = h('div', {'class': 'layers-box', 'tabindex': 0,
                          'role': 'region', 'aria-label': 'what each layer costs'},
                  h('table', null, h('thead', null, h('tr', null, [
                    'layer', 'output', twice('parameters', 'params'), 'MACs',
                    'sees'].map(name => h('th', {scope: 'col'}, name)))),
                  body));
  const network = choice('network', NAMES, () => shown.preset,
                         name => figure.change(of(name)));
  const number = (name, key, most) => {
    const made = field(name, (text, input) => figure.attempt(
      () => figure.change({[key]: readWhole(text, name, 1, most)}), input));
    return {...made, set: () => made.set(shown[key])};
  };
  const fields = [network, number('image side', 'side', 512),
                  number('channels of the image', 'inputs', 512)];
  let shown;

  function draw(state) {
    shown = state;
    fields.forEach(({set}) => set());
    if (box.value !== state.text) box.value = state.text;
    let known;
    try {
      known = measure(parse(state.text), state.side, state.inputs);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      told.replaceChildren(h('b', {class: 'wrong'}, error.message));
      body.replaceChildren();
      return {error: error.message};
    }
    const {rows, parameters, work, numbers} = known;
    told.replaceChildren(
      h('b', null, `${many(parameters)} parameters, ${many(work)
      } multiply-accumulates (MACs)`), ` for an image of ${state.inputs} × ${
        state.side} × ${state.side}. The outputs are ${many(numbers)
      } numbers, ${(numbers * 4 / 1e6).toPrecision(2)} MB in fp32.`);
    // A number of a row, and its share of the largest one of its column.
    const most = Object.fromEntries(['numbers', 'parameters', 'work'].map(
      name => [name, Math.max(1, ...rows.map(row => row[name]))]));
    const amount = (row, name, tone, ...text) => h('td', {
      class: 'amount', title: `${many(row[name])} ${name}`,
      style: `--share: ${row[name] / most[name]}; --tone: var(--${tone})`}, text);
    const exact = (row, name, tone) => amount(row, name, tone, row[name]
      ? twice(many(row[name]), brief(row[name])) : []);
    body.replaceChildren(...rows.map(row => h(
      'tr', null, h('td', {style: `--depth: ${row.depth}`}, row.text),
      amount(row, 'numbers', 'color-good', row.shape.length === 1
        ? many(row.shape[0]) : [...row.shape, row.shape[1]].join('×')),
      exact(row, 'parameters', 'red'), exact(row, 'work', 'blue'), h(
        'td', null, row.field.size === Infinity ? 'all' : row.field.size))));
    return known;
  }

  // The text only where it is the reader's own.
  const write = ({preset, side, inputs, text}) => encodeURIComponent([
    NAMES.indexOf(preset), side, inputs, text === PRESETS[preset].text ? ''
      : text.replaceAll('\n', ';')].join('/'));
  function read(text) {
    const [name, side, inputs, ...own] = text.split('/');
    const preset = NAMES[readWhole(name, 'A number', 0, NAMES.length - 1)];
    return {preset, side: readWhole(side ?? '', 'image side', 1, 512),
            inputs: readWhole(inputs ?? '', 'channels', 1, 512),
            text: own.join('/').replaceAll(';', '\n') || PRESETS[preset].text};
  }
  const figure = asking('architectures', {
    start: {}, write, read, draw,
    questions: [...QUESTIONS.slice(first), ...QUESTIONS.slice(0, first)]});
  figure.run(place, 'Architectures', h('div', {class: 'row sizes'}, fields.map(
    ({element}) => element)), told, h('div', {class: 'network'}, box, table));
}
