// LeNet while it was trained: loaded when a reader goes back.
import {tensor} from './forward.mjs';

// The weights after each epoch but the last: steps of 1/64 from one epoch to the
// one before it.
export async function readTraining(weights) {
  const answer = await fetch(new URL('lenet-epochs.bin', import.meta.url));
  if (!answer.ok) throw new RangeError(`The server says ${answer.status}.`);
  const steps = new Int8Array(await new Response(answer.body.pipeThrough(
    new DecompressionStream('deflate'))).arrayBuffer());
  const sums = weights.map(({data}) => data.map(x => Math.round(64 * x)));
  let place = 0;
  return Array.from({length: 10}, () => weights.map(({shape}, layer) => {
    sums[layer].forEach((_, i) => { sums[layer][i] += steps[place++]; });
    return tensor(shape, sums[layer].map(x => x / 64));
  })).reverse();
}
