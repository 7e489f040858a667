// The workbench: edited rules are checked while somebody types, and tried on an event.
import { complete } from './complete.js';
import { live } from './live.js';
import { showTried } from './tried.js';

const find = (id) => document.getElementById(id);
const { nonce, hidden, assets, payloads } = find('bench').dataset;
const pause = 300; // ms of no typing before something is checked

// The files by name: as the server has them, and as they are edited. Edits are kept while the tab is open; an event is not.
const files = new Map();
const storeKey = (name) => `workbench:${name}`;
for (const area of document.querySelectorAll('#editor textarea:enabled')) {
  const file = { name: area.dataset.file, area, server: area.value, text: area.value };
  files.set(file.name, file);
  const kept = JSON.parse(sessionStorage.getItem(storeKey(file.name)) ?? 'null');
  if (kept && kept.text !== file.server) Object.assign(file, { text: kept.text, stale: kept.server !== file.server });
}
let file = [...files.values()].find((f) => f.text.split('\n').some((line) => line !== '' && !line.startsWith(hidden))) ?? [...files.values()][0];
const edited = () => [...files.values()].filter((f) => f.text !== f.server);
const texts = () => [...files.values()].map((f) => f.text);

// What is edited in: the bundled editor, or where there is none the text areas.
const areas = {
  open(name, text) {
    for (const f of files.values()) f.area.hidden = f.name !== name;
    files.get(name).area.value = text;
  },
  text: () => file.area.value,
  replace(text) { file.area.value = text; },
  mark() {},
  go(line, column) {
    const lines = file.area.value.split('\n');
    const before = lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    const at = before + [...lines[line - 1] ?? ''].slice(0, column - 1).join('').length;
    file.area.focus();
    file.area.setSelectionRange(at, at);
    file.area.scrollTop = (line - 5) * parseFloat(getComputedStyle(file.area).lineHeight);
  },
  line: () => file.area.value.slice(0, file.area.selectionStart).split('\n').length,
};
let surface = areas;
let words;

async function openEditor() {
  const [{ editor }, answer] = await Promise.all([
    import(`./bundle/editor.js?v=${assets}`), fetch(`api/workbench/words?v=${assets}`).then((r) => r.json()),
  ]);
  words = answer;
  for (const f of files.values()) f.area.hidden = true;
  surface = editor(find('editor'), {
    label: 'Rules', nonce, hidden, changed: takeEdit, moved: showHere,
    complete: (text, at, explicit) => complete(text, at, explicit, { words, payload: payloadValue(), texts: texts() }),
  });
  find('keys').textContent += ' Tab indents; Esc and then Tab leaves the editor. Ctrl-Space completes, F8 goes to the next problem, Ctrl-F searches.';
}

function takeEdit() {
  file.text = surface.text();
  if (file.text === file.server) sessionStorage.removeItem(storeKey(file.name));
  else keep(file);
  showEdited();
  soon();
}

function keep(f) {
  try {
    sessionStorage.setItem(storeKey(f.name), JSON.stringify({ server: f.server, text: f.text }));
  } catch { /* it is full: the edits are on the page alone */ }
}

function showEdited() {
  find('discard').hidden = edited().length === 0;
  for (const option of find('file').options) {
    const f = files.get(option.value);
    if (f) option.textContent = f.text === f.server ? f.name : `${f.name} (edited)`;
  }
}

function openFile(name) {
  file = files.get(name);
  find('file').value = name;
  surface.open(name, file.text);
  showProblems();
}

// Checking

let checked = { problems: [] };
let timer;
let running = false;
let again = false;

/** soon checks and tries when nothing has been typed for a while. */
function soon(wait = pause) {
  clearTimeout(timer);
  timer = setTimeout(run, wait);
}

async function run() {
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const answer = await tryEvent() ?? await ask('api/check', { files: sent() }, tellChecked);
    if (answer) {
      checked = answer;
      showProblems();
    }
  } finally {
    running = false;
    if (again) soon(0);
    again = false;
  }
}

/** sent are the files that are edited; the server knows the others. */
const sent = () => edited().map(({ name, text }) => ({ name, text }));

/** ask posts a document and returns the answer; undefined where there is none, and tell is given the reason. */
async function ask(path, body, tell) {
  try {
    const response = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    if (response.ok) return await response.json();
    if (response.status === 429) soon(1000);
    tell((await response.text()).trim());
  } catch {
    tell('The bridge does not answer.');
  }
}

function tellChecked(text, state = 'wrong') {
  find('checked').textContent = text;
  find('checked').dataset.state = state;
}

/** tellEvent says what is wrong with the event, or nothing. */
function tellEvent(text) {
  find('lacking').hidden = text === '';
  find('lacking').textContent = text;
}

