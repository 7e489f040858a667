// The page around the console and the inbox: sends events, and says what became of them. Whatever comes from outside becomes
// text, never markup.
import { byID, element } from './dom.js';

const PAUSE = 2_000; // ms between two looks whether the demo runs
const ABSENCE = 5_000; // ms for which the inbox is closed

let chosen = 0; // preset
let place = 'inbox/'; // where the inbox is, or will be when it is open again
let misses = 0; // looks in vain

function show(tab) {
  document.body.dataset.shown = tab;
  for (const b of document.querySelectorAll('[data-tab]')) b.setAttribute('aria-pressed', b.dataset.tab === tab);
}

async function choose(n) {
  const sample = await fresh(n);
  if (!sample) return;
  chosen = n;
  for (const b of document.querySelectorAll('[data-preset]')) b.setAttribute('aria-pressed', b.dataset.preset === String(n));
  for (const a of document.querySelectorAll('[data-about]')) a.hidden = a.dataset.about !== String(n);
  byID('topic').value = sample.topic;
  byID('payload').value = sample.payload;
  byID('payload').dataset.fresh = sample.fresh.join(' ');
  byID('result').replaceChildren();
}

async function fresh(n) {
  const response = await fetch(`presets/${n}`).catch(() => undefined);
  return response?.ok ? response.json() : undefined;
}

// The next event is a new one: with another id and time, whatever else was edited.
async function renew() {
  const sample = await fresh(chosen);
  const payload = byID('payload');
  payload.dataset.fresh.trim().split(' ').forEach((old, n) => {
    if (sample) payload.value = payload.value.replaceAll(old, sample.fresh[n]);
  });
  if (sample) payload.dataset.fresh = sample.fresh.join(' ');
}

async function send(event) {
  event.preventDefault();
  const sent = { topic: byID('topic').value.trim(), payload: byID('payload').value };
  byID('result').replaceChildren(element('p', '', 'Sent …'));
  try {
    const response = await fetch('send', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(sent) });
    if (!response.ok) {
      byID('result').replaceChildren(element('p', 'bad', await response.text()));
      return;
    }
    byID('result').replaceChildren(...became(await response.json()));
    lead(`inbox/#${sent.topic.split('/')[2] ?? ''}`); // to the conversation of it
    await renew();
  } catch (error) {
    byID('result').replaceChildren(element('p', 'bad', `It was not sent: ${error.message}`));
  }
}

function became({ number, outcomes }) {
  const file = byID('rules').textContent;
  const lines = outcomes.map(({ rule, outcome, queue, why }) => {
    const end = queue ? element('code', '', queue) : element('b', outcome === 'rejected' ? 'bad' : '', outcome === 'rejected' ? 'dead letter' : outcome);
    const line = element('p', '', 'Rule ', element('b', '', rule), ' → ', end);
    if (why) line.append(`: ${why.replaceAll(file, file.replace(/.*\//, ''))}`);
    return line;
  });
  const links = element('p', 'links',
    link(`console/events?number=${number}#event`, 'Follow it in the console'), ' · ',
    link(`console/workbench?event=${number}`, 'Try it in the workbench'));
  return [...lines, links];
}

// Leads to a page of the console, beside this one.
function link(to, text) {
  const a = element('a', '', text);
  a.href = to;
  a.target = 'console';
  a.onclick = () => show('bridge');
  return a;
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(byID(button.dataset.copy).textContent);
  } catch {
    getSelection().selectAllChildren(byID(button.dataset.copy)); // there is no clipboard without https, but for this machine's names
    return;
  }
  const [text, ...rest] = button.childNodes;
  text.replaceWith('Copied');
  setTimeout(() => button.replaceChildren(text, ...rest), 1_500);
}

// The inbox goes to a place of its own, when it is open.
function lead(to) {
  place = to;
  if (!byID('away').disabled) open(place, 'inbox');
}

function close() {
  place = document.querySelector('iframe[name=inbox]').contentWindow.location.href;
  byID('away').disabled = true;
  open('away', 'inbox');
  setTimeout(() => {
    byID('away').disabled = false;
    open(place, 'inbox');
  }, ABSENCE);
}

// Another run is another demo, whose pages begin anew.
async function look() {
  try {
    const response = await fetch('run', { signal: AbortSignal.timeout(PAUSE) });
    if (await response.json() !== document.documentElement.dataset.run) return location.reload();
    misses = 0;
  } catch {
    misses++;
  }
  const gone = misses > 1;
  if (byID('gone').hidden === gone) {
    byID('gone').hidden = !gone;
    byID('state').textContent = gone ? 'Nobody answers' : 'Running';
    byID('state').dataset.state = gone ? 'gone' : 'running';
  }
  setTimeout(look, PAUSE);
}

for (const b of document.querySelectorAll('[data-tab]')) b.onclick = () => show(b.dataset.tab);
for (const b of document.querySelectorAll('[data-preset]')) b.onclick = () => choose(Number(b.dataset.preset));
for (const b of document.querySelectorAll('[data-copy]')) b.onclick = () => copy(b);
byID('send').onsubmit = send;
byID('away').onclick = close;
show('inbox');
look();
