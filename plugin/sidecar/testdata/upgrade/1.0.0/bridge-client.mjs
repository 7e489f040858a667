import { Client, ReconnectionTimeMode } from "@stomp/stompjs";
const QUEUES = ["/queue/unread-count", "/queue/channel/connected", "/queue/channel/disconnected", "/queue/message"];
class Inbox {
  places = {};
  // of each queue, the last message-id
  conversations = {};
  // by id, the one with the newest message last, and not all
  unread = {};
  // by the conversation's id, also of those without a message yet
  channels = {};
  // by queue and id
  static from(json) {
    return Object.assign(new Inbox(), JSON.parse(json));
  }
  /** The newer of what the two queues say of a channel is its state: positions in the journal tell. */
  channelStates() {
    const on = this.channels["/queue/channel/connected"] ?? {}, off = this.channels["/queue/channel/disconnected"] ?? {};
    return Object.keys({ ...on, ...off }).map((id) => {
      const connected = (on[id]?.position ?? 0) > (off[id]?.position ?? 0);
      return { channel: (connected ? on : off)[id].channel, connected };
    });
  }
  /** receive takes in one message of a queue. The same one again changes nothing. What was sent before since is late. */
  receive(queue, id, body, since) {
    const payload = JSON.parse(body);
    if (queue === "/queue/message") this.#message(payload, since);
    else if (queue === "/queue/unread-count") this.#count(payload);
    else (this.channels[queue] ??= {})[payload.id] = { channel: payload, position: positionOf(id) };
    this.places[queue] = id;
  }
  // A known id is an update, such as a receipt: the message keeps its time, and its content if the update brings none.
  #message({ conversation_id, channel_id, message }, since) {
    const c = this.conversations[conversation_id] ?? { id: conversation_id, channelID: "", messages: {} };
    const known = c.messages[message.id];
    const content = known && ["", "{}"].includes(message.content) ? known.content : message.content;
    c.messages[message.id] = { ...message, content, sent_at: known?.sent_at ?? message.sent_at, late: known?.late ?? message.sent_at < since };
    c.channelID = channel_id;
    dropFirst(c.messages, MOST);
    delete this.conversations[c.id];
    this.conversations[c.id] = c;
    dropFirst(this.conversations, MOST);
  }
  // Only a more recent count counts.
  #count(count) {
    const known = this.unread[count.conversation_id];
    if (!known || count.timestamp > known.timestamp) this.unread[count.conversation_id] = count;
  }
  /** settle is called before a resume: late is only what this one brings. */
  settle() {
    for (const c of Object.values(this.conversations)) for (const m of Object.values(c.messages)) m.late = false;
  }
  /** forget is called after a gap, before a snapshot brings the newest state of each channel. The journal may be a new one. */
  forget(queue) {
    delete this.places[queue];
    delete this.channels[queue];
  }
  /** placeOf returns after which message to resume a queue. A snapshot does without. */
  placeOf(queue) {
    if (queue !== "/queue/message") return this.places[queue];
    return this.places[queue] ?? Object.values(this.places).sort((a, b) => positionOf(b) - positionOf(a))[0];
  }
}
const MOST = 100;
const RETRY = 5e3;
const MARGIN = 6e4;
class BridgeClient {
  // of the connection before
  constructor(options) {
    this.options = options;
    this.#client = new Client({
      brokerURL: options.url,
      heartbeatIncoming: 2e4,
      heartbeatOutgoing: 2e4,
      reconnectDelay: 300 + 700 * Math.random(),
      // not all browsers in the same moment
      reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
      maxReconnectDelay: 1e4,
      beforeConnect: () => this.#authorize(),
      onConnect: (frame) => this.#subscribe(frame),
      onStompError: (frame) => this.#failed(frame.headers["message"] ?? ""),
      onWebSocketClose: () => this.#closed()
    });
  }
  options;
  #client;
  #token = "";
  #fresh = 0;
  // until when the token may be shown, as Date.now() tells
  #timer;
  #tries = 0;
  // since it was last live
  #refusals = 0;
  // likewise
  #reason = "";
  // of the last ERROR
  #inbox;
  start() {
    this.#client.activate();
  }
  async stop() {
    clearTimeout(this.#timer);
    await this.#client.deactivate();
  }
  async #authorize() {
    this.options.onState({ name: "connecting" });
    while (this.#client.active && Date.now() >= this.#fresh) {
      try {
        this.#keep(await this.options.newToken());
      } catch (error) {
        this.options.onState({ name: "offline", tries: ++this.#tries, reason: `no token: ${error}` });
        await new Promise((resolve) => setTimeout(resolve, RETRY));
      }
    }
    this.#client.connectHeaders = { Authorization: `Bearer ${this.#token}` };
  }
  #keep(token) {
    if (!this.#client.active) return;
    this.#token = token;
    const time = timeToRenew(token);
    this.#fresh = Date.now() + time;
    clearTimeout(this.#timer);
    if (time < Infinity) this.#timer = setTimeout(() => this.#renew(), Math.min(time, 2 ** 31 - 1));
  }
  // If it cannot be renewed, the session ends with the token, and the next one begins with another.
  async #renew() {
    try {
      const token = await this.options.newToken();
      if (!this.#client.connected) return;
      const headers = { Authorization: `Bearer ${token}`, receipt: "renewed" };
      this.#client.watchForReceipt("renewed", () => this.#keep(token));
      this.#client.publish({ destination: "/auth/token", headers });
    } catch {
      this.#timer = setTimeout(() => this.#renew(), RETRY);
    }
  }
  // Once all have their RECEIPT, nothing is missed from here on.
  #subscribe({ headers }) {
    const inbox = this.options.inboxOf(headers["user-name"] ?? "");
    const again = inbox === this.#inbox || Object.keys(inbox.places).length > 0;
    const since = again ? (/* @__PURE__ */ new Date()).toISOString() : "";
    this.#inbox = inbox;
    inbox.settle();
    let waiting = QUEUES.length, gap = false;
    for (const queue of QUEUES) {
      const start = again || queue !== "/queue/message" ? void 0 : this.options.start?.();
      const from = inbox.placeOf(queue) ?? start, receipt = `subscribed ${queue}`;
      this.#client.watchForReceipt(receipt, ({ headers: { resume } }) => {
        if (resume === "gap") inbox.forget(queue);
        if (queue === "/queue/message") gap = resume === "gap" || again && !from;
        if (--waiting > 0) return;
        this.#tries = this.#refusals = 0;
        this.#reason = "";
        this.options.onState({ name: "live", resume: gap ? "gap" : again ? "complete" : "new" });
      });
      this.#client.subscribe(queue, ({ headers: headers2, body }) => {
        inbox.receive(queue, headers2["message-id"], body, since);
        this.options.onChange();
      }, {
        receipt,
        ...from && { "resume-from": from },
        ...queue !== "/queue/message" && { snapshot: "latest" }
        // with resume-from: after a gap
      });
    }
  }
  // What is refused to a new token, or a second time, will be refused again.
  #failed(reason) {
    this.#reason = reason;
    if (reason.startsWith("401")) this.#fresh = 0;
    if (!/^(401|access denied)/.test(reason) || ++this.#refusals < 2) return;
    void this.stop();
    this.options.onState({ name: "refused", reason });
  }
  #closed() {
    if (this.#client.active) this.options.onState({ name: "offline", tries: ++this.#tries, reason: this.#reason });
  }
}
function timeToRenew(token) {
  let claims = {};
  try {
    claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
  }
  if (!claims.exp) return Infinity;
  const left = claims.exp * 1e3 - Date.now(), life = claims.iat ? (claims.exp - claims.iat) * 1e3 : left;
  const time = left > 0 ? Math.min(left, life) : life;
  return Math.max(1e3, time - Math.min(MARGIN, time / 4));
}
function positionOf(id) {
  return Number(id.slice(id.indexOf("-") + 1));
}
function dropFirst(of, most) {
  for (const key of Object.keys(of).slice(0, -most)) delete of[key];
}
export {
  BridgeClient,
  Inbox
};