const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

function showProblems() {
  const mistakes = checked.problems.filter((p) => !p.warning && !p.diff).length;
  const said = [];
  if (mistakes > 0) said.push(plural(mistakes, 'mistake'));
  else if (checked.rules !== undefined) said.push(`${checked.failed ? '' : 'Good: '}${plural(checked.rules, 'rule')}`);
  if (checked.tests > 0) said.push(`${plural(checked.tests, 'test')}${checked.failed ? `, ${checked.failed} ${checked.failed === 1 ? 'fails' : 'fail'}` : checked.tests === 1 ? ' passes' : ' pass'}`);
  if (checked.unfinished) said.push(`${plural(checked.unfinished, 'more test was', 'more tests were')} not run, since that takes too long`);
  for (const other of checked.others ?? []) said.push(`not shown here: ${other}`);
  tellChecked(said.join('; '), checked.ok ? 'good' : 'wrong');
  find('problems').replaceChildren(...checked.problems.map(problemItem));
  surface.mark(checked.problems.filter((p) => p.file === file.name).map((p) => ({
    ...p, severity: p.warning ? 'warning' : 'error', message: [p.message, p.hint].filter(Boolean).join('\n'),
  })));
  showHere();
}

function problemItem(p) {
  const item = document.createElement('li');
  item.dataset.kind = p.warning ? 'warning' : 'mistake';
  const go = document.createElement('button');
  go.type = 'button';
  const place = document.createElement('span');
  place.textContent = `${p.file}:${p.line}:${p.column}`;
  go.append(place, ` ${p.warning ? 'warning: ' : ''}${p.message}`);
  go.onclick = () => {
    if (p.file !== file.name && files.has(p.file)) openFile(p.file);
    surface.go(p.line, p.column);
  };
  item.append(go);
  for (const [name, text] of [['hint', [p.hint, p.rewrite?.text].filter(Boolean).join('\n')], ['diff', p.diff]]) {
    if (!text) continue;
    const more = document.createElement('pre');
    more.className = name;
    more.textContent = text.trimEnd();
    item.append(more);
  }
  return item;
}

/** showHere tells what is wrong on the line of the caret. */
function showHere() {
  const line = surface.line();
  const here = checked.problems.filter((p) => p.file === file.name && p.line === line);
  checked.problems.forEach((p, i) => find('problems').children[i]?.toggleAttribute('data-here', here.includes(p)));
  find('here').textContent = here.map((p) => `Line ${line}: ${[p.message, p.hint].filter(Boolean).join('; ')}`).join(' ');
}

// Trying

/** eventOf returns the event of the form. */
function eventOf() {
  const event = { topic: find('topic').value, qos: Number(find('qos').value), retained: find('retained').checked };
  event[find('encoding').value] = find('payload').value.replace(find('encoding').value === 'base64' ? /\s/g : '', '');
  if (find('content-type').value) event.content_type = find('content-type').value;
  if (find('received').value) event.received = find('received').value;
  const user = find('user').value.split('\n').filter((line) => line.includes('=')).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  if (user.length > 0) event.user = Object.fromEntries(user);
  return event;
}

function payloadValue() {
  try {
    return JSON.parse(find('payload').value);
  } catch {
    return undefined;
  }
}

const attempt = (more) => ({ files: sent(), event: eventOf(), memory: new FormData(find('event')).get('memory'), ...more });

/** tryEvent shows what becomes of the event, and returns the answer, in which the files are checked too. */
async function tryEvent() {
  const tried = find('topic').value === '' ? undefined : await ask('api/try', attempt({ tests: true }), tellEvent);
  find('making').hidden = !tried?.trace;
  find('made').hidden = true; // it was made of other rules
  if (!tried) return undefined;
  tellEvent('');
  showTried(find('result'), find('outcome'), tried);
  return tried;
}

async function makeTest() {
  const tried = await ask('api/try', attempt({ test: true }), tellEvent);
  if (!tried) return;
  find('made').hidden = false;
  find('made-note').textContent = tried.test_note ?? 'It has been run with the rules above, and passes. It stands below tests:';
  find('test').textContent = tried.test ?? '';
  for (const id of ['test', 'copy-test', 'add-test']) find(id).hidden = !tried.test;
}

