// Calls functions of arithmetic.mjs for test_arithmetic.py. The folder given
// holds calls.json, a list of [name, ...arguments], and calls.bin, the numbers
// of its tensors; answers.json and answers.bin are written there, an answer
// being [result, arguments]. An argument {of: -1, part: 'Y'} is that part of the
// result of the call before.
import {readFileSync, writeFileSync} from 'node:fs';
import * as arithmetic from '../_static/live/arithmetic.mjs';
import * as forward from '../_static/live/forward.mjs';

const folder = process.argv[2];
const read = name => readFileSync(`${folder}/${name}`);
const numbers = new Float64Array(new Uint8Array(read('calls.bin')).buffer);
const results = [], blocks = [];
let length = 0;

const each = (object, change) => Object.fromEntries(
  Object.entries(object).map(([name, value]) => [name, change(value)]));

function given(value) {
  if (!value || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(given);
  if (value.of) {
    const result = results.at(value.of);
    return value.part ? result[value.part] : result;
  }
  if (!('data' in value)) return each(value, given);
  const size = value.shape.reduce((product, n) => product * n, 1);
  return arithmetic.tensor(
    value.shape, numbers.subarray(value.data, value.data + size));
}

function told(value) {
  if (!value || typeof value !== 'object') return value;
  if (!ArrayBuffer.isView(value)) {
    return Array.isArray(value) ? value.map(told) : each(value, told);
  }
  blocks.push(Float64Array.from(value));
  length += value.length;
  return length - value.length;
}

const answers = JSON.parse(read('calls.json')).map(([name, ...call]) => {
  const [group, method] = name.split('.');
  const changed = call.map(given);
  try {
    const found = {...arithmetic, forward}[group];
    results.push((method ? found[method] : found)(...changed));
  } catch (error) {
    results.push({error: error.message});
  }
  return told([results.at(-1), ['sgd', 'batchNorm'].includes(name)
    ? changed : null]);
});
writeFileSync(`${folder}/answers.json`, JSON.stringify(answers));
writeFileSync(`${folder}/answers.bin`, Buffer.concat(
  blocks.map(block => new Uint8Array(block.buffer))));
