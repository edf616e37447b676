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
      document.querySelectorAll('.sidebar-toggle:checked').forEach(
          box => box.click());
    }
  });
});
// An address that leads into what is folded, such as #solution-3, opens it.
const unfold = () => {
  const place = document.querySelector(':target');
  const folded = place?.closest('details:not([open])');
  if (folded) {
    folded.open = true;
    place.scrollIntoView();
  }
};
addEventListener('load', unfold);
addEventListener('hashchange', unfold);
// What scrolls inside itself can be focused, and so scrolled by arrow keys.
// Looked at when the page has its layout, so that loading is not held up.
addEventListener('load', () => setTimeout(() => {
  const wide = [...document.querySelectorAll(
    'pre, .table-wrapper, .math-wrapper, .katex-display'
  )].filter(box => box.scrollWidth > box.clientWidth);
  wide.forEach(box => { box.tabIndex = 0; });
}));
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
