import { count } from './figures.js';
import { live } from './live.js';
import { swap } from './swap.js';

const most = 200; // rows of the list
const pause = document.getElementById('pause');
const told = document.getElementById('told');
const filter = document.getElementById('filter');
const names = ['topic', 'outcome', 'rule', 'text'];
const glance = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

let paused = false;
let held = []; // what has come since the pause
let skipped = 0;
let lost = false; // the events of another run of the bridge

function element(name, text, attributes = {}) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
}

// The query of the page: the filter as it is filled in, and what else.
function query(more = {}) {
  const q = new URLSearchParams(more);
  for (const name of names) if (filter.elements[name].value.trim()) q.set(name, filter.elements[name].value.trim());
  return q.toString();
}

// The same rows as the server's.
function row(event) {
  const tr = element('tr', undefined, { class: 'new' });
  const th = tr.appendChild(element('th', undefined, { scope: 'row' }));
  const link = th.appendChild(element('a', undefined, { href: `events?${query({ number: event.number })}` }));
  link.append(element('time', glance.format(new Date(event.time)), { datetime: event.time }));
  const topic = tr.appendChild(element('td'));
  topic.append(element('code', event.topic || `a key of ${event.memory}`));
  if (event.retained) topic.append(' ', element('small', 'retained'));
  const list = tr.appendChild(element('td')).appendChild(element('ul', undefined, { class: 'outcomes' }));
  for (const o of event.outcomes ?? []) {
    const item = list.appendChild(element('li', undefined, { class: o.outcome }));
    item.append(element('b', o.rule), ` ${o.element ? `${o.element} ` : ''}${o.queue ? `→ ${o.queue}` : o.outcome}`);
  }
  if (!event.outcomes?.length) list.append(element('li', 'no rule matches the topic', { class: 'unmatched' }));
  if (event.more) list.append(element('li', `and ${count(event.more)} more`, { class: 'quiet' }));
  return tr;
}

function add(events) {
  const list = document.getElementById('list');
  const focused = list.contains(document.activeElement);
  list.prepend(...events.toReversed().map(row));
  while (list.rows.length > most && !(focused && list.rows[list.rows.length - 1].contains(document.activeElement))) list.lastElementChild.remove();
  if (events.length) document.getElementById('none')?.remove();
}

function tell() {
  const parts = [];
  if (paused) parts.push(`Paused: ${count(held.length)}${held.length >= most ? ' or more' : ''} new.`);
  if (lost) parts.push('The bridge was restarted: what came before cannot be followed any more.');
  if (skipped) parts.push(`${count(skipped)} were not looked at: they came too fast. A filter finds what you look for.`);
  const text = parts.join(' ');
  if (told.textContent !== text) told.textContent = text;
}

function take({ events = [], newest: n, skipped: s = 0 }) {
  last = n ?? last;
  skipped += s;
  if (paused) held = held.concat(events).slice(-most);
  else add(events);
  tell();
}

const newest = () => document.getElementById('found').dataset.newest;
let last = newest(); // the number of the newest event that was heard of
const begin = live(() => query({ after: last }), take, () => {
  add(held);
  [last, held, lost] = [0, [], true];
  for (const link of document.querySelectorAll('#list a')) link.replaceWith(...link.childNodes); // its number is another event's now
});

pause.hidden = false;
pause.addEventListener('click', () => {
  paused = !paused;
  pause.textContent = paused ? 'Go on' : 'Pause';
  if (!paused) {
    add(held);
    held = [];
  }
  tell();
});

// Another filter: the list as the server makes it, and from there on live.
async function choose() {
  const address = `events?${query()}`;
  history.replaceState(null, '', address);
  shown = location.search;
  [skipped, held, lost] = [0, [], false];
  await swap(address, '#found, #list-title, #show-all');
  tell();
  if (document.querySelector('#found [role=alert]')) return;
  last = newest();
  begin();
}
filter.addEventListener('submit', (e) => {
  e.preventDefault();
  choose();
});
for (const name of ['outcome', 'rule']) filter.elements[name].addEventListener('change', choose);

// An event that is chosen is shown beside the list, which goes on; back leads to what was shown before.
let shown = location.search;

async function follow() {
  shown = location.search;
  const number = new URLSearchParams(shown).get('number');
  for (const link of document.querySelectorAll('#list a')) {
    const row = link.closest('tr');
    if (number && new URL(link.href).searchParams.get('number') === number) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
  }
  try {
    await swap(location.href, '#event, #publish');
    return true;
  } catch {
    told.textContent = 'The event is not shown: the bridge does not answer. Choose it again.';
    return false;
  }
}

document.addEventListener('click', async (e) => {
  const link = e.target.closest?.('#list a');
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  if (link.href !== location.href) history.pushState(null, '', link.href);
  if (!await follow()) return;
  const event = document.getElementById('event');
  event.focus({ preventScroll: true });
  if (matchMedia('(max-width: 1100px)').matches) event.scrollIntoView();
});

addEventListener('popstate', () => {
  if (location.search === shown) return; // only another place of the page
  const [before, now] = [new URLSearchParams(shown), new URLSearchParams(location.search)];
  if (names.some((name) => (before.get(name) ?? '') !== (now.get(name) ?? ''))) {
    location.reload(); // another list
    return;
  }
  // Who is in the event would keep it.
  document.activeElement?.blur();
  getSelection().removeAllRanges();
  document.querySelector('#list [aria-current] a')?.focus({ preventScroll: true });
  follow();
});

// An event is sent without leaving the page.
document.addEventListener('submit', async (e) => {
  if (e.target.id !== 'publish') return;
  e.preventDefault();
  const form = new URLSearchParams(new FormData(e.target));
  const sent = document.getElementById('sent');
  const answer = await fetch(e.target.action, { method: 'POST', body: form }).catch((error) => error);
  sent.textContent = answer.ok ? `Sent to ${form.get('topic')}` : `Not sent: ${answer.text ? await answer.text() : answer.message}`;
});
