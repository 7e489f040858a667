// A client of mqtt-stomp-bridge, to copy. It stays connected, renews its token in time, resumes each queue where it was,
// and puts together what the four queues tell. It needs @stomp/stompjs and nothing of the page around it.
import { Client, ReconnectionTimeMode, type IFrame, type IMessage } from '@stomp/stompjs';

export interface MessagePayload {
  conversation_id: string;
  channel_id: string;
  message: {
    id: string;
    content: string; // a text, or JSON as the source wrote it
    delivery_state: 'PENDING' | 'FAILED' | 'DELIVERED';
    sender_type: 'source_contact' | 'source_user' | 'app_user';
    sent_at: string; // 2026-01-31T08:15:00.000Z: texts that compare as the times do
  };
}
export interface UnreadCountPayload { conversation_id: string; unread_message_count: number; timestamp: string }
/** The payload of both channel queues, /queue/channel/connected and /queue/channel/disconnected. */
export interface ChannelPayload { id: string; name: string; source: string; source_channel_id: string; image_url?: string }

// Messages come last. All that has arrived by then was sent before their subscription began or is live and in order, so
// that until their queue has a message of its own, the newest one of another queue is where to resume. Leave out the queues
// that your users may not subscribe to.
const QUEUES = ['/queue/unread-count', '/queue/channel/connected', '/queue/channel/disconnected', '/queue/message'] as const;
type Queue = (typeof QUEUES)[number];

export type Message = MessagePayload['message'] & { late: boolean }; // late: it came while the page was away
export interface Conversation { id: string; channelID: string; messages: Record<string, Message> }
interface ChannelState { channel: ChannelPayload; position: number }

/** An Inbox is all that the queues have told. As JSON it can be stored, and resumed from: its places belong to the rest. */
export class Inbox {
  places: Partial<Record<Queue, string>> = {}; // of each queue, the last message-id
  conversations: Record<string, Conversation> = {}; // by id, the one with the newest message last, and not all
  unread: Record<string, UnreadCountPayload> = {}; // by the conversation's id, also of those without a message yet
  channels: Partial<Record<Queue, Record<string, ChannelState>>> = {}; // by queue and id

  static from(json: string): Inbox { return Object.assign(new Inbox(), JSON.parse(json)); }

  /** The newer of what the two queues say of a channel is its state: positions in the journal tell. */
  channelStates(): { channel: ChannelPayload; connected: boolean }[] {
    const on = this.channels['/queue/channel/connected'] ?? {}, off = this.channels['/queue/channel/disconnected'] ?? {};
    return Object.keys({ ...on, ...off }).map((id) => {
      const connected = (on[id]?.position ?? 0) > (off[id]?.position ?? 0);
      return { channel: (connected ? on : off)[id]!.channel, connected };
    });
  }

  /** receive takes in one message of a queue. The same one again changes nothing. What was sent before since is late. */
  receive(queue: Queue, id: string, body: string, since: string): void {
    const payload: unknown = JSON.parse(body);
    if (queue === '/queue/message') this.#message(payload as MessagePayload, since);
    else if (queue === '/queue/unread-count') this.#count(payload as UnreadCountPayload);
    else (this.channels[queue] ??= {})[(payload as ChannelPayload).id] = { channel: payload as ChannelPayload, position: positionOf(id) };
    this.places[queue] = id;
  }

  // A known id is an update, such as a receipt: the message keeps its time, and its content if the update brings none.
  #message({ conversation_id, channel_id, message }: MessagePayload, since: string): void {
    const c = this.conversations[conversation_id] ?? { id: conversation_id, channelID: '', messages: {} };
    const known = c.messages[message.id];
    const content = known && ['', '{}'].includes(message.content) ? known.content : message.content;
    c.messages[message.id] = { ...message, content, sent_at: known?.sent_at ?? message.sent_at, late: known?.late ?? message.sent_at < since };
    c.channelID = channel_id;
    dropFirst(c.messages, MOST);
    delete this.conversations[c.id];
    this.conversations[c.id] = c;
    dropFirst(this.conversations, MOST);
  }

  // Only a more recent count counts.
  #count(count: UnreadCountPayload): void {
    const known = this.unread[count.conversation_id];
    if (!known || count.timestamp > known.timestamp) this.unread[count.conversation_id] = count;
  }

  /** settle is called before a resume: late is only what this one brings. */
  settle(): void {
    for (const c of Object.values(this.conversations)) for (const m of Object.values(c.messages)) m.late = false;
  }

  /** forget is called after a gap, before a snapshot brings the newest state of each channel. The journal may be a new one. */
  forget(queue: Queue): void {
    delete this.places[queue];
    delete this.channels[queue];
  }

  /** placeOf returns after which message to resume a queue. A snapshot does without. */
  placeOf(queue: Queue): string | undefined {
    if (queue !== '/queue/message') return this.places[queue];
    return this.places[queue] ?? Object.values(this.places).sort((a, b) => positionOf(b) - positionOf(a))[0];
  }
}

export type State =
  | { name: 'connecting' }
  | { name: 'live'; resume: 'new' | 'complete' | 'gap' } // gap: messages are missing; load them from your own history
  | { name: 'offline'; tries: number; reason: string } // it will try again; the reason is the server's, or ''
  | { name: 'refused'; reason: string }; // it has given up

export interface Options {
  url: string; // wss://HOST/ws.communication
  newToken(): Promise<string>; // asked before a connection, and again in time before the token expires
  inboxOf(user: string): Inbox; // where a connection of that user resumes, and what it changes
  start?(): string | undefined; // the message-id after which an empty inbox begins, such as where your history ends; without, with what is new
  onState(state: State): void;
  onChange(): void; // the inbox has changed
}

