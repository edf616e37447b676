// Lines and dots over one pair of axes, as SVG in the page's own colours.
import {dress, h} from './parts.mjs';

const style = `
.live .chart svg {
  display: block;
  font: 0.75rem var(--font-ui);
  overflow: visible;
  width: 100%;
}
.live .chart text {
  fill: var(--color-foreground-secondary);
}
.live .chart .label {
  fill: var(--color-foreground-primary);
}
.live .chart .grid {
  stroke: var(--color-background-border);
}
.live .chart .line {
  fill: none;
  stroke-width: 2;
}
.live .chart .faint {
  opacity: 0.35;
}
.live .chart .scroll {
  max-height: 16rem;
  overflow: auto;
}
.live .chart table {
  font-size: 0.8125rem;
  line-height: 1.4;
}
.live .chart :is(td, th) {
  cursor: auto;
  height: auto;
  max-width: none;
  padding: 0.1rem 0.5rem;
  text-align: right;
}`;
const COLORS = ['#2f7fc1', '#d6573c', '#3a9a5f', '#a267ac', '#b8860b',
                '#1f9aa8'];
const HEIGHT = 240, TOP = 10, BOTTOM = 36, LEFT = 48, LETTER = 6.6;

function svg(tag, settings, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(settings)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Round numbers from least to most, about `count` of them; for a logarithmic
// axis powers of ten.
export function ticks(least, most, count, log) {
  if (log) {
    const [from, to] = [Math.floor(least), Math.ceil(most)];
    const step = Math.ceil((to - from) / count) || 1;
    return Array.from({length: Math.ceil((to - from) / step) + 1},
                      (_, i) => from + i * step);
  }
  const rough = (most - least) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find(n => n * power >= rough) * power;
  const from = Math.floor(least / step + 1e-9);
  return Array.from({length: Math.ceil(most / step - 1e-9) - from + 1},
                    (_, i) => (from + i) * step);
}

// The digits that a number needs, in the table and at the axes: 0.05, 1.4 · 10⁻³
// and, for a power of ten, 10⁻³.
export function exact(x) {
  if (x === 0 || (Math.abs(x) >= 0.01 && Math.abs(x) < 1e5)) {
    return `${+x.toPrecision(4)}`.replace('-', '−');
  }
  const [digits, power] = x.toExponential(1).split('e');
  return (digits === '1.0' ? '10' : `${digits} · 10`.replace('-', '−')) +
    power.replace(/[+]/, '').replace(/./g, sign => '⁰¹²³⁴⁵⁶⁷⁸⁹'[sign] ?? '⁻');
}

// An empty chart, and `draw`, which shows lines in it: each has a `name`, which
// stands at its end, and `points`, [[x, y], ...]; `dots` are not joined, `faint`
// ones stay behind, and `color` is the number of its colour. An axis has a
// `name`, may be `log`, and includes `least` and `most` where given; what is
// above its `cap` is drawn there.
export function chart(title, x, y) {
  dress('chart', style);
  const picture = svg('svg', {role: 'img', 'aria-label': title});
  const scroll = h('div', {class: 'scroll', tabindex: 0, role: 'region',
                           'aria-label': `${title}: numbers`});
  const numbers = h('details', {ontoggle: () => fill()},
                    h('summary', null, 'The numbers'), scroll);
  const element = h('div', {class: 'chart'}, picture, numbers);
  let lines = [];

  const axis = (kind, values, from, to, count) => {
    const {log, least, most, cap = Infinity} = kind;
    const f = value => log ? Math.log10(Math.min(value, cap))
      : Math.min(value, cap);
    const all = [...values, least ?? NaN, most ?? NaN].map(f)
      .filter(Number.isFinite);
    const places = ticks(Math.min(...all), Math.max(...all), count, log);
    const [a, b] = [places[0], places.at(-1)];
    return {ticks: places.map(place => [at(place), log ? 10 ** place : place]),
            at: value => at(f(value))};
    function at(place) {
      return from + (to - from) * (a === b ? 0.5 : (place - a) / (b - a));
    }
  };

  function paint() {
    const width = picture.clientWidth || 600;
    const right = LETTER * Math.max(2, ...lines.map(({name, faint}) =>
      faint ? 0 : name.length)) + 14;
    const points = lines.flatMap(line => line.points).filter(point =>
      point.every(Number.isFinite));
    picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    picture.setAttribute('height', HEIGHT);
    picture.replaceChildren();
    if (!points.length) return;
    const across = axis(x, points.map(([x]) => x), LEFT, width - right,
                        Math.max(3, Math.floor((width - right - LEFT) / 70)));
    const up = axis(y, points.map(([, y]) => y), HEIGHT - BOTTOM, TOP, 5);
    for (const [place, value] of up.ticks) {
      picture.append(
        svg('line', {class: 'grid', x1: LEFT, x2: width - right, y1: place,
                     y2: place}),
        svg('text', {x: LEFT - 6, y: place + 4, 'text-anchor': 'end'},
            exact(value)));
    }
    for (const [place, value] of across.ticks) {
      picture.append(svg('text', {x: place, y: HEIGHT - BOTTOM + 16,
                                  'text-anchor': 'middle'}, exact(value)));
    }
    picture.append(
      svg('text', {x: (LEFT + width - right) / 2, y: HEIGHT - 4,
                   'text-anchor': 'middle'}, x.name),
      svg('text', {x: 12, y: (TOP + HEIGHT - BOTTOM) / 2,
                   'text-anchor': 'middle', transform:
                   `rotate(-90 12 ${(TOP + HEIGHT - BOTTOM) / 2})`}, y.name));
    const ends = [];
    lines.forEach(({name, points, dots, faint, color}, i) => {
      const ink = COLORS[(color ?? i) % COLORS.length];
      const places = points.filter(point => point.every(Number.isFinite)).map(
        ([x, y]) => [across.at(x), up.at(y)]).filter(place =>
        place.every(Number.isFinite));
      if (!places.length) return;
      if (!dots) {
        picture.append(svg('polyline', {
          class: faint ? 'line faint' : 'line', points: places, stroke: ink}));
      }
      if (dots || places.length === 1) {
        picture.append(...places.map(([cx, cy]) => svg('circle', {
          cx, cy, r: 3.5, fill: ink, class: faint ? 'faint' : ''})));
      }
      if (!faint) ends.push({name, ink, y: places.at(-1)[1]});
    });
    // Names stand at the ends of their lines, 14 pixels apart or more.
    ends.sort((a, b) => a.y - b.y);
    ends.forEach((end, i) => {
      end.y = Math.max(end.y, i ? ends[i - 1].y + 14 : TOP);
    });
    for (let i = ends.length - 1, low = HEIGHT - BOTTOM; i >= 0; i--) {
      ends[i].y = Math.min(ends[i].y, low);
      low = ends[i].y - 14;
    }
    for (const {name, ink, y} of ends) {
      picture.append(
        svg('circle', {cx: width - right + 5, cy: y, r: 3, fill: ink}),
        svg('text', {class: 'label', x: width - right + 11, y: y + 4}, name));
    }
  }

  function fill() {
    if (!numbers.open) return;
    scroll.replaceChildren(h('table', null, h('tr', null, h('th', {
      scope: 'col'}, 'line'), h('th', {scope: 'col'}, x.name),
      h('th', {scope: 'col'}, y.name)), lines.map(({name, points}) =>
      points.map(([x, y]) => h('tr', null, h('td', null, name),
                               h('td', null, exact(x)),
                               h('td', null, exact(y)))))));
  }

  new ResizeObserver(paint).observe(picture);
  return {element, draw(next) {
    lines = next;
    paint();
    fill();
  }};
}
