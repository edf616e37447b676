// What live figures share: elements, numbers, fields, and their address.
import {look} from './look.mjs';

// An element: h('td', {class: 'lit', onclick: f}, 'text', another).
export function h(tag, settings, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(settings ?? {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter(child => child != null));
  return element;
}

export const press = (name, onclick, label) => h(
  'button', {type: 'button', onclick, 'aria-label': label}, name);

// Styles, once on a page: those of all figures, and a figure's own.
export function dress(name, style) {
  for (const [id, text] of [['live-look', look], [`${name}-look`, style]]) {
    if (text && !document.getElementById(id)) {
      document.head.append(h('style', {id}, text));
    }
  }
}

export const add = numbers => numbers.reduce((a, b) => a + b, 0);

// By how many rows and columns a key moves.
export const ARROWS = {ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
                       ArrowRight: [0, 1]};

// A number as the figures write it: two decimals, a true minus.
export function show(x) {
  if (Math.abs(x) === Infinity) return x < 0 ? '−∞' : '∞';
  return `${+x.toFixed(2) || 0}`.replace('-', '−');
}

export const inBrackets = x => x < 0 ? `(${show(x)})` : show(x);

// What a reader typed as a number, or an error that says what it should be.
export function readNumber(text, name) {
  const plain = text.trim().replace(',', '.').replace('−', '-');
  const [, value, , divisor] = plain.match(
    /^([-+]?(\d+\.?\d*|\.\d+))(?:\/(\d+))?$/) ?? [];
  if (!plain) throw new RangeError(`${name} is empty: type a number.`);
  if (value === undefined && isNaN(plain)) {
    throw new RangeError(`“${text.trim().slice(0, 20)}” is not a number.`);
  }
  const number = (value ?? plain) / (divisor ?? 1);
  if (!(Math.abs(number) <= 999)) {
    throw new RangeError(`${name} can be from −999 to 999.`);
  }
  return number;
}

export function readWhole(text, name, least, most) {
  let number = NaN;
  try {
    number = readNumber(text, name);
  } catch {}
  if (!(Number.isInteger(number) && number >= least && number <= most)) {
    throw new RangeError(
      `${name} must be a whole number from ${least} to ${most}.`);
  }
  return number;
}

// A number to type or to step by one: `change` gets the text and the input.
// `set` writes a value into it, and a new name.
export function field(name, change) {
  const label = h('span', {'aria-hidden': 'true'}, name);
  const input = h('input', {
    type: 'text', inputmode: 'decimal', autocomplete: 'off',
    onchange: () => change(input.value, input),
    onkeydown: event => {
      const by = {ArrowUp: 1, ArrowDown: -1}[event.key];
      if (by) {
        event.preventDefault();
        move(by);
      }
      // Typing what was refused before is no change to the browser.
      if (event.key === 'Enter') change(input.value, input);
    }});
  const move = by => {
    const next = +input.value.replace('−', '-') + by;
    change(isNaN(next) ? input.value : `${next}`, input);
  };
  const less = press('−', () => move(-1));
  const more = press('+', () => move(1));
  const set = (value, to = name) => {
    input.value = value;
    input.removeAttribute('aria-invalid');
    label.textContent = to;
    input.ariaLabel = to;
    less.ariaLabel = `${to}: one less`;
    more.ariaLabel = `${to}: one more`;
  };
  set('');
  const steps = h('span', {class: 'step'}, less, input, more);
  return {element: h('span', {class: 'field'}, label, steps), input, set};
}

// A list to choose from and a box to tick; `set` shows what `value` gives.
export function choice(name, options, value, change) {
  const select = h('select', {'aria-label': name,
                              'onchange': () => change(select.value)},
                   options.map(option => h('option', null, option)));
  return {element: h('label', null, name, select),
          set: () => { select.value = value(); }};
}

export function tick(name, value, change) {
  const box = h('input', {type: 'checkbox',
                          onchange: () => change(box.checked)});
  return {element: h('label', null, box, name),
          set: () => { box.checked = value(); }};
}

// Numbers as a picture: a canvas with one pixel for each.
export const easel = (width, height) => h('canvas', {width, height});

// From 0 to 1: black to white.
export const grey = x => [255 * x, 255 * x, 255 * x];

// From -most to most: blue, through nothing, to red, as in the chapters. The page
// shines through, so that zero is the page itself, light or dark.
export const signed = most => x => [
  ...x < 0 ? [47, 127, 193] : [214, 87, 60],
  255 * Math.min(1, Math.abs(x) / (most || 1))];

// `color` gives red, green, blue and, if not opaque, the fourth: 0 to 255.
export function paintOn(canvas, values, color) {
  const context = canvas.getContext('2d');
  const picture = context.createImageData(canvas.width, canvas.height);
  values.forEach((x, i) => {
    const [r, g, b, a = 255] = color(x);
    picture.data.set([r, g, b, a], 4 * i);
  });
  context.putImageData(picture, 0, 0);
}

// The bytes that the book's build put beside the modules.
export async function load(name, bytes) {
  const answer = await fetch(new URL(`${name}.bin`, import.meta.url));
  if (!answer.ok) throw new RangeError(`The server says ${answer.status}.`);
  const buffer = await answer.arrayBuffer();
  if (buffer.byteLength !== bytes) {
    throw new RangeError('Its file is not complete.');
  }
  return buffer;
}

// What follows the figure's name in the page's address, or null. What cannot be
// decoded is empty, which no figure takes for a state.
export function fromAddress(name) {
  const start = `#${name}=`;
  if (!location.hash.startsWith(start)) return null;
  try {
    return decodeURIComponent(location.hash.slice(start.length));
  } catch {
    return '';
  }
}
