// A figure's questions, the state that they begin with, and its address.
import {dress, fromAddress, h, press} from './parts.mjs';

// `draw` shows a state, which it may complete, and returns what is known of it,
// or nothing while it waits for data. If it throws, the state stays as it was.
// An answer may be made of both; `near` helps a reader who is not there yet.
export function asking(name, {start, questions, write, read, draw}) {
  dress();
  let number = 0, state, found;
  const ask = h('p', {class: 'ask'});
  const answer = h('p', {'aria-live': 'polite'});
  const fault = h('p', {class: 'fault', role: 'alert'});
  const link = h('a', {onclick: () => navigator.clipboard?.writeText(link.href)
    .catch(() => {})}, 'link to this');

  function change(changes) {
    fault.textContent = '';
    const next = {...state, ...changes}, known = draw(next);
    state = next;
    link.href = `#${name}=${write(state)}`;
    if (!known) return;
    const {solved, answer: text, near} = questions[number];
    if (!found && solved(state, known)) {
      found = typeof text === 'string' ? text : text(state, known);
    }
    answer.className = found ? 'found' : 'hint';
    answer.textContent = found || near?.(state, known) || '';
  }

  // What a reader's input does, or a sentence about why it does nothing.
  function attempt(act, input, before = '') {
    try {
      act();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fault.textContent = before + error.message;
      input?.setAttribute('aria-invalid', 'true');
    }
  }

  function begin() {
    found = answer.textContent = '';
    ask.replaceChildren(h('b', null, 'Try it. '), questions[number].ask);
    change({...start, ...questions[number].state});
  }

  function open() {
    const text = fromAddress(name);
    if (text !== null && location.hash !== link.hash) {
      attempt(() => change(read(text)), null,
              'This address holds nothing that can be shown. ');
    }
  }

  const end = h('div', {class: 'row end'}, press('next question', () => {
    number = (number + 1) % questions.length;
    begin();
  }), press('reset', begin), link);
  addEventListener('hashchange', open);
  // `fault` stands among the parts, or else below them.
  return {attempt, change, end, fault, run(place, label, ...parts) {
    begin();
    place.replaceChildren(h(
      'section', {'aria-label': label}, ask, answer, parts,
      parts.includes(fault) ? null : fault, end));
    open();
  }};
}