/** withTest returns the text with the entry as the first of its tests; undefined where they are not a list of lines. */
function withTest(text, entry) {
  const lines = text.replace(/\n*$/, '\n').split('\n');
  const at = lines.findIndex((line) => /^tests\s*:/.test(line));
  if (at < 0) return `${lines.join('\n')}\ntests:\n${entry}`;
  if (!/^tests\s*:\s*(#.*)?$/.test(lines[at])) return undefined;
  const first = lines.slice(at + 1).find((line) => /^\s*-\s/.test(line));
  const indent = first?.match(/^\s*/)[0] ?? '  ';
  const own = entry.replace(/\n$/, '').split('\n').map((line) => line === '' ? '' : indent + line.slice(2));
  lines.splice(at + 1, 0, ...own);
  return lines.join('\n');
}

function addTest() {
  const name = [...files.values()].find((f) => /^tests\s*:/m.test(f.text))?.name ?? file.name;
  const text = withTest(files.get(name).text, find('test').textContent);
  if (text === undefined) {
    find('made-note').textContent = 'The tests of this file do not stand in lines of their own; copy the test and put it in by hand.';
    return;
  }
  openFile(name);
  surface.replace(text);
  takeEdit();
  surface.go(text.split('\n').findIndex((line) => /^tests\s*:/.test(line)) + 2, 1);
}

// Events that came

async function takeEvent() {
  const number = find('pick').value;
  if (number === '') return;
  const response = await fetch(`api/workbench/events/${number}`);
  if (!response.ok) return tellEvent((await response.text()).trim());
  const e = await response.json();
  find('topic').value = e.topic;
  find('payload').value = e.text ?? e.base64 ?? '';
  find('encoding').value = e.text === undefined ? 'base64' : 'text';
  find('qos').value = String(e.qos);
  find('content-type').value = e.content_type ?? '';
  find('received').value = e.received ?? '';
  find('user').value = Object.entries(e.user ?? {}).map(([name, value]) => `${name}=${value}`).join('\n');
  find('retained').checked = e.retained ?? false;
  soon(0);
}

const ranks = ['duplicate', 'filtered', 'silent', 'mapped', 'rejected']; // the last counts for all rules

/** takeEvents puts the events that have come on the list, unless somebody is choosing from it. */
function takeEvents({ events = [] }) {
  const picks = find('picks');
  if (payloads !== 'true' || document.activeElement === find('pick')) return;
  for (const e of events) {
    if (!e.topic || picks.querySelector(`option[value="${Number(e.number)}"]`)) continue;
    const fate = e.outcomes.map((o) => o.outcome).sort((a, b) => ranks.indexOf(b) - ranks.indexOf(a))[0] ?? 'no rule';
    picks.prepend(new Option(`${e.time.slice(11, 19)} ${e.topic} (${fate})`, e.number));
  }
  while (picks.children.length > 50) picks.lastChild.remove();
}

// What the page's buttons do

/** copyable is the text without the lines that stand for others. */
const copyable = () => file.text.split('\n').filter((line) => !line.startsWith(hidden)).join('\n').replace(/^\n+/, '');

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // the page has not come from this machine, nor by TLS
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  const label = button.textContent;
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = label; }, 1500);
}

function discard() {
  if (!confirm('Discard the edits of all files, and begin with what the server has?')) return;
  for (const f of edited()) {
    f.text = f.server;
    sessionStorage.removeItem(storeKey(f.name));
  }
  surface.open(file.name, file.text);
  find('restored').hidden = true;
  showEdited();
  soon(0);
}

find('file').onchange = () => openFile(find('file').value);
find('copy').onclick = () => copy(copyable(), find('copy'));
find('discard').onclick = discard;
find('pick').onchange = takeEvent;
find('make').onclick = makeTest;
find('copy-test').onclick = () => copy(find('test').textContent, find('copy-test'));
find('add-test').onclick = addTest;
find('event').onsubmit = (e) => e.preventDefault();
find('event').oninput = (e) => e.target !== find('pick') && soon();
find('editor').oninput = () => surface === areas && takeEdit();
document.addEventListener('selectionchange', () => surface === areas && document.activeElement === file?.area && showHere());

// Edits outlive another page of the console, but not the tab.
let staying = false;
document.addEventListener('click', (e) => { staying = Boolean(e.target.closest?.('a[href]')); });
addEventListener('beforeunload', (e) => {
  if (edited().length > 0 && !staying) e.preventDefault();
});

if (file) {
  if (edited().length > 0) {
    find('restored').hidden = false;
    const stale = edited().filter((f) => f.stale).map((f) => f.name).join(', ');
    find('restored').textContent = `Your edits from before are here again.${stale && ` The server has another ${stale} since: discard the edits to begin with that.`}`;
  }
  await openEditor().catch(() => {}); // without the bundle there are the text areas
  openFile(file.name);
  showEdited();
  soon(0);
} else {
  tellChecked('None of the files can be shown. See the list of them for the reasons.');
}
live(() => `after=${find('picks').querySelector('option')?.value ?? 0}`, takeEvents, () => {
  for (const option of find('pick').querySelectorAll('optgroup option')) option.remove(); // their numbers are other events' now
});
