// How live figures look. Here and not in a style sheet, since every style sheet
// is loaded on every page. Colours are the page's own, light or dark.
export const look = `
.live {
  container-type: inline-size;
  scroll-margin-top: 5rem;
}
.live [hidden] {
  display: none !important;
}
.live > section {
  --blue: #2f7fc1;
  --red: #d6573c;
  border: 1px solid var(--color-background-border);
  border-left: 0.25rem solid var(--color-brand-primary);
  border-radius: 0.4rem;
  font: 0.875rem/1.5 var(--font-ui);
  font-variant-numeric: tabular-nums;
  margin: 1.25rem 0;
  padding: 0.75rem 0.9rem;
}
.live p, .live fieldset {
  margin: 0;
  max-width: none;
}
.live .ask {
  font-size: 1rem;
}
.live .ask b {
  color: var(--color-brand-content);
}
.live .found:not(:empty) {
  border-left: 0.2rem solid var(--color-good);
  margin-top: 0.4rem;
  padding-left: 0.6rem;
}
.live .row {
  align-items: center;
  display: flex;
  flex-wrap: wrap;
  gap: 0.4rem 0.75rem;
  margin: 0.6rem 0;
}
.live label, .live .field {
  align-items: center;
  display: inline-flex;
  gap: 0.35rem;
}
.live :is(button, select, input[type="text"]) {
  background: var(--color-background-primary);
  border: 1px solid var(--color-foreground-border);
  border-radius: 0.3rem;
  color: inherit;
  font: inherit;
  min-height: 1.9rem;
}
.live :is(button, select) {
  cursor: pointer;
  padding: 0 0.55rem;
}
.live button:hover {
  background: var(--color-background-hover);
}
.live .field {
  justify-content: space-between;
}
.live .step {
  display: inline-flex;
}
.live .step button {
  padding: 0;
  width: 1.6rem;
}
.live .step :first-child {
  border-radius: 0.3rem 0 0 0.3rem;
}
.live .step :last-child {
  border-radius: 0 0.3rem 0.3rem 0;
}
.live input[type="text"] {
  border-inline: 0;
  border-radius: 0;
  box-sizing: border-box;
  padding: 0 0.2rem;
  text-align: center;
  width: 1.9rem;
}
.live .end input[type="text"] {
  width: 3.2rem;
}
.live input[type="checkbox"] {
  accent-color: var(--color-brand-primary);
  height: 1.1rem;
  width: 1.1rem;
}
.live [aria-invalid="true"] {
  border-color: var(--color-wrong);
  outline: 2px solid var(--color-wrong);
}
.live .hint {
  color: var(--color-foreground-secondary);
  font-size: 0.8125rem;
}
.live .fault:not(:empty) {
  color: var(--color-wrong);
  font-weight: 600;
}
.live .end {
  border-top: 1px solid var(--color-background-border);
  margin: 0.6rem 0 0;
  padding-top: 0.6rem;
}
.live .tables {
  --side: min(2.1rem, calc((100cqw - 2rem) / max(var(--columns), 12)));
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem 0.6rem;
  margin: 0.6rem 0;
}
.live .group {
  align-items: center;
  display: flex;
  gap: 0.6rem;
}
.live .name {
  color: var(--color-foreground-secondary);
  font-size: 0.8125rem;
  white-space: nowrap;
}
.live table {
  border-collapse: separate;
  border-spacing: 0;
  font-size: calc(var(--side) * min(0.42, 1.75 / var(--longest)));
  line-height: 1;
  margin: 0;
  width: auto;
}
.live td {
  background: color-mix(in srgb, var(--hue, transparent)
    calc(var(--much, 0) * 52%), var(--color-background-primary));
  border: 1px solid var(--color-background-border);
  border-width: 0 1px 1px 0;
  box-sizing: border-box;
  color: var(--color-foreground-primary);
  cursor: pointer;
  height: var(--side);
  max-width: var(--side);
  min-width: var(--side);
  padding: 0;
  position: relative;
  text-align: center;
  touch-action: manipulation;
  white-space: nowrap;
}
.live tr:first-child td {
  border-top-width: 1px;
}
.live td:first-child {
  border-left-width: 1px;
}
.live td:focus-visible {
  outline: 3px solid var(--color-brand-primary);
  outline-offset: 1px;
  z-index: 2;
}
.live .told {
  font-size: 0.9375rem;
  min-height: calc(1.5em * var(--lines, 2));
}
@container (max-width: 30rem) {
  .live > section {
    padding: 0.6rem;
  }
  .live .tables, .live .group {
    column-gap: 0.3rem;
  }
  .live .fields {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr));
  }
  .live .fields select {
    flex: 1;
    min-width: 0;
  }
}`;
