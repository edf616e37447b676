// Asks the questions of recall.md again, each when it is about to be forgotten:
// by FSRS, a well-kept scheduler, from what the site remembers (memory.js).
import {createEmptyCard, fsrs, Rating} from './ts-fsrs.mjs';

const {read, change, clear} = window.memory;
const scheduler = fsrs({enable_fuzz: false});
const GRADES = [[Rating.Again, 'not known'], [Rating.Hard, 'with effort'],
                [Rating.Good, 'known'], [Rating.Easy, 'easy']];
const h = (tag, settings, ...children) => {
  const element = Object.assign(document.createElement(tag), settings);
  element.append(...children);
  return element;
};
const press = (text, onclick) => h('button', {
  type: 'button', textContent: text, onclick});
// Each question: its key, such as 7-2-3, its chapter, its elements.
const questions = [...document.querySelectorAll('details.answer')].map(box => {
  const key = box.id.replace('recall-', '');
  return {key, chapter: key.slice(0, 3), box,
          question: box.previousElementSibling};
});
const chapters = [...new Set(questions.map(({chapter}) => chapter))];
// What cannot be stored is known until the page is left.
const {cards, ask, ...memory} = read();
const asked = chapter => ask[chapter] ?? chapter in memory.chapters;

// A card as it was stored, or a new one where that is none.
function card(key) {
  const {due, last_review: last} = cards[key] ?? {};
  const times = {due: new Date(due), last_review: last && new Date(last)};
  return isNaN(times.due) ? createEmptyCard() : {...cards[key], ...times};
}

function plan(now) {
  const chosen = questions.filter(({chapter}) => asked(chapter));
  const known = chosen.filter(({key}) => cards[key]).sort(
    (a, b) => card(a.key).due - card(b.key).due);
  return {due: [...known.filter(({key}) => card(key).due <= now),
                ...chosen.filter(({key}) => !cards[key])],
          later: known.find(({key}) => card(key).due > now), chosen};
}

function wait(due, now) {
  const minutes = Math.max(1, Math.round((due - now) / 60000));
  const [count, unit] = minutes < 60 ? [minutes, 'minute']
    : minutes < 1440 ? [Math.round(minutes / 60), 'hour']
      : [Math.round(minutes / 1440), 'day'];
  return `${count} ${unit}${count > 1 ? 's' : ''}`;
}

const place = document.querySelector('.recall');
const body = h('div', {ariaLive: 'polite'});

function next() {
  const now = new Date(), {due: [first, ...rest], later, chosen} = plan(now);
  if (!first) {
    body.replaceChildren(h('p', {className: 'question', textContent: later
      ? `Nothing is due. Come back in ${wait(card(later.key).due, now)}.`
      : 'Choose the chapters whose questions you want to be asked.'}));
    return;
  }
  const show = press('Show the answer', () => reveal(first));
  const [link] = first.box.querySelectorAll('a');
  body.replaceChildren(
    h('p', {className: 'hint', textContent: `${first.chapter.replace('-', '.')
    } · ${rest.length + 1} of ${chosen.length} to ask` }),
    h('p', {className: 'question'}, ...first.question.cloneNode(true)
      .childNodes),
    h('div', {className: 'buttons'}, show, link
      ? Object.assign(link.cloneNode(true), {className: 'hint',
                                             textContent: 'Read it again'})
      : ''));
  return show;
}

function reveal({key, box}) {
  const now = new Date(), ways = scheduler.repeat(card(key), now);
  const answer = h('div', {tabIndex: -1}, ...[...box.cloneNode(true).children]
    .filter(part => !part.matches('summary')));
  const buttons = GRADES.map(([grade, name]) => press(
    `${name}: again in ${wait(ways[grade].card.due, now)}`, () => {
      cards[key] = ways[grade].card;
      change(state => { state.cards = cards; });
      next()?.focus();
    }));
  body.lastChild.replaceWith(answer, h('div', {className: 'buttons'},
                                       ...buttons));
  answer.focus();
}

const boxes = chapters.map(chapter => {
  const box = h('input', {type: 'checkbox', checked: asked(chapter)});
  box.addEventListener('change', () => {
    ask[chapter] = box.checked;
    change(state => { state.ask = ask; });
    next();
  });
  return h('label', {}, box, chapter.replace('-', '.'));
});
place.replaceChildren(body, h('fieldset', {}, h('legend', {
  textContent: 'Chapters to be asked about: those you have begun, and what ' +
    'you choose'}), ...boxes));
next();

// What is remembered, for the reader to take away or to clear.
const told = h('span', {role: 'status'});
document.querySelector('.memory').replaceChildren(h(
  'div', {className: 'buttons'},
  press('Export it', () => {
    const file = URL.createObjectURL(new Blob(
      [JSON.stringify(read(), null, 1)], {type: 'application/json'}));
    h('a', {href: file, download: 'course-memory.json'}).click();
    URL.revokeObjectURL(file);
  }),
  press('Clear it', event => {
    if (event.target.dataset.sure) {
      clear();
      location.reload();
    } else {
      event.target.dataset.sure = 'yes';
      event.target.textContent = 'Clear it for good';
      told.textContent = 'Press again: it cannot be brought back.';
    }
  }), told));
