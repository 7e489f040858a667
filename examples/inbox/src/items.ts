// The items of the three lists.
import type { ChannelPayload, Conversation, Message } from './bridge-client.ts';
import { element, type Item } from './dom.ts';

export function channelItem({ channel, connected }: { channel: ChannelPayload; connected: boolean }): Item {
  const { id, name, source } = channel;
  return {
    key: id, look: [name, source, connected],
    make: () => {
      const dot = element('span', 'dot');
      dot.dataset['on'] = String(connected);
      const about = element('small', '', `${source}, ${connected ? 'connected' : 'disconnected'}`);
      return element('li', '', dot, element('span', 'two', element('b', '', name), about));
    },
  };
}

export function conversationItem(c: Conversation, unread: number, current: boolean): Item {
  const title = titleOf(c);
  const last = textOf(Object.values(c.messages).reduce((a, b) => b.sent_at >= a.sent_at ? b : a));
  return {
    key: c.id, look: [title, last, unread, current],
    make: () => {
      const button = element('button', '', avatar(title),
        element('span', 'two', element('b', '', title), element('small', '', last)),
        ...(unread > 0 ? [element('span', 'badge', String(unread), element('span', 'spoken', ' unread'))] : []));
      button.setAttribute('type', 'button');
      button.setAttribute('aria-current', String(current));
      return element('li', '', button);
    },
  };
}

/** thread returns the items of a conversation: before what came late, a line says so. */
export function thread(messages: Message[]): Item[] {
  return messages.flatMap((m, n) => m.late && !messages[n - 1]?.late ? [late(m), bubble(m)] : [bubble(m)]);
}

function late(m: Message): Item {
  const text = 'Came while you were away';
  return { key: `late ${m.id}`, look: text, make: () => element('li', 'late', text) };
}

const marks = { PENDING: ['…', 'pending'], DELIVERED: ['✓', 'delivered'], FAILED: ['✗', 'failed'] } as const;

function bubble(m: Message): Item {
  return {
    key: m.id, look: m,
    make: () => {
      const out = m.sender_type !== 'source_contact';
      const at = new Date(m.sent_at);
      const time = element('time', '', at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }));
      time.setAttribute('datetime', m.sent_at);
      time.title = at.toLocaleString([], { hourCycle: 'h23' });
      const about = element('small', '', ...(nameIn(m) && out ? [`${nameIn(m)}, `] : []), time);
      if (out) about.append(' ', mark(m));
      return element('li', out ? 'out' : 'in', element('p', '', textOf(m)), about);
    },
  };
}

// Only what was written to a customer has a receipt to wait for.
function mark({ delivery_state }: Message): HTMLElement {
  const [sign, word] = marks[delivery_state];
  const visible = element('span', '', sign);
  visible.setAttribute('aria-hidden', 'true');
  const e = element('span', 'mark', visible, element('span', delivery_state === 'DELIVERED' ? 'spoken' : '', ` ${word}`));
  e.dataset['state'] = delivery_state;
  return e;
}

/** titleOf returns the customer's name where a content has it. */
export function titleOf(c: Conversation): string {
  const named = Object.values(c.messages).find((m) => m.sender_type === 'source_contact' && nameIn(m));
  return (named && nameIn(named)) ?? `Conversation ${c.id.slice(0, 8)}`;
}

// What a content holds is up to the rules: a text, or JSON as the source wrote it. Here are the usual shapes of it:
// {"text": "Hello", "from": "Ada"}, {"type": "text", "text": {"body": "Hello"}}, {"blocks": [{"text": "Hello"}]}.
const TEXTS = ['text', 'body', 'message', 'caption', 'title', 'content', 'blocks', 'parts'];
const NAMES = ['from', 'sender', 'author', 'name'];
const DEEP = 4;

function parsed({ content }: Message): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}

/** textIn returns the text of a value: the first that one of the keys leads to, of a list all. */
function textIn(value: unknown, keys: string[], depth = 0): string {
  if (typeof value === 'string' || typeof value !== 'object' || value === null || depth > DEEP) return typeof value === 'string' ? value : '';
  if (Array.isArray(value)) return value.map((v) => textIn(v, keys, depth + 1)).filter(Boolean).join('\n');
  for (const key of keys) {
    const text = textIn((value as Record<string, unknown>)[key], keys, depth + 1);
    if (text) return text;
  }
  return '';
}

// Without a text, what it is of, such as an image.
function textOf(m: Message): string {
  const value = parsed(m);
  if (typeof value !== 'object' || value === null) return m.content || '(no text)';
  const { type } = value as { type?: unknown };
  return textIn(value, TEXTS) || `(${typeof type === 'string' && type ? type : 'no text'})`;
}

function nameIn(m: Message): string | undefined {
  const value = parsed(m);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? textIn(NAMES.map((key) => (value as Record<string, unknown>)[key]).find(Boolean), ['name', 'title']) || undefined : undefined;
}

function avatar(name: string): HTMLElement {
  const letters = name.split(/\s+/).map((word) => [...word][0] ?? '').slice(0, 2).join('');
  const e = element('span', 'avatar', letters.toUpperCase());
  e.setAttribute('aria-hidden', 'true');
  e.dataset['tint'] = String([...name].reduce((sum, c) => sum + c.codePointAt(0)!, 0) % 5);
  return e;
}
