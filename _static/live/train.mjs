// Train it here: LeNet, trained by a worker with the reader's choices, while
// its losses, its gradients and its dead units are shown.
import {chart} from './chart.mjs';
import {add, choice, dress, field, fromAddress, h, load, press, readWhole, show,
        tick} from './parts.mjs';

const LENGTH = 300, AREA = 784, TRIES = 5, WAIT = 3000;
const CHOICES = {
  activation: ['sigmoid', 'tanh', 'ReLU'],
  lr: ['0.01', '0.03', '0.1', '0.3', '1', '3', '10'],
  init: ['Xavier', 'He'],
  batch: ['2', '4', '8', '16', '32', '64'],
};
const NAMES = {activation: 'activation', lr: 'learning rate',
               init: 'initial weights', batch: 'batch size'};
const START = {activation: 'sigmoid', lr: '0.1', norm: false, init: 'Xavier',
               batch: '16', seed: 0};
const LAYERS = ['convolution 1', 'convolution 2', 'dense 1', 'dense 2',
                'output'];

const mean = numbers => add(numbers) / numbers.length;
const lossOf = ({reports}, count = 20) => mean(
  reports.slice(-count).map(({loss}) => loss));
const longer = (run, steps) => run.reports.length >= steps;
const learns = run => longer(run, 20) && lossOf(run) < 2;
// At chance or worse, or no number at all.
const fails = (run, steps = 100) => run.broken ||
  longer(run, steps) && lossOf(run) > 2.2;
// The choices in which two settings differ, the seed apart.
const changes = (a, b) => Object.keys(START).filter(
  name => name !== 'seed' && a[name] !== b[name]);
const one = (run, start, name) => `${changes(run.settings, start)}` === name;
const tell = ({activation, lr, norm, init, batch}) => ({
  activation, lr: `the learning rate ${lr}`, init: `${init}’s weights`,
  norm: `${norm ? 'with' : 'without'} normalization`,
  batch: `batches of ${batch}`});
const tested = ({reports}, steps = Infinity) => reports.findLast(
  ({at}) => at <= steps);
const percent = share => `${Math.round(100 * share)} %`;
const brief = x => !Number.isFinite(x) ? '∞'
  : x && (x < 1e-4 || x >= 1e4) ? x.toExponential(0).replace('+', '').replace('-', '−')
    : `${+x.toPrecision(2)}`;
const deadest = run => Math.max(...tested(run).dead);

