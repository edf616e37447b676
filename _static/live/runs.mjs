// Runs: every recorded training, and whether two networks differ by more than
// the seeds do.
import {asking} from './asking.mjs';
import {chart, ticks} from './chart.mjs';
import {offer} from './data.mjs';
import {add, choice, dress, h, press} from './parts.mjs';

const EVERY = 'every machine', CARD = 'NVIDIA H200, bf16';
const average = values => add(values) / values.length;
const METRICS = Object.entries({
  'accuracy, last three epochs': ['val_acc', x => average(x.slice(-3))],
  'accuracy, last epoch': ['val_acc', x => x.at(-1)],
  'accuracy, best epoch': ['val_acc', x => Math.max(...x)],
  'validation loss, last epoch': ['val_loss', x => x.at(-1)],
  'training loss, last epoch': ['train_loss', x => x.at(-1)],
}).map(([name, [key, of]]) => ({name, key, of}));
const CURVES = {val_acc: 'validation accuracy', val_loss: 'validation loss',
                train_loss: 'training loss'};
const START = {machine: CARD, metric: 0, guess: '', at: null};

// Each begins with a state and is solved by what comes of another.
const QUESTIONS = [{
  ask: 'Which difference is larger than the noise? Choose two networks, ' +
       'predict, and look.',
  state: {a: 'ResNet-18', b: 'ResNeXt'},
  solved: ({guess}, {verdict}) => verdict !== 'none' && guess === verdict,
  answer: 'Found. The interval of the difference does not contain zero.',
}, {
  ask: 'A large difference can be noise. Find two networks whose accuracies ' +
       'differ by more than 0.03, in an interval that contains zero.',
  state: {a: 'NiN', b: 'AlexNet'},
  solved: ({guess, metric}, {verdict, difference}) => guess &&
    verdict === 'none' && METRICS[metric].key === 'val_acc' &&
    Math.abs(difference?.gap) > 0.03,
  answer: 'Found. A few runs that lie far apart say little about their mean.',
}, {
  ask: 'GoogLeNet has two runs on this card, far apart. Is there a choice of ' +
       'machine with enough of its seeds for an interval?',
  state: {a: 'GoogLeNet', b: 'AlexNet'},
  solved: ({guess}, {sides}) => guess && sides.some(
    ({name, half}) => name === 'GoogLeNet' && half !== null),
  answer: 'Found. Three seeds are the fewest that get an interval here.',
}, {
  ask: 'LeNet was trained ten times on this processor, and only five of the ' +
       'runs are counted. Why? Look at a hollow dot.',
  state: {a: 'LeNet', b: 'BN-LeNet', machine: 'AMD EPYC, fp32'},
  solved: ({at}, {rows}) => at &&
    !rows.flatMap(({runs}) => runs).find(run => run.id === at).counts,
  answer: 'Found. Compare it with the filled dot of its seed. The same seed ' +
          'again is not a new sample: counted twice, it would only make the ' +
          'interval narrower.',
}];

// The t that leaves 5 % outside ±t. With t = √d / tan φ the share outside is
// the integral of sin^(d - 1) from 0 to φ, in parts of that up to π / 2; with
// φ = s⁴ it is smooth enough for Simpson's rule.
export function quantile(d) {
  const integral = phi => {
    const n = 200, end = phi ** 0.25;
    return end / n / 3 * add(Array.from({length: n + 1}, (_, i) => {
      const s = i * end / n, weight = i % n ? 2 + 2 * (i % 2) : 1;
      return weight * Math.sin(s ** 4) ** (d - 1) * 4 * s ** 3;
    }));
  };
  const outside = 0.05 * integral(Math.PI / 2);
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (integral(middle) < outside) low = middle;
    else high = middle;
  }
  return Math.sqrt(d) / Math.tan(low);
}

// The variance of a mean.
const error = values => add(values.map(x => (x - average(values)) ** 2)) /
  (values.length - 1) / values.length;

// Half the 95 % interval of a mean, as `helpers.interval`: null for fewer
// than three runs.
export const interval = values => values.length < 3 ? null
  : quantile(values.length - 1) * Math.sqrt(error(values));

// How far A is above B, with Welch's interval: null for a single run.
export function welch(A, B) {
  if (Math.min(A.length, B.length) < 2) return null;
  const [a, b] = [error(A), error(B)];
  const half = a + b && Math.sqrt(a + b) * quantile(
    (a + b) ** 2 / (a ** 2 / (A.length - 1) + b ** 2 / (B.length - 1)));
  const gap = average(A) - average(B);
  return {gap, low: gap - half, high: gap + half};
}