const MOST = 100; // conversations, and messages of each
const RETRY = 5_000; // ms, where no token could be had
const MARGIN = 60_000; // ms before its end a token is renewed

export class BridgeClient {
  #client: Client;
  #token = '';
  #fresh = 0; // until when the token may be shown, as Date.now() tells
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0; // since it was last live
  #refusals = 0; // likewise
  #reason = ''; // of the last ERROR
  #inbox: Inbox | undefined; // of the connection before

  constructor(private readonly options: Options) {
    this.#client = new Client({
      brokerURL: options.url,
      heartbeatIncoming: 20_000, heartbeatOutgoing: 20_000,
      reconnectDelay: 300 + 700 * Math.random(), // not all browsers in the same moment
      reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL, maxReconnectDelay: 10_000,
      beforeConnect: () => this.#authorize(),
      onConnect: (frame) => this.#subscribe(frame),
      onStompError: (frame) => this.#failed(frame.headers['message'] ?? ''),
      onWebSocketClose: () => this.#closed(),
    });
  }

  start(): void { this.#client.activate(); }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#client.deactivate();
  }

  async #authorize(): Promise<void> {
    this.options.onState({ name: 'connecting' });
    while (this.#client.active && Date.now() >= this.#fresh) {
      try {
        this.#keep(await this.options.newToken());
      } catch (error) {
        this.options.onState({ name: 'offline', tries: ++this.#tries, reason: `no token: ${error}` });
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    this.#client.connectHeaders = { Authorization: `Bearer ${this.#token}` };
  }

  #keep(token: string): void {
    if (!this.#client.active) return; // stopped meanwhile
    this.#token = token;
    const time = timeToRenew(token);
    this.#fresh = Date.now() + time;
    clearTimeout(this.#timer);
    if (time < Infinity) this.#timer = setTimeout(() => this.#renew(), Math.min(time, 2 ** 31 - 1)); // the longest timer
  }

  // If it cannot be renewed, the session ends with the token, and the next one begins with another.
  async #renew(): Promise<void> {
    try {
      const token = await this.options.newToken();
      if (!this.#client.connected) return; // the next connection asks again
      const headers = { Authorization: `Bearer ${token}`, receipt: 'renewed' };
      this.#client.watchForReceipt('renewed', () => this.#keep(token));
      this.#client.publish({ destination: '/auth/token', headers });
    } catch {
      this.#timer = setTimeout(() => this.#renew(), RETRY);
    }
  }

  // Once all have their RECEIPT, nothing is missed from here on.
  #subscribe({ headers }: IFrame): void {
    const inbox = this.options.inboxOf(headers['user-name'] ?? '');
    const again = inbox === this.#inbox || Object.keys(inbox.places).length > 0;
    const since = again ? new Date().toISOString() : '';
    this.#inbox = inbox;
    inbox.settle();
    let waiting = QUEUES.length, gap = false;
    for (const queue of QUEUES) {
      const start = again || queue !== '/queue/message' ? undefined : this.options.start?.();
      const from = inbox.placeOf(queue) ?? start, receipt = `subscribed ${queue}`;
      this.#client.watchForReceipt(receipt, ({ headers: { resume } }) => {
        if (resume === 'gap') inbox.forget(queue);
        // Snapshots close the gaps of the other queues.
        if (queue === '/queue/message') gap = resume === 'gap' || (again && !from);
        if (--waiting > 0) return;
        this.#tries = this.#refusals = 0;
        this.#reason = '';
        this.options.onState({ name: 'live', resume: gap ? 'gap' : again ? 'complete' : 'new' });
      });
      this.#client.subscribe(queue, ({ headers, body }: IMessage) => {
        inbox.receive(queue, headers['message-id']!, body, since);
        this.options.onChange();
      }, {
        receipt,
        ...(from && { 'resume-from': from }),
        ...(queue !== '/queue/message' && { snapshot: 'latest' }), // with resume-from: after a gap
      });
    }
  }

  // What is refused to a new token, or a second time, will be refused again.
  #failed(reason: string): void {
    this.#reason = reason;
    if (reason.startsWith('401')) this.#fresh = 0;
    if (!/^(401|access denied)/.test(reason) || ++this.#refusals < 2) return;
    void this.stop();
    this.options.onState({ name: 'refused', reason });
  }

  #closed(): void {
    if (this.#client.active) this.options.onState({ name: 'offline', tries: ++this.#tries, reason: this.#reason });
  }
}

/** timeToRenew returns in how many ms to renew a token. This machine's clock may be wrong: it counts only where it makes the time shorter. */
function timeToRenew(token: string): number {
  let claims: { exp?: number; iat?: number } = {};
  try {
    claims = JSON.parse(atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')));
  } catch { /* no JSON Web Token: it does not tell */ }
  if (!claims.exp) return Infinity;
  const left = claims.exp * 1000 - Date.now(), life = claims.iat ? (claims.exp - claims.iat) * 1000 : left;
  const time = left > 0 ? Math.min(left, life) : life;
  return Math.max(1_000, time - Math.min(MARGIN, time / 4));
}

// A message-id is <epoch>-<position>. Positions grow until there is a gap.
function positionOf(id: string): number {
  return Number(id.slice(id.indexOf('-') + 1));
}

function dropFirst(of: Record<string, unknown>, most: number): void {
  for (const key of Object.keys(of).slice(0, -most)) delete of[key];
}