// Each begins with settings and is answered by runs, of which the last one is
// the newest; an answer that does not begin with "Found" is a hint.
const PLATEAU = {
  ask: 'With these settings the loss stays at about ln 10 ≈ 2.3: the network ' +
       'guesses. End this plateau by one change.',
  solved(runs) {
    const last = runs.at(-1), names = changes(last.settings, START);
    if (!learns(last) || !names.length) return '';
    return names.length > 1
      ? 'The plateau is over, but after several changes. Which one did it?'
      : `Found: ${tell(last.settings)[names[0]]}. The loss is below 2 within ` +
        `${last.reports.length} steps. At step 0 the gradient of ` +
        `convolution 1 had the norm ${brief(last.reports[0].norms[0])}.`;
  },
};
const SETS = {
  plateau: [PLATEAU, {
    ask: 'Is the learning rate too small? Keep the sigmoids, and choose only ' +
         'a larger one. Give it 200 steps.',
    solved(runs) {
      const last = runs.at(-1);
      if (!one(last, START, 'lr') || last.settings.lr <= START.lr ||
          !longer(last, 200)) return '';
      return learns(last) ? 'Found: it learns. Does it with other seeds?'
        : `Found: it does not help within ${last.reports.length} steps. The ` +
          'output layer takes larger steps, too, but what it gets is nearly ' +
          'the same for all images.';
    },
  }, {
    ask: 'Where is the gradient lost? Start sigmoid and then tanh, all else ' +
         'the same, and compare step 0.',
    solved(runs) {
      const [a, b] = ['sigmoid', 'tanh'].map(name => runs.findLast(
        ({settings}) => settings.activation === name));
      if (!a || !b || `${changes(a.settings, b.settings)}` !== 'activation') {
        return '';
      }
      const [first, last] = [0, 4].map(layer => [b, a].map(
        ({reports}) => brief(reports[0].norms[layer])).join(' and '));
      return 'Found: on its way back. With tanh and with sigmoid the norms ' +
        `of the output layer are ${last}, those of convolution 1 ${first}.`;
    },
  }, {
    ask: 'Is it the initial weights? Change only them.',
    solved(runs) {
      const last = runs.at(-1);
      if (!one(last, START, 'init') || !longer(last, 200)) return '';
      return learns(last) ? 'Found: they end it. Do they with other seeds?'
        : 'Found: no. He’s rule is made for the ReLU; behind sigmoids the ' +
          `loss is still ${show(lossOf(last))}.`;
    },
  }],
  activation: [PLATEAU, {
    ask: 'At which learning rate does the ReLU break? Find one at which it ' +
         'fails, and show that the next smaller one works.',
    state: {activation: 'ReLU'},
    solved(runs) {
      return limit(runs, ({activation, norm}) => activation === 'ReLU' && !norm,
                   run => `${percent(deadest(run))} of the units of one ` +
                   'layer are dead. Where all are, no gradient passes.');
    },
  }, {
    ask: 'And tanh? Find the learning rate at which it fails. Are its units ' +
         'dead?',
    state: {activation: 'tanh'},
    solved(runs) {
      return limit(runs, ({activation, norm}) => activation === 'tanh' && !norm,
                   run => `Its loss is ${show(lossOf(run))}, and guessing ` +
                   'has 2.3: its outputs are large and wrong. At most ' +
                   `${percent(deadest(run))} of a layer’s units are dead.`);
    },
  }, {
    ask: 'At the learning rate 1 the ReLU network dies. Save it by one ' +
         'change, at this learning rate.',
    state: {activation: 'ReLU', lr: '1'},
    solved: rescue,
  }],
  norm: [PLATEAU, {
    ask: 'What does normalization buy? Start without it, then with it, all ' +
         'else the same, 100 steps each or more.',
    solved(runs) {
      const found = pair(runs);
      if (!found) return '';
      const [without, normed] = found.map(run => percent(
        tested(run, found.shortest).validation));
      return `Found: by step ${found.shortest} validation accuracy is ${
        without} without it and ${normed} with it.`;
    },
  }, {
    ask: 'At the learning rate 1 the ReLU network dies. Save it by one ' +
         'change, at this learning rate.',
    state: {activation: 'ReLU', lr: '1'},
    solved: rescue,
  }, {
    ask: 'So normalization bears any learning rate? Find one at which this ' +
         'network fails, and show that the next smaller one works.',
    state: {activation: 'ReLU', lr: '0.3', norm: true},
    solved(runs) {
      return limit(runs, ({activation, norm}) => activation === 'ReLU' && norm,
                   () => 'Normalization moves the limit, and leaves one.');
    },
  }, {
    ask: 'Find a batch size at which normalization does harm: 200 steps with ' +
         'it and 200 without it, all else the same.',
    state: {activation: 'tanh', norm: true, batch: '8'},
    solved(runs) {
      const found = pair(runs, 200);
      if (!found) return '';
      const [without, normed] = found.map(run => lossOf(run, 40));
      return normed < without ? 'Here it helps. Try another batch size.'
        : `Found: with ${tell(found[0].settings).batch} the loss is ${
          show(normed)} with it and ${show(without)} without it. Mean and ` +
          'variance of so few images are mostly chance.';
    },
  }],
};

// Whether runs show where the learning rates end that a network bears.
function limit(runs, which, why) {
  const some = runs.filter(({settings}) => which(settings));
  const bad = some.findLast(run => fails(run));
  if (!bad) return '';
  const lower = CHOICES.lr[CHOICES.lr.indexOf(bad.settings.lr) - 1];
  return some.some(run => learns(run) && run.settings.lr === lower &&
    `${changes(run.settings, bad.settings)}` === 'lr')
    ? `Found: it learns at ${lower} and fails at ${bad.settings.lr}. ${
      why(bad)}`
    : `It fails at ${bad.settings.lr}. Does it at ${lower}?`;
}

// The newest runs without and with normalization that differ in nothing else.
function pair(runs, steps = 100) {
  const [a, b] = [false, true].map(norm => runs.findLast(
    run => run.settings.norm === norm && longer(run, steps)));
  return a && b && `${changes(a.settings, b.settings)}` === 'norm' &&
    Object.assign([a, b], {shortest: Math.min(
      a.reports.length, b.reports.length)});
}

function rescue(runs) {
  const last = runs.at(-1), start = {...START, activation: 'ReLU', lr: '1'};
  const [name, ...more] = changes(last.settings, start);
  if (!learns(last) || last.settings.lr !== '1' || !name) return '';
  return more.length ? 'It lives, but after several changes. Which one did it?'
    : `Found: ${tell(last.settings)[name]}. At most ${
      percent(deadest(last))} of the units of a layer are dead.`;
}

