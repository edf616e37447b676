// What this site remembers, on the reader's machine and nowhere else: what was
// predicted, solved or read, where the reader stopped, and when a question is
// to be recalled. Storage that is refused, full, damaged or of another version
// costs the reader nothing else.
window.memory = (() => {
  const KEY = 'course', VERSION = 1;
  const isObject = x => typeof x === 'object' && x !== null;
  const read = () => {
    let found;
    try {
      found = JSON.parse(localStorage.getItem(KEY));
    } catch {}
    const part = name => found?.version === VERSION && isObject(found[name])
      ? found[name] : {};
    return {version: VERSION, chapters: part('chapters'), last: part('last'),
            ask: part('ask'), cards: part('cards')};
  };
  const change = act => {
    const state = read();
    act(state);
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {}
  };
  const clear = () => {
    try {
      localStorage.removeItem(KEY);
    } catch {}
  };
  // What was done in a chapter: by the name of each prediction and solution, a
  // choice, 'read' or 'solved'.
  const doneIn = ({chapters}, chapter) =>
    isObject(chapters[chapter]?.done) ? chapters[chapter].done : {};
  const isDue = (card, now) => new Date(card?.due) <= now;
  return {read, change, clear, doneIn, isDue};
})();

document.addEventListener('DOMContentLoaded', () => {
  const {read, change, doneIn, isDue} = window.memory;
  const chapterOf = path => /chapters\/(\d-\d)-|^(\d-\d)-/.exec(path)?.slice(1)
    .find(Boolean);
  const chapter = chapterOf(location.pathname);
  const article = document.querySelector('article');
  const state = read();
  const element = (tag, settings) => Object.assign(
    document.createElement(tag), settings);

  // A chapter's marks in the contents, and how many questions are due.
  const due = Object.values(state.cards).filter(
    card => isDue(card, Date.now())).length;
  const links = [...document.querySelectorAll('.sidebar-tree a')];
  const mark = () => links.forEach(link => {
    const of = chapterOf(link.pathname), found = read().chapters[of];
    link.querySelector('.progress')?.remove();
    const done = Object.keys(doneIn(read(), of)).length;
    if (done && found.total >= done) {
      const progress = element('span', {
        className: 'progress', role: 'img',
        ariaLabel: `, ${done} of ${found.total} done`});
      progress.style.setProperty('--done', `${100 * done / found.total}%`);
      link.append(progress);
    }
  });
  const recall = links.find(link => /\/recall\.html$/.test(link.pathname));
  if (due && recall) {
    recall.append(element('span', {className: 'due',
                                   textContent: `${due} due`}));
  }
  mark();

  // The landing page: where to go on.
  const [first, second] = document.querySelectorAll('.pitch + p .way-in');
  const {chapter: at, section, hash} = state.last;
  const page = links.find(link => at && chapterOf(link.pathname) === at);
  if (first && page) {
    first.textContent = `Go on with ${String(at).replace('-', '.')}` +
      (section ? `, ${section}` : '');
    first.href = page.href + (/^#[\w.-]+$/.test(hash) ? hash : '');
  }
  if (second && recall && due) {
    second.textContent = `Recall: ${due} question${due > 1 ? 's are' : ' is'} due`;
    second.href = recall.href;
  }
  if (!chapter) return;

  // On a chapter: what is done there.
  const forms = [...document.querySelectorAll('.predict form')];
  const solutions = [...document.querySelectorAll('details.solution')];
  const remember = (name, value) => {
    change(state => {
      state.chapters[chapter] = {
        total: forms.length + solutions.length,
        done: {...doneIn(state, chapter), [name]: value}};
    });
    mark();
  };
  const done = doneIn(state, chapter);
  forms.forEach((form, i) => form.addEventListener('predicted', ({detail}) =>
    remember(`prediction-${i + 1}`, detail)));
  // What was predicted is shown again as soon as course.js listens, and before
  // the browser goes to the place that an address names.
  document.addEventListener('asking', () => {
    const made = forms.map((_, i) => done[`prediction-${i + 1}`]);
    made.forEach((detail, i) => Number.isInteger(detail) &&
      forms[i].dispatchEvent(new CustomEvent('restore', {detail})));
    const [{type} = {}] = performance.getEntriesByType('navigation');
    if (made.some(Number.isInteger) && type === 'navigate') {
      document.querySelector(':target')?.scrollIntoView();
    }
  });
  for (const solution of solutions) {
    const name = solution.id;
    solution.addEventListener('toggle', () => {
      if (solution.open && !doneIn(read(), chapter)[name]) {
        remember(name, 'read');
      }
    });
    const number = name.replace('solution-', '');
    const exercise = document.querySelector(
      `.to-solution[href="#${name}"]`)?.parentElement
      ?? document.querySelector(`section[id^="${number}-"]`);
    const button = element('button', {
      type: 'button', className: 'solved', textContent: 'solved',
      ariaLabel: `${number.toUpperCase()} is solved`,
      ariaPressed: String(done[name] === 'solved')});
    button.addEventListener('click', () => {
      const solved = button.ariaPressed !== 'true';
      button.ariaPressed = String(solved);
      remember(name, solved ? 'solved' : 'read');
    });
    exercise?.append(' ', button);
  }

  // Where the reader stops: the last heading above the middle of the window.
  addEventListener('pagehide', () => {
    if (scrollY < 300) return;
    const heading = [...article.querySelectorAll('h2, h3')].findLast(
      one => one.getBoundingClientRect().top < innerHeight / 2
        && one.checkVisibility());
    const words = heading?.cloneNode(true);
    words?.querySelectorAll('.headerlink, .katex-mathml').forEach(
      part => part.remove());
    change(state => {
      state.last = {chapter, section: words?.textContent ?? '',
                    hash: heading ? `#${heading.parentElement.id}` : ''};
    });
  });
});
