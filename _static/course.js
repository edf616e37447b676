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
    box.addEventListener('change', () => {
      button.ariaExpanded = String(box.checked);
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
// What scrolls inside itself can be focused, and so scrolled by arrow keys.
// Looked at when the page has its layout, so that loading is not held up.
addEventListener('load', () => setTimeout(() => {
  const wide = [...document.querySelectorAll(
    'pre, .table-wrapper, .math-wrapper, .katex-display'
  )].filter(box => box.scrollWidth > box.clientWidth);
  wide.forEach(box => { box.tabIndex = 0; });
}));