const style = `
.live .train-charts {
  display: grid;
  gap: 0.5rem 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr));
  margin: 0.6rem 0;
}
.live .train-charts p {
  font-weight: 600;
}
.live .train-layers {
  font-size: 0.8125rem;
  line-height: 1.5;
  width: 100%;
}
.live .train-layers :is(td, th) {
  background: none;
  border: 0;
  cursor: auto;
  font-weight: 400;
  height: auto;
  max-width: none;
  min-width: 0;
  padding: 0.1rem 0.3rem 0.1rem 0;
  text-align: right;
}
.live .train-layers :is(td, th):first-child {
  text-align: left;
}
.live .train-layers thead th {
  color: var(--color-foreground-secondary);
}
.live .train-layers .before {
  color: var(--color-foreground-secondary);
}
.live .train-scale {
  background: var(--color-background-border);
  border-radius: 0.2rem;
  display: block;
  height: 0.4rem;
  margin: 0 0.5rem;
  min-width: 6rem;
  position: relative;
}
.live .train-scale span {
  background: var(--blue);
  border-radius: 50%;
  height: 0.7rem;
  margin: -0.15rem;
  position: absolute;
  width: 0.7rem;
}
.live .train-scale .before {
  background: none;
  border: 2px solid var(--blue);
  box-sizing: border-box;
}
@container (max-width: 34rem) {
  .live .train-layers .scale {
    display: none;
  }
}
.live .train-main {
  min-width: 6rem;
}`;

