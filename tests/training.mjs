// Trains as the figure train.mjs does, for test_live_train.py: reads tasks from
// a file, writes what each gives. A task has settings and either the images,
// labels, weights and batches to train with, or the figure's own data.
import {readFileSync, writeFileSync} from 'node:fs';
import {tensor} from '../_static/live/arithmetic.mjs';
import {randomFrom} from '../_static/live/random.mjs';
import {begin, evaluate, makeNet, parametersOf, step}
  from '../_static/live/training.mjs';

const [, , file, data] = process.argv;
const bytes = new Uint8Array(readFileSync(data));
const count = bytes.length / 785;
const own = {images: bytes.subarray(0, count * 784), number: count / 6 * 5,
             labels: [...bytes.subarray(count * 784)]};
const gather = places => [
  tensor([places.length, 1, 28, 28], places.flatMap(place => Array.from(
    own.images.subarray(784 * place, 784 * place + 784), x => x / 255))),
  places.map(place => own.labels[place])];

const answers = JSON.parse(readFileSync(file)).map(
  ({settings, weights, batches, steps}) => {
    if (steps) {
      const advance = begin(settings, own);
      return Array.from({length: steps}, advance);
    }
    const net = makeNet(settings, randomFrom(settings.seed ?? 0));
    if (!weights) return parametersOf(net).map(({data}) => [...data]);
    parametersOf(net).forEach(({data}, i) => data.set(weights[i]));
    return {reports: batches.map(batch => step(
      net, settings, ...gather(batch))),
            after: evaluate(net, settings.activation, ...gather(
              Array.from({length: 100}, (_, i) => own.number + i)))};
  });
writeFileSync(file, JSON.stringify(answers));
