// The worker of train.mjs. It computes only when asked and for a moment, then
// waits: who stops asking has paused it, and a tab that sleeps has, too.
import {begin} from './training.mjs';

const MOMENT = 150;  // milliseconds
let advance;

onmessage = ({data: {run, steps, settings, data}}) => {
  if (settings) advance = begin(settings, data);
  const reports = [], end = performance.now() + MOMENT;
  do {
    reports.push(advance());
  } while (reports.length < steps && performance.now() < end);
  postMessage({run, reports});
};