// The file that the book's build writes: images, then labels, packed by gzip.
async function loadImages(bytes) {
  const packed = await load('train', bytes);
  const all = new Uint8Array(await new Response(new Blob([packed]).stream()
    .pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
  const count = all.length / (AREA + 1);
  return {images: all.subarray(0, count * AREA),
          labels: [...all.subarray(count * AREA)], number: count / 6 * 5};
}

const write = (number, settings) => [number, ...Object.keys(START).map(
  name => Number(settings[name]) || settings[name] || 0)].join('/');

function read(text, questions) {
  const [number, activation, lr, norm, init, batch, seed] = text.split('/');
  const settings = {activation, lr, norm: norm === '1', init, batch,
                    seed: readWhole(seed ?? '', 'seed', 0, 99)};
  for (const name in CHOICES) {
    if (!CHOICES[name].includes(settings[name])) {
      throw new RangeError(`The ${NAMES[name]} is none that can be chosen.`);
    }
  }
  return [readWhole(number, 'question', 0, questions.length - 1), settings];
}

export default function train(place, {bytes, ask: set}) {
  dress('train', style);
  const questions = SETS[set];
  let number = 0, settings, runs, found, data, worker, going = false;

  function begin() {
    going = false;
    settings = {...START, ...questions[number].state};
    [runs, found] = [[], ''];
    spoken.textContent = '';
    ask.replaceChildren(h('b', null, 'Try it. '), questions[number].ask);
    change({});
  }

  const current = () => runs.at(-1);
  const goesOn = () => current() && !current().broken && !current().lost &&
    !changes(settings, current().settings).length &&
    settings.seed === current().settings.seed;

  function change(next) {
    fault.textContent = '';
    settings = {...settings, ...next};
    if (!goesOn()) going = false;
    controls.forEach(({set}) => set());  // not while it trains: one may type
    draw();
  }

  // One request at a time: the worker computes for a moment and answers.
  function request(run, more) {
    run.asked = performance.now();
    run.silent = 0;
    worker.postMessage({run: run.id, steps: run.until - run.reports.length,
                        ...more});
  }

  function lose(sentence) {
    worker?.terminate();
    worker = null;
    going = false;
    if (current()) current().lost = true;
    fault.textContent = sentence;
    draw();
  }

  function receive({data: {run: id, reports}}) {
    const run = current();
    if (run?.id !== id) return;  // of a run that was given up
    run.time += performance.now() - run.asked;
    run.asked = 0;
    run.reports.push(...reports);
    run.broken = reports.some(({loss}) => !Number.isFinite(loss));
    const done = run.reports.length >= run.until;
    if (going && (done || run.broken)) {
      going = false;
      spoken.textContent = run.broken
        ? 'The loss is no number any more: this run has broken.'
        : `${run.reports.length} steps are done. Validation accuracy ${
          percent(tested(run).validation)}.`;
    }
    if (going) request(run);
    draw();
  }

  function employ() {
    worker = new Worker(new URL('trainer.mjs', import.meta.url),
                        {type: 'module'});
    worker.onmessage = receive;
    worker.onerror = event => {
      event.preventDefault();
      lose('The training has broken off. Start begins a new one.');
    };
  }
  // A worker that was ended says nothing. Counted, since a machine that has
  // slept wakes with one late tick and not with several.
  setInterval(() => {
    const run = current();
    if (run?.asked && ++run.silent > TRIES) {
      lose('The training does not answer any more. Start begins a new one.');
    }
  }, WAIT);

  async function start() {
    fault.textContent = '';
    spoken.textContent = '';
    try {
      if (!worker) employ();
    } catch {
      lose('This browser does not let a page compute in the background, so ' +
           'nothing can be trained here. The picture above stays.');
      return;
    }
    if (!data) {
      main.disabled = true;
      try {
        data = await loadImages(bytes);
      } catch (error) {
        fault.textContent = `The images could not be loaded: ${error.message
          } The picture above stays; try again.`;
        return;
      } finally {
        main.disabled = false;
        main.focus({preventScroll: true});
      }
    }
    if (!worker) return;  // it broke off meanwhile
    const run = {id: Math.random(), settings, reports: [], until: LENGTH,
                 time: 0};
    runs.push(run);
    going = true;
    link.href = `#train=${write(number, settings)}`;
    history.replaceState(history.state, '', link.hash);
    request(run, {settings: {
      ...settings, lr: Number(settings.lr), batch: Number(settings.batch),
      activation: settings.activation.toLowerCase()}, data});
    draw();
  }

  function goOn() {
    const run = current();
    spoken.textContent = '';
    if (run.reports.length >= run.until) run.until += LENGTH;
    going = true;
    if (!run.asked) request(run);
    draw();
  }

  // The parts, from top to bottom.
  const ask = h('p', {class: 'ask'});
  const answer = h('p', {class: 'found', 'aria-live': 'polite'});
  const fault = h('p', {class: 'fault', role: 'alert'});
  const spoken = h('p', {class: 'told', role: 'status', style: '--lines: 1'});
  const hint = h('p', {class: 'hint'});
  const seed = field('seed', (text, input) => {
    try {
      change({seed: readWhole(text, 'seed', 0, 99)});
    } catch (error) {
      fault.textContent = error.message;
      input.setAttribute('aria-invalid', 'true');
    }
  });
  const controls = [
    ...Object.keys(CHOICES).map(name => choice(
      NAMES[name], CHOICES[name], () => settings[name],
      value => change({[name]: value}))),
    tick('batch normalization', () => settings.norm, norm => change({norm})),
    {element: seed.element, set: () => seed.set(settings.seed)}];
  const main = press('start', () => going ? pause() : goesOn() ? goOn()
    : start());
  main.className = 'train-main';
  const again = press('start anew', () => start());
  const pause = () => {
    going = false;
    draw();
  };
  const progress = h('span', {class: 'hint train-step'});
  const key = h('p', {class: 'hint'});
  const steps = {name: 'step', least: 0, most: LENGTH};
  const losses = chart('Loss by step', steps, {
    name: 'loss', least: 0, most: 2.5, cap: 5});
  const shares = chart('Accuracy by step', steps, {
    name: 'accuracy', least: 0, most: 1});
  const rows = LAYERS.map(layer => {
    const [now, then] = [h('span'), h('span', {class: 'before'})];
    const cells = ['', 'before', '', 'before'].map(
      name => h('td', {class: name}));
    return {now, then, cells, element: h(
      'tr', null, h('th', {scope: 'row'}, layer),
      h('td', {'class': 'scale', 'aria-hidden': 'true'}, h(
        'span', {class: 'train-scale'}, then, now)), cells)};
  });
  const layers = h(
    'table', {'class': 'train-layers', 'aria-label': 'By layer'},
    h('thead', null, h(
      'tr', null, ['layer', 'gradient', 'before', 'dead', 'before'].flatMap(
        (name, i) => [h('th', {scope: 'col'}, name), i ? null : h(
          'td', {'class': 'scale', 'aria-hidden': 'true'})]))),
    h('tbody', null, rows.map(({element}) => element)));
  const results = h('div', {hidden: ''}, key, h(
    'div', {class: 'train-charts'},
    h('div', null, h('p', null, 'Loss'), losses.element),
    h('div', null, h('p', null, 'Accuracy'), shares.element)), layers, h(
    'p', {class: 'hint'}, 'Gradient: the norm over the layer’s weights at ' +
    'the newest step, from 10⁻⁵ to 100; the ring is the run before at the ' +
    'same step. Dead: units or maps whose slope is 0 for each of 200 ' +
    'validation images.'));
  const link = h('a', {onclick: () => navigator.clipboard?.writeText(link.href)
    .catch(() => {})}, 'link to this');
  const row = (name, ...parts) => h('div', {class: `row ${name}`}, parts);

  // Means of so many steps, as points.
  const means = ({reports}, name, count) => Array.from(
    {length: Math.floor(reports.length / count)}, (_, i) => [
      (i + 1) * count, mean(reports.slice(i * count, (i + 1) * count).map(
        report => report[name]))]);
  const lines = (run, faint) => [
    {name: 'training', points: means(run, 'training', 20), color: 0, faint},
    {name: 'validation', color: 1, faint, points: run.reports.filter(
      ({at}) => at >= 0).map(({at, validation}) => [at, validation])}];
  const say = ({settings}, names) => Object.entries({
    ...tell(settings), seed: `seed ${settings.seed}`}).filter(
    ([name]) => names.includes(name)).map(([, text]) => text).join(', ');
  const at = norm => `left: ${100 * Math.min(1, Math.max(
    0, (Math.log10(norm) + 5) / 7)) || 0}%`;

  function draw() {
    const run = current(), before = runs.at(-2);
    main.textContent = going ? 'pause' : goesOn() ? 'go on' : data ? 'start'
      : `start, loads ${Math.ceil(bytes / 1000)} kB`;
    again.hidden = !goesOn();
    link.href = `#train=${write(number, settings)}`;
    results.hidden = !run?.reports.length;
    progress.textContent = results.hidden ? going ? 'It begins …' : ''
      : `step ${run.reports.length} of ${run.until}, ${Math.round(
        run.reports.length * run.settings.batch / run.time * 1000)} images a ` +
        'second';
    hint.textContent = run && !goesOn() && !going
      ? 'Start begins a new run; this one stays to compare.'
      : run ? '' : 'It trains in this page, on 1,000 images. After a reload ' +
        'the settings are kept, and the run starts anew.';
    if (results.hidden) {
      answer.textContent = found;
      return;
    }
    const apart = Object.keys(START).filter(
      name => !before || run.settings[name] !== before.settings[name]);
    key.textContent = !before ? `Now: ${say(run, apart)}.` : apart.length
      ? `Now: ${say(run, apart)}. Faint, the run before: ${
        say(before, apart)}. All else is the same.`
      : 'Now and faint, the run before: the same settings.';
    losses.draw([
      ...before ? [{name: 'before', points: means(before, 'loss', 10),
                    faint: true, color: 0}] : [],
      {name: 'loss', points: means(run, 'loss', 10), color: 0}]);
    shares.draw([...before ? lines(before, true) : [], ...lines(run)]);
    const {length} = run.reports, {norms} = run.reports.at(-1);
    const then = before?.reports[length - 1] ?? before?.reports.at(-1);
    const [dead, deadThen] = [tested(run), before && tested(before, length)];
    rows.forEach((row, i) => {
      row.now.style = at(norms[i]);
      row.then.hidden = !then;
      if (then) row.then.style = at(then.norms[i]);
      [brief(norms[i]), then ? brief(then.norms[i]) : '',
       ...[dead, deadThen].map(report => i in (report?.dead ?? [])
         ? percent(report.dead[i]) : '')].forEach(
        (text, j) => { row.cells[j].textContent = text; });
    });
    if (!found.startsWith('Found')) found = questions[number].solved(runs);
    answer.textContent = found;
  }

  const open = () => {
    if (location.hash === link.hash) return;
    try {
      const text = fromAddress('train');
      if (text === null) return;
      const [question, wanted] = read(text, questions);
      number = question;
      begin();
      change(wanted);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof URIError)) {
        throw error;
      }
      begin();
      fault.textContent = 'This address holds nothing that can be shown. ' +
        error.message;
    }
  };
  place.replaceChildren(h(
    'section', {'aria-label': 'Train it here'}, ask, answer,
    row('fields', controls.map(({element}) => element)),
    row('', main, again, progress), spoken, fault, hint, results,
    row('end', press('next question', () => {
      number = (number + 1) % questions.length;
      begin();
    }), press('reset', begin), link)));
  begin();
  open();
  addEventListener('hashchange', open);
}
