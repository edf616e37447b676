// What figures on pictures share: a picture in which a pixel is chosen, its
// scale, and numbers to type.
import {add, ARROWS, dress, easel, grey, h, inBrackets, paintOn, show, signed}
  from './parts.mjs';

const style = `
.live .pixels {
  position: relative;
  touch-action: manipulation;
}
.live .pixels[tabindex] {
  cursor: crosshair;
}
.live .pixels canvas {
  display: block;
  height: 100%;
  image-rendering: pixelated;
  outline: 1px solid var(--color-background-border);
  outline-offset: -1px;
  width: 100%;
}
.live .pixels i {
  box-shadow: 0 0 0 3px #0008;
  outline: 2px solid #ffb02e;
  pointer-events: none;
  position: absolute;
}
.live .scale {
  align-items: center;
  color: var(--color-foreground-secondary);
  display: flex;
  font-size: 0.8125rem;
  gap: 0.4rem;
}
.live .scale canvas {
  border: 1px solid var(--color-background-border);
  flex: 1;
  height: 0.6rem;
  max-width: 9rem;
  min-width: 2rem;
}
.live input.entry[type="text"] {
  border-inline: 1px solid var(--color-foreground-border);
  border-radius: 0.3rem;
  width: 3.8rem;
}
.live input[type="range"] {
  accent-color: var(--color-brand-primary);
  height: 1.5rem;
  width: 7rem;
}`;

// A picture of rows x columns pixels. With `choose`, the mouse over one, a tap
// or the arrow keys call it with the pixel, and with true if that is to stay.
export function picture(name, rows, columns, choose) {
  dress('pixels', style);
  const canvas = easel(columns, rows);
  const element = h('div', {
    'class': 'pixels', 'role': choose ? 'application' : 'img',
    'tabindex': choose && 0, 'aria-label': name,
    'style': `aspect-ratio: ${columns} / ${rows}`}, canvas);
  let chosen;
  const inside = (x, size) => Math.max(0, Math.min(size - 1, Math.floor(x)));
  const pixel = (i, j) => [inside(i, rows), inside(j, columns)];
  const under = event => {
    const {left, top, width, height} = canvas.getBoundingClientRect();
    return pixel((event.clientY - top) / height * rows,
                 (event.clientX - left) / width * columns);
  };
  if (choose) {
    element.addEventListener('click', event => choose(under(event), true));
    element.addEventListener('pointermove', event => {
      if (event.pointerType === 'mouse') choose(under(event), false);
    });
    element.addEventListener('pointerleave', () => choose(null, false));
    element.addEventListener('keydown', event => {
      const move = ARROWS[event.key];
      if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      choose(pixel(chosen[0] + move[0], chosen[1] + move[1]), true);
    });
  }
  return {
    element,
    paint: (values, color) => paintOn(canvas, values, color),
    // Frames the chosen pixel, or the window that begins at it.
    frame([i, j], size = 1) {
      const share = {top: i / rows, left: j / columns, height: size / rows,
                     width: size / columns};
      element.querySelector('i')?.remove();
      element.append(h('i', {style: Object.entries(share).map(
        ([side, x]) => `${side}: ${100 * x}%`).join(';')}));
    },
    // Where the arrow keys go on from, and what is read out there.
    at(place, text) {
      chosen = place;
      element.ariaLabel = `${name}, row ${place[0]}, column ${place[1]}: ${
        text}`;
    }};
}

// Weights that are not negative and add up to 1 or less make a picture of a
// picture.
export const keepsRange = weights => weights.every(w => w >= 0) &&
  add(weights) < 1 + 1e-6;

// From black to white for a picture, else around zero.
export function scaleOf(values, picture) {
  if (picture) return {least: 0, most: 1, color: grey};
  const most = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  return {least: -most, most, color: signed(most)};
}

// A strip that says what the colours mean.
export function strip() {
  const canvas = easel(63, 1), [least, most] = [h('span'), h('span')];
  return {element: h('div', {class: 'scale'}, least, canvas, most),
          set(scale) {
    least.textContent = show(scale.least);
    most.textContent = show(scale.most);
    paintOn(canvas, Array.from({length: 63}, (_, i) => scale.least + i / 62 *
      (scale.most - scale.least)), scale.color);
  }};
}

// Rows of numbers, coloured up to `most`.
export const table = (label, rows, most) => h(
  'table', {'aria-label': label}, h('tbody', null, rows.map(row => h(
    'tr', null, row.map(x => h('td', {style: `--hue: var(--${
      x < 0 ? 'blue' : 'red'}); --much: ${Math.min(1, Math.abs(x) / most) || 0}`
    }, show(x)))))));

// A number as it can be typed, short: 1/9 and not 0.1111.
function typed(x) {
  const n = [3, 6, 8, 9, 16].find(n => Math.abs(x * n - Math.round(x * n))
    < 1e-9);
  const text = +x.toFixed(2) === x || !n ? +x.toFixed(4)
    : `${Math.round(x * n)}/${n}`;
  return `${text}`.replace('-', '−');
}

// A number to type, without buttons: the arrow keys step by one.
export function entry(name, change) {
  let now;
  const input = h('input', {
    'type': 'text', 'class': 'entry', 'autocomplete': 'off',
    'aria-label': name, 'onfocus': () => input.select(),
    'onchange': () => change(input.value, input),
    'onkeydown': event => {
      const by = {ArrowUp: 1, ArrowDown: -1}[event.key];
      if (!by) return;
      event.preventDefault();
      change(String(+(now + by).toFixed(4)), input);
    }});
  return {element: input, set(value) {
    now = value;
    input.value = typed(value);
    input.removeAttribute('aria-invalid');
  }};
}

export const plus = numbers => numbers.map(inBrackets).join(' + ');
