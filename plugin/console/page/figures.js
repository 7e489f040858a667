// Writes the figures of a state where the page names them, and rates out of two states.

export function count(n) {
  return Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

// Where there is little room: from 100,000 on in thousands and millions.
function short(n) {
  if (n < 100_000) return count(n);
  if (n < 999_500) return `${Math.round(n / 1e3)}k`;
  return `${(n / 1e6).toFixed(n < 99_950_000 ? 1 : 0)}M`;
}

export function rate(x) {
  return x < 9.95 ? x.toFixed(1).replace(/\.0$/, '') : count(x);
}

export function duration(seconds) {
  if (!seconds) return '–';
  const [x, unit] = seconds < 1 ? [seconds * 1000, 'ms'] : [seconds, 's'];
  return `${rate(x)} ${unit}`;
}

// The values of the figures that the names stand for: places in the state, apart by spaces.
function values(state, names) {
  return names.split(' ').map((name) => name.split('.').reduce((part, key) => part?.[key], state) ?? 0);
}

const sum = (list) => list.reduce((a, b) => a + b, 0);

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const seconds = 10; // over which a rate is taken
const states = []; // of these, the oldest first

/** show writes the figures of the state, and the rates of the last seconds, all over the page. */
export function show(state) {
  const now = Date.parse(state.time);
  if (states.length > 0 && states[0].state.rules !== state.rules) states.length = 0; // their figures have other places
  if (states.at(-1)?.at !== now) states.push({ at: now, state });
  while (states.length > 2 && states[0].at < now - seconds * 1000) states.shift();
  const before = states[0];
  const perSecond = (names) => Math.max(0, sum(values(state, names)) - sum(values(before.state, names))) / ((now - before.at) / 1000);

  for (const e of document.querySelectorAll('[data-figure]')) write(e, (e instanceof SVGElement ? short : count)(sum(values(state, e.dataset.figure))));
  for (const e of document.querySelectorAll('[data-most]')) write(e, count(Math.max(0, ...values(state, e.dataset.most))));
  for (const e of document.querySelectorAll('[data-bar]')) bar(e, state);
  for (const e of document.querySelectorAll('[data-flow]')) e.toggleAttribute('data-empty', sum(values(state, e.dataset.flow)) === 0);
  if (before.at === now) return;
  for (const e of document.querySelectorAll('[data-rate]')) {
    const x = perSecond(e.dataset.rate);
    write(e, x > 0 ? `${x < 0.1 ? '<0.1' : rate(x)}/s` : '');
  }
  for (const e of document.querySelectorAll('[data-flow]')) {
    const x = perSecond(e.dataset.flow);
    e.classList.toggle('flows', x > 0);
    e.style.setProperty('--width', (1.5 + Math.min(4, Math.log10(1 + x) * 1.6)).toFixed(1));
  }
}

// Draws the shares of the outcomes of rules.
function bar(group, state) {
  const rules = group.dataset.bar.split(' ');
  const of = (name) => sum(values(state, rules.map((r) => `${r}.${name}`).join(' ')));
  const width = Number(group.dataset.width);
  const all = Math.max(1, of('events'));
  let x = 0;
  for (const part of group.children) {
    const w = Math.min(width - x, Math.round((of(part.getAttribute('class')) / all) * width));
    part.setAttribute('x', 14 + x);
    part.setAttribute('width', w);
    x += w;
  }
}
