// The page: asks for a token, draws the inbox. Whatever comes from outside becomes text, never markup.
import { BridgeClient, Inbox, type State } from './bridge-client.ts';
import { channelItem, conversationItem, thread, titleOf } from './items.ts';
import { byID, stickToEnd, sync } from './dom.ts';

const MANY_TRIES = 3;

const tokenURL = document.querySelector<HTMLMetaElement>('meta[name=token-url]')!.content;
let client: BridgeClient | undefined;
let inbox = new Inbox();
let user: string | undefined; // whose inbox it is
let state: State | undefined;
let chosen = location.hash.slice(1); // conversation id; until it is there, the one with the newest message is shown
let start: string | undefined; // where an empty inbox begins, if the one who gives out tokens has said so
let due = false; // a draw is on its way

// What a tab has seen outlives a reload, so that it resumes from there. Its places and the rest are one text: neither is
// of use without the other. Where the page asks for tokens to paste, nothing is kept.
const storageKey = (of: string) => `inbox ${endpoint()} ${of}`;

addEventListener('pagehide', () => {
  if (!tokenURL || user === undefined) return;
  try {
    sessionStorage.setItem(storageKey(user), JSON.stringify(inbox));
  } catch {
    sessionStorage.removeItem(storageKey(user)); // too large
  }
});

function inboxOf(name: string): Inbox {
  if (name === user) return inbox;
  if (user !== undefined) chosen = ''; // it is another user's
  user = name;
  const stored = tokenURL && sessionStorage.getItem(storageKey(name));
  inbox = stored ? Inbox.from(stored) : new Inbox();
  changed();
  return inbox;
}

function endpoint(): string {
  return byID<HTMLInputElement>('url').value;
}

function isOwn(url: string): boolean {
  return url.split('/')[2] === location.host;
}

async function fetchToken(): Promise<string> {
  const response = await fetch(tokenURL, { method: 'POST', credentials: 'same-origin' });
  if (!response.ok) throw new Error(`${tokenURL} answers ${response.status}`);
  start = response.headers.get('Resume-From') ?? undefined;
  return (await response.text()).trim();
}

let asked: Promise<string> | undefined; // while the form waits for a token

/** askToken shows the form until a token is pasted. The inbox stays visible meanwhile. */
function askToken(): Promise<string> {
  byID('login-title').textContent = !client ? 'Connect' : state?.name === 'live' ? 'The token ends soon: paste a new one' : 'Paste another token';
  byID('login').hidden = false;
  return asked ??= new Promise((resolve) => {
    byID<HTMLFormElement>('login').onsubmit = (event) => {
      event.preventDefault();
      asked = undefined;
      byID('login').hidden = true;
      resolve(byID<HTMLInputElement>('token').value.trim().replace(/^Bearer\s+/i, ''));
      byID<HTMLInputElement>('token').value = '';
    };
  });
}

async function connect(): Promise<void> {
  let pasted = tokenURL ? '' : await askToken();
  client = new BridgeClient({
    url: endpoint(),
    newToken: async () => {
      if (tokenURL) return fetchToken();
      const token = pasted || await askToken();
      pasted = '';
      return token;
    },
    inboxOf,
    start: () => start,
    onState: show,
    onChange: changed,
  });
  client.start();
}

async function leave(): Promise<void> {
  await client?.stop();
  client = undefined;
  if (user !== undefined) sessionStorage.removeItem(storageKey(user));
  user = undefined;
  inbox = new Inbox();
  state = undefined;
  byID('notice').hidden = true;
  changed();
  if (!tokenURL) void connect();
}

function show(next: State): void {
  state = next;
  if (next.name === 'live' && next.resume === 'gap') {
    notify('Messages are missing: the bridge no longer has all that came while this page was away. Unread counts and channels are '
      + 'the newest that it has. An application loads the messages from its own history now.');
  } else if (next.name === 'offline' && next.reason) {
    notify(`The bridge has ended the session: ${next.reason}`);
  } else if (next.name === 'offline' && next.tries > MANY_TRIES) {
    notify(`Nobody answers at ${endpoint()}. ${isOwn(endpoint()) ? 'Does the bridge run?' : 'If the bridge runs, look for "handshake refused" in its '
      + `log: it may want this page's origin, ${location.origin}, in server.allowed_origins.`}`);
  } else if (next.name === 'refused') {
    notify(`The bridge refuses: ${next.reason}`);
    if (!tokenURL) void connect();
  } else if (next.name === 'live') {
    byID('notice').hidden = true;
  }
  changed();
}

function notify(text: string): void {
  byID('notice').textContent = text;
  byID('notice').hidden = false;
}

function changed(): void {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}

function draw(): void {
  const conversations = Object.values(inbox.conversations).reverse();
  const shown = inbox.conversations[chosen] ?? conversations[0];
  if (!chosen && shown) keep(shown.id); // it stays, whatever comes
  byID('main').hidden = user === undefined;
  byID('leave').hidden = !client && !tokenURL; // a pasted token has its form
  byID('leave').textContent = client ? 'Sign out' : 'Sign in';
  byID('state').textContent = words(state);
  byID('state').dataset['state'] = state?.name === 'live' ? state.resume : state?.name ?? '';
  const channels = inbox.channelStates().sort((a, b) => a.channel.name.localeCompare(b.channel.name));
  sync(byID('channels'), channels.map(channelItem), 'None heard of yet');
  const items = conversations.map((c) => conversationItem(c, inbox.unread[c.id]?.unread_message_count ?? 0, c === shown));
  sync(byID('conversations'), items, 'Waiting for the first message');
  const channel = channels.find((c) => c.channel.id === shown?.channelID)?.channel;
  byID('title').textContent = shown ? titleOf(shown) + (channel ? ` via ${channel.name}` : '') : 'Messages';
  const messages = Object.values(shown?.messages ?? {}).sort((a, b) => a.sent_at.localeCompare(b.sent_at));
  stickToEnd(byID('log'), () => sync(byID('messages'), thread(messages), 'No message yet'));
}

function words(of: State | undefined): string {
  switch (of?.name) {
    case 'connecting': return 'Connecting';
    case 'offline': return 'Offline, trying again';
    case 'refused': return 'Refused';
    case 'live': return { new: 'Live', complete: `Caught up${late()}`, gap: 'Gap' }[of.resume];
    default: return 'Not connected';
  }
}

function late(): string {
  const n = Object.values(inbox.conversations).flatMap((c) => Object.values(c.messages)).filter((m) => m.late).length;
  return n > 0 ? `: ${n} came late` : '';
}

// The address has it, so that a reload shows it again.
function keep(id: string): void {
  chosen = id;
  history.replaceState(null, '', `#${id}`);
}

function choose(id: string): void {
  keep(id);
  byID('main').dataset['open'] = '';
  draw();
  byID('log').scrollTop = byID('log').scrollHeight;
  if (byID('back').offsetParent) byID('title').focus(); // a narrow window shows the thread in place of the list
}

function back(): void {
  delete byID('main').dataset['open'];
  byID('conversations').querySelector<HTMLElement>('[aria-current=true]')?.focus();
}

byID('conversations').onclick = (event) => {
  const id = (event.target as Element).closest('li')?.dataset['key'];
  if (id && id in inbox.conversations) choose(id);
};
addEventListener('hashchange', () => { // others may lead to a conversation
  chosen = location.hash.slice(1);
  changed();
});
byID('back').onclick = back;
byID('leave').onclick = () => void (client ? leave() : connect());
byID<HTMLInputElement>('url').value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws.communication`;
void connect();
draw();
