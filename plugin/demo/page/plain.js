// Shows what the queues carry, where there is no inbox. Whatever comes from outside becomes text, never markup.
import { byID, element } from './dom.js';

const PAUSE = 1_000; // ms

function item({ time, topic, outcomes }) {
  const about = element('small', '', `${new Date(time).toLocaleTimeString([], { hourCycle: 'h23' })}, from `, element('code', '', topic));
  const made = outcomes.map(({ queue, outcome, why, body }) => element('div', '',
    element('b', '', queue ?? outcome), element('pre', '', body ? JSON.stringify(body, null, 2) : why ?? '')));
  return element('li', '', about, ...made);
}

async function look() {
  try {
    const response = await fetch('queues');
    const events = response.ok ? await response.json() : [];
    if (events.length > 0) byID('messages').replaceChildren(...events.map(item));
  } catch { /* the page around says that nobody answers */ }
  setTimeout(look, PAUSE);
}

look();