const style = `
.live .strips {
  margin: 0.6rem 0 0;
}
.live .strips:focus-visible {
  outline: 3px solid var(--color-brand-primary);
  outline-offset: 2px;
}
.live .strip {
  --ink: var(--color-foreground-muted);
  align-items: center;
  display: grid;
  gap: 0.5rem;
  grid-template-columns: 6.6rem minmax(0, 1fr);
  white-space: nowrap;
}
.live .strip.a {
  --ink: var(--blue);
  font-weight: 650;
}
.live .strip.b {
  --ink: var(--red);
  font-weight: 650;
}
.live .track {
  border-bottom: 1px solid var(--color-background-border);
  cursor: pointer;
  font-weight: 400;
  height: 1.9rem;
  margin: 0 0.6rem;
  position: relative;
  touch-action: manipulation;
}
.live .ticks {
  border: 0;
  color: var(--color-foreground-secondary);
  cursor: auto;
  height: 1.4rem;
}
.live .track > * {
  position: absolute;
  transform: translate(-50%, -50%);
}
.live .run {
  border: 2px solid var(--ink);
  border-radius: 50%;
  box-sizing: border-box;
  height: 0.6rem;
  top: 84%;
  width: 0.6rem;
}
.live .run.counts {
  background: var(--ink);
  opacity: 0.75;
  top: 48%;
}
.live .run.lit {
  outline: 2px solid var(--color-foreground-primary);
  outline-offset: 2px;
  opacity: 1;
  z-index: 2;
}
.live .none {
  color: var(--color-foreground-secondary);
  left: 50%;
  top: 50%;
}
.live .middle {
  background: var(--color-foreground-primary);
  height: 1.2rem;
  top: 48%;
  width: 2px;
}
.live .spread {
  border: 1px solid var(--color-foreground-primary);
  border-width: 0 1px;
  height: 0.7rem;
  top: 48%;
}
.live .spread::after {
  border-top: 2px solid var(--color-foreground-primary);
  content: "";
  left: 0;
  position: absolute;
  right: 0;
  top: calc(50% - 1px);
}
.live .zero {
  border-left: 2px dashed var(--color-foreground-muted);
  height: 1.9rem;
  top: 50%;
}
.live button[aria-pressed="true"] {
  border-color: var(--color-brand-primary);
  box-shadow: inset 0 0 0 1px var(--color-brand-primary);
}
.live .says {
  min-height: 4.5em;
}
@container (max-width: 30rem) {
  .live .fields label {
    flex-wrap: wrap;
  }
  .live .fields select {
    flex-basis: 9rem;
  }
  .live .strip {
    gap: 0.2rem;
    grid-template-columns: 5.9rem minmax(0, 1fr);
  }
}`;

const minus = text => text.replaceAll('-', '−');
const show = x => minus(x.toFixed(3));
const signed = x => (x > 0 ? '+' : '') + show(x);
const count = n => n === 0 ? 'no run' : n === 1 ? 'one run' : `${n} runs`;

// All that can be known of a state.
function compute(networks, {a, b, machine, metric}) {
  const {of, key} = METRICS[metric];
  const rows = networks.map(({name, runs}, network) => {
    const seen = runs.map((run, i) => ({
      ...run, id: `${network}-${i}`, value: of(run[key]),
    })).filter(run => [run.machine, EVERY].includes(machine));
    const newest = new Map(seen.map(run => [run.seed, run.id]));
    for (const run of seen) run.counts = newest.get(run.seed) === run.id;
    seen.sort((one, other) => one.value - other.value);
    const values = seen.filter(run => run.counts).map(({value}) => value);
    return {name, runs: seen, values, mean: average(values),
            half: interval(values)};
  });
  const sides = [a, b].map(side => rows.find(({name}) => name === side));
  const difference = welch(...sides.map(({values}) => values));
  const verdict = difference?.low > 0 ? 'a' : difference?.high < 0 ? 'b'
    : 'none';
  return {rows, sides, difference, verdict};
}

// What two networks' runs say about their difference.
function judge({sides, difference, verdict}) {
  const [a, b] = sides;
  const few = sides.filter(({values}) => values.length < 2);
  const told = sides.map(({name, values, mean, half}) => `${name}: ` + (
    values.length ? show(mean) + (half === null ? '' : ' ± ' + show(half)) +
      ` (${count(values.length)})` : 'no run') + '. ').join('');
  if (few.length) {
    return told + few.map(({name, values}) => `${name} has ${
      count(values.length)} here`).join(', ') + ': too few to tell.';
  }
  const {gap, low, high} = difference;
  return `${told}${a.name} − ${b.name} = ${signed(gap)}, 95 % interval ${
    signed(low)} to ${signed(high)}. ` + (verdict === 'none'
    ? 'Zero is inside: the noise alone could make such a difference.'
    : 'Zero is outside: the difference is larger than the noise.') + (
    sides.some(({half}) => half === null)
      ? ' Be careful: two runs say little about a spread.' : '');
}

