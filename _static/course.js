// Small things that the theme leaves to be done for readers without a mouse.
document.addEventListener('DOMContentLoaded', () => {
  // The theme's drawers open by labels, which no keyboard reaches.
  for (const label of document.querySelectorAll(
      'label.nav-overlay-icon, label.toc-overlay-icon')) {
    const box = document.getElementById(label.htmlFor);
    const button = document.createElement('button');
    button.className = label.className;
    button.ariaLabel = box.ariaLabel;
    button.ariaExpanded = 'false';
    button.append(...label.children);
    button.addEventListener('click', () => box.click());
    const drawer = document.querySelector(
        label.matches('.nav-overlay-icon') ? '.sidebar-drawer' : '.toc-drawer');
    box.addEventListener('change', () => {
      button.ariaExpanded = String(box.checked);
      if (box.checked) {  // once the drawer has begun to come in
        setTimeout(() => [...drawer.querySelectorAll('a')].find(
            link => link.getClientRects().length)?.focus(), 50);
      } else if (drawer.contains(document.activeElement)) {
        button.focus();
      }
    });
    label.replaceWith(button);
  }
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape') {
      document.querySelector('dialog')?.close();  // Sphinx prevents it
      document.querySelectorAll('.sidebar-toggle:checked').forEach(
          box => box.click());
    }
  });
});
// What a reader is asked to predict is held back until it is predicted or asked
// for: by the button, by an address, by the browser's search. Styles hold it
// back before the page is drawn, then `hidden` does, in which browsers search.
const predictions = [];
const reveal = ({form, parts, items}, choice) => {
  for (const part of parts) {
    part.classList.remove('held');
    part.removeAttribute('hidden');
  }
  items.forEach((item, i) => {
    const right = i + 1 === Number(form.dataset.right);
    item.value = i + 1;  // also where others are not shown
    item.classList.toggle('chosen', i + 1 === choice);
    item.classList.toggle('other', choice > 0 && i + 1 !== choice && !right);
  });
  form.querySelector('[type=button]').hidden = true;
};
document.addEventListener('DOMContentLoaded', () => {
  for (const form of document.querySelectorAll('.predict form')) {
    const cell = form.closest('.predict').nextElementSibling;
    const answers = cell.nextElementSibling;
    const parts = [cell, answers, answers.nextElementSibling].map(
      part => part?.matches('.held') ? part
        : part?.querySelector(':scope > .held')).filter(Boolean);
    const items = [...answers.querySelectorAll('.predicted li')];
    const prediction = {form, parts, items};
    predictions.push(prediction);
    const show = choice => {
      reveal(prediction, choice);
      const told = items[choice - 1] ?? answers.querySelector('.predicted');
      told.tabIndex = -1;
      told.focus({preventScroll: true});
      for (const part of [told, parts[0]]) {
        part.scrollIntoView({block: 'nearest', behavior: 'instant'});
      }
    };
    const predict = choice => {
      show(choice);
      form.dispatchEvent(new CustomEvent('predicted', {detail: choice}));
    };
    form.addEventListener('submit', event => {
      event.preventDefault();
      predict(Number(new FormData(form).values().next().value));
    });
    form.querySelector('[type=button]').addEventListener(
      'click', () => predict(0));
    form.addEventListener('restore', ({detail: choice}) => {  // memory.js
      const box = form.querySelectorAll('input')[choice - 1];
      if (box) box.checked = true;
      reveal(prediction, choice);
    });
    for (const part of parts) {
      part.setAttribute('hidden', 'until-found');
      part.addEventListener('beforematch', () => reveal(prediction));
    }
    // Its pictures are there when it is shown.
    form.addEventListener('change', () => parts.forEach(part => {
      for (const image of part.querySelectorAll('img')) image.loading = 'eager';
    }));
  }
  document.dispatchEvent(new Event('asking'));  // memory.js
});
// An address that leads into what is folded, such as #solution-3, opens it, and
// so does one that leads into what is held back, such as a live figure's.
const unfold = () => {
  const [, figure] = location.hash.match(/^#(\w+)=/) ?? [];
  const place = document.querySelector(
    figure ? `.live[data-live*='"${figure}"']` : ':target');
  const held = place?.closest('.held');
  if (held) {
    reveal(predictions.find(({parts}) => parts.includes(held)));
    place.scrollIntoView({behavior: 'instant'});
  }
  const folded = place?.closest('details:not([open])');
  if (folded) {
    folded.open = true;
    place.scrollIntoView({behavior: 'instant'});
  }
};
addEventListener('load', unfold);
addEventListener('hashchange', unfold);
// What was unfolded is so again when the reader comes back to the page.
const boxes = () => [...document.querySelectorAll('article details')];
document.addEventListener('toggle', () => history.replaceState(
  {...history.state, open: boxes().map(box => box.open)}, ''), true);
document.addEventListener('DOMContentLoaded', () => {
  const open = history.state?.open ?? [];
  boxes().forEach((box, i) => { box.open ||= open[i]; });
});
// A figure opens at its full size; without scripts, by itself.
document.addEventListener('click', event => {
  const link = event.target.closest('a.image-reference');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const dialog = document.createElement('dialog');
  const image = link.firstElementChild.cloneNode();
  image.removeAttribute('width');
  image.removeAttribute('height');
  dialog.className = 'full-size';
  dialog.tabIndex = 0;  // so that the arrow keys scroll it
  dialog.append(image);
  dialog.addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});
// What may scroll inside itself can be focused, and so scrolled by arrow keys:
// what has a long line, and on phones a table. Nothing is measured, which would
// hold up the page.
document.addEventListener('DOMContentLoaded', () => {
  const phone = matchMedia('(max-width: 48em)').matches;
  for (const box of document.querySelectorAll(
      'pre, .table-wrapper, .katex-display .katex-html')) {
    if (box.matches('.table-wrapper') ? phone : box.textContent.split('\n')
        .some(line => line.length > (phone ? 36 : 78))) {
      (box.closest('.katex-display') ?? box).tabIndex = 0;
    }
  }
});
// Tables that a cell made can be sorted: by numbers where a column has them.
document.addEventListener('DOMContentLoaded', () => {
  const value = (row, i) => row.cells[i].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [a, b].map(text => parseFloat(text.replaceAll(',', '')));
    return isNaN(x) || isNaN(y) || /\d-/.test(a) ? a.localeCompare(b)
      : x - y || a.localeCompare(b);
  };
  for (const table of document.querySelectorAll('.cell_output table')) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      const button = document.createElement('button');
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const down = head.ariaSort === 'ascending';
        heads.forEach(other => { other.ariaSort = null; });
        head.ariaSort = down ? 'descending' : 'ascending';
        const rows = [...table.tBodies[0].rows].sort(
          (a, b) => compare(value(a, i), value(b, i)) * (down ? -1 : 1));
        table.tBodies[0].append(...rows);
      });
    });
  }
});
// Live figures: each fetches its module when it comes near the view. One that
// fails, then or later, says so, and the picture above it stays.
const own = document.currentScript.src;
addEventListener('DOMContentLoaded', () => {
  const places = [...document.querySelectorAll('.live')].map(
    place => ({place, ...JSON.parse(place.dataset.live)}));
  const fail = place => {
    place.textContent = location.protocol === 'file:'
      ? 'There is more to try here if the book comes from a server: make serve.'
      : 'A figure to work with does not run in this browser. The picture above '
        + 'shows the same at rest.';
  };
  const start = async ({place, figure, ...settings}) => {
    try {
      const module = await import(new URL(`live/${figure}.mjs`, own));
      await module.default(place, settings);
      place.classList.add('runs');
      if (location.hash.startsWith(`#${figure}=`)) place.scrollIntoView();
    } catch (error) {
      console.error(error);
      fail(place);
    }
  };
  const near = new IntersectionObserver(seen => {
    for (const {target} of seen.filter(({isIntersecting}) => isIntersecting)) {
      near.unobserve(target);
      start(places.find(({place}) => place === target));
    }
  }, {rootMargin: '100%'});
  for (const {place, figure} of places) {
    near.observe(place);
    if (location.hash.startsWith(`#${figure}=`)) place.scrollIntoView();
  }
  addEventListener('error', ({error}) => places.filter(
    ({figure}) => error?.stack?.includes(`/live/${figure}.mjs`)
  ).forEach(({place}) => fail(place)));
});
