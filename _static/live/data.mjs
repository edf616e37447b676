// Data that a figure loads when its reader asks for them, NAME.bin beside it.
import {dress, h, load, press} from './parts.mjs';

// A question and a button in the figure's place until the data are there; then
// `start` gets them.
export function offer(place, {name, label, what, ask, bytes}, start) {
  dress();
  const fault = h('p', {class: 'fault', role: 'alert'});
  const button = press(`load the ${what}, ${Math.ceil(bytes / 1000)} kB`,
                       async () => {
    button.disabled = true;
    fault.textContent = '';
    try {
      start(await load(name, bytes));
    } catch (error) {
      button.disabled = false;
      fault.textContent = `The ${what} could not be loaded: ${
        error.message} The picture above stays; try again.`;
    }
  });
  place.replaceChildren(h(
    'section', {'aria-label': label}, h('p', {class: 'ask'}, h(
      'b', null, 'Try it. '), ask),
    h('div', {class: 'row'}, button), fault));
}

// A network's file, as the book's build writes it: an index, weights, images.
export function readNetwork(buffer) {
  let place = 4 + new DataView(buffer).getUint32(0, true);
  const index = JSON.parse(new TextDecoder().decode(buffer.slice(4, place)));
  const weights = Object.values(index.weights).map(shape => {
    const size = shape.reduce((a, b) => a * b);
    place += 4 * size;
    return {shape, data: new Float32Array(buffer, place - 4 * size, size)};
  });
  const area = (buffer.byteLength - place) / index.classes.length;
  return {...index, weights, images: index.classes.map((_, i) => new Uint8Array(
    buffer, place + i * area, area))};
}
