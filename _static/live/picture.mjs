// A reader's own picture, for LeNet: loaded when one is chosen.
import {h} from './parts.mjs';

// A picture as greys, light on black as in the data set; and a sentence
// about what was done to it.
export async function readPicture(file, side) {
  if (file.size > 10e6) {
    throw new RangeError(`This file has ${Math.round(file.size / 1e6)} MB. ` +
                         'Choose a picture of 10 MB or less.');
  }
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new RangeError(`“${file.name.slice(0, 40)}” is not a picture that ` +
                         'this browser can read.');
  });
  const [width, height] = [bitmap.width, bitmap.height].map(n => Math.ceil(
    n * side / Math.max(bitmap.width, bitmap.height)));
  const context = h('canvas', {width, height}).getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  const {data} = context.getImageData(0, 0, width, height);
  const greys = Array.from({length: width * height}, (_, i) => (
    0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]
  ) * data[4 * i + 3] / 255);
  if (data.every((x, i) => i % 4 < 3 || x < 8)) {
    throw new RangeError('This picture is transparent everywhere: there is ' +
                         'nothing to see in it.');
  }
  const border = greys.filter((_, i) => i < width || i >= greys.length - width
    || i % width % (width - 1) === 0);
  const light = border.reduce((a, b) => a + b) / border.length > 127;
  const pixels = new Uint8Array(side * side);
  const top = (side - height) >> 1, left = (side - width) >> 1;
  greys.forEach((grey, i) => {
    pixels[(top + Math.floor(i / width)) * side + left + i % width] =
      light ? 255 - grey : grey;
  });
  return {pixels, photo: 'Your picture in 28 × 28 greys. It does not leave ' +
    'this machine.' + (light ? ' It was inverted: the network knows light ' +
    'clothes on black.' : '')};
}