// The state in the address, and back.
const write = ({a, b, machine, metric, guess, at}) => encodeURIComponent(
  [a, b, machine, metric, guess, at ?? ''].join('/'));

function read(text, networks, machines) {
  const [a, b, machine, metric, guess, at] = text.split('/');
  const names = networks.map(({name}) => name);
  const [network, run] = (at || '0-0').split('-');
  if (a === b || ![a, b].every(name => names.includes(name)) ||
      !machines.includes(machine) || !METRICS[metric] ||
      !['', 'a', 'b', 'none'].includes(guess) ||
      !networks[network]?.runs[run]) {
    throw new RangeError('It names no run of these records.');
  }
  return {a, b, machine, metric: +metric, guess, at: at || null};
}

export default function runs(place, {bytes}) {
  offer(place, {
    name: 'runs', label: 'Every recorded run', what: 'records', bytes,
    ask: 'Which difference between two networks is larger than the noise?',
  }, buffer => compare(place, JSON.parse(new TextDecoder().decode(buffer))));
  dress('runs', style);
}

function compare(place, networks) {
  const machines = [CARD, ...new Set(networks.flatMap(({runs}) => runs.map(
    ({machine}) => machine)).filter(one => one !== CARD).sort()), EVERY];
  const id = `run-${Math.random()}-`;
  let state, result, scale;

  // What changes the difference asks for another prediction.
  const change = changes => asked.change({guess: '', ...changes});

  const runOf = at => result.rows.flatMap(({runs}) => runs).find(
    run => run.id === at);
  const side = (name, own, other) => choice(
    name, networks.map(({name}) => name), () => state[own],
    one => change(one === state[other]
      ? {[own]: one, [other]: state[own]} : {[own]: one}));
  const fields = [
    side('compare', 'a', 'b'), side('with', 'b', 'a'),
    choice('machine', machines, () => state.machine,
           machine => change({machine})),
    choice('by', METRICS.map(({name}) => name),
           () => METRICS[state.metric].name, name => change(
             {metric: METRICS.findIndex(one => one.name === name)}))];
  const strips = h('div', {
    'class': 'strips', 'role': 'listbox', 'tabindex': 0, 'aria-label':
    'recorded runs: left and right go through a network, up and down to ' +
    'another', 'onkeydown': step});
  const axis = h('div', {class: 'strip', 'aria-hidden': 'true'});
  const told = h('p', {class: 'told', 'aria-live': 'polite'});
  const guesses = ['a', 'b', 'none'].map(guess => press('', () => change(
    {guess})));
  const says = h('p', {class: 'says', role: 'status'});
  const gap = h('div', {class: 'strip', 'aria-hidden': 'true'});
  const height = {};
  const curves = chart('curves of the two networks', {name: 'epoch', least: 1},
                       height);

  function step(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key] ?? 0;
    const down = {ArrowUp: -1, ArrowDown: 1}[event.key] ?? 0;
    if (!by && !down || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const rows = result.rows.map(({runs}) => runs).filter(runs => runs.length);
    const row = rows.findIndex(runs => runs.some(({id}) => id === state.at));
    if (row < 0) return point(rows[0]?.[0]);
    const at = rows[row].findIndex(({id}) => id === state.at);
    point(down ? rows[row + down]?.[0] : rows[row][at + by]);
  }

  function point(run) {
    if (run) change({guess: state.guess, at: run.id});
  }

  // The run of a row that is nearest to the pointer.
  function nearest({currentTarget: track, clientX, clientY}, runs) {
    const far = run => {
      const box = track.querySelector(`[id="${id}${run.id}"]`)
        .getBoundingClientRect();
      return Math.hypot(box.x + box.width / 2 - clientX,
                        box.y + box.height / 2 - clientY);
    };
    return runs.reduce((a, b) => far(b) < far(a) ? b : a);
  }

  // A place along an axis, and an interval around a value.
  const along = x => `left: ${x}%`;
  const bar = (at, value, half) => [
    half === null ? null : h('span', {class: 'spread', style: `${along(
      at(value))}; width: ${at(value + half) - at(value - half)}%`}),
    h('span', {class: 'middle', style: along(at(value))})];

  function draw(next) {
    state = next;
    result = compute(networks, state);
    if (!runOf(state.at)) state.at = null;
    const {a, b, guess, metric} = state, {rows, difference, verdict} = result;
    const {key} = METRICS[metric];
    const values = rows.flatMap(({runs, mean, half}) => [
      ...runs.map(({value}) => value),
      ...guess && half ? [mean - half, mean + half] : []]);
    const marks = ticks(Math.min(...values), Math.max(...values), 4);
    const [least, most] = [marks[0], marks.at(-1)];
    scale = x => 100 * (x - least) / (most - least);
    fields.forEach(({set}) => set());
    strips.replaceChildren(...rows.map(row => h('div', {
      'class': `strip ${row.name === a ? 'a' : row.name === b ? 'b' : ''}`,
      'role': 'group', 'aria-label': row.name,
    }, h('span', {'aria-hidden': 'true'}, row.name), h('div', {
      class: 'track',
      onclick: event => row.runs.length && point(nearest(event, row.runs)),
      onpointermove: event => event.pointerType === 'mouse' &&
        row.runs.length && tell(nearest(event, row.runs)),
      onpointerleave: () => tell(runOf(state.at)),
    }, row.runs.length ? null : h('span', {class: 'none'}, 'no run'),
    guess && row.values.length ? bar(scale, row.mean, row.half) : null,
      row.runs.map(run => h('span', {
        'class': `run ${run.counts ? 'counts' : ''}`, 'id': id + run.id,
        'role': 'option', 'style': along(scale(run.value)), 'aria-selected':
        String(run.id === state.at), 'aria-label': describe(run)}))))));
    axis.replaceChildren(h('span'), h('div', {class: 'track ticks'}, marks.map(
      x => h('span', {style: `${along(scale(x))}; top: 50%`},
             minus(`${+x.toFixed(4)}`)))));
    guesses.forEach((button, i) => {
      button.textContent = [`${a} is higher`, `${b} is higher`,
                            'the runs cannot tell'][i];
      button.ariaPressed = String(guess === ['a', 'b', 'none'][i]);
    });
    says.replaceChildren(...guess ? [
      h('b', null, guess === verdict ? 'Right. ' : 'No. '), judge(result)]
      : ['Mean and 95 % interval appear when you have predicted.']);
    gap.hidden = !guess || !difference;
    if (!gap.hidden) {
      const {low, high, gap: middle} = difference;
      const far = 1.05 * Math.max(-low, high);
      const at = x => 50 + 50 * x / far;
      gap.replaceChildren(h('span', null, 'difference'), h(
        'div', {class: 'track'}, h('span', {class: 'zero', style: along(50)}),
        bar(at, middle, high - middle), h('span', {style: `${along(50)
        }; top: 88%; background: var(--color-background-primary)`}, '0')));
    }
    height.name = CURVES[key];
    tell(runOf(state.at));
    return result;
  }

  const describe = ({seed, value, machine, counts}) =>
    `${show(value)}, seed ${seed}, ${machine}${counts ? '' : ', not counted'}`;

  // What is known of a run, and its curve, for good or while it is pointed at.
  let shown;
  function tell(run) {
    const key = METRICS[state.metric].key;
    const known = JSON.stringify([run?.id, {...state, at: 0}]);
    if (shown === known) return;
    shown = known;
    strips.querySelectorAll('.run').forEach(dot => dot.classList.toggle(
      'lit', dot.id === id + run?.id));
    strips.setAttribute('aria-activedescendant', run ? id + run.id : '');
    told.replaceChildren(...run ? [
      h('b', null, `${networks[run.id.split('-')[0]].name}, seed ${run.seed
      }: ${show(run.value)}`), `. ${run.machine}, ${run.date}, commit ${
        run.commit}.`, run.counts ? '' :
        ' Not counted: a newer run has the same seed.'] : [
      'Point at a dot, or use the arrow keys. Filled: the newest run of each ' +
      'seed. Hollow: older runs of the same seed.']);
    const points = values => values.map((y, i) => [i + 1, y]);
    curves.draw([
      ...result.sides.flatMap(({name, runs}, color) => {
        const counted = runs.filter(({counts}) => counts);
        const epochs = Math.min(...counted.map(run => run[key].length));
        return counted.length ? [
          ...counted.map(run => ({
            name: `${name}, seed ${run.seed}`, color, faint: true,
            points: points(run[key])})),
          {name, color, points: points(Array.from({length: epochs}, (_, i) =>
            average(counted.map(run => run[key][i]))))}] : [];
      }),
      ...run ? [{name: `seed ${run.seed}`, color: 3,
                 points: points(run[key])}] : []]);
  }

  const asked = asking('runs', {
    start: START, questions: QUESTIONS, write, draw,
    read: text => read(text, networks, machines)});
  asked.run(
    place, 'Every recorded run', h('div', {class: 'row fields'}, fields.map(
      ({element}) => element)), strips, axis, told,
    h('div', {class: 'row'}, h('span', null, 'Predict:'), guesses), says, gap,
    curves.element);
  strips.focus({preventScroll: true});
}
