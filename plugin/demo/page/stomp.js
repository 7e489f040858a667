// A small STOMP 1.2 client over WebSocket that comes back by itself and resumes where it was.

const HEART_BEAT = 10_000; // ms, offered in both directions
const TOLERANCE = 3; // intervals that the server may be silent
const MAX_PAUSE = 10_000; // ms between attempts to connect

const unescapes = {"\\r": "\r", "\\n": "\n", "\\c": ":", "\\\\": "\\"};
const escapes = {"\r": "\\r", "\n": "\\n", ":": "\\c", "\\": "\\\\"};
const escape = (s) => s.replace(/[\r\n:\\]/g, (c) => escapes[c]);
const unescape = (s) => s.replace(/\\./g, (c) => unescapes[c] ?? c);

/** encode writes one frame. CONNECT does not escape its headers (STOMP 1.2, "Value Encoding"). */
export function encode(command, headers) {
  const write = command === "CONNECT" ? (s) => s : escape;
  const lines = Object.entries(headers).map(([key, value]) => `${write(key)}:${write(value)}\n`);
  return `${command}\n${lines.join("")}\n\0`;
}

/** decode reads one frame; the server sends each as one WebSocket message. Of a repeated header the first counts. */
export function decode(text) {
  const end = text.indexOf("\n\n");
  const [command, ...lines] = text.slice(0, end).split("\n");
  const read = command === "CONNECTED" ? (s) => s : unescape;
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[read(line.slice(0, colon))] ??= read(line.slice(colon + 1));
  }
  return {command, headers, body: text.slice(end + 2, text.lastIndexOf("\0"))};
}

/**
 * A Session stays subscribed to its destinations, whatever happens to the connection, until the server refuses the token.
 *
 * on.state({name, ...}) is called with each new state: connecting; live, with what CONNECTED said; waiting, until a time,
 * and refused, both with the reason where the server gave one. on.resumed("complete" or "gap") is called once all subscriptions of a later connection are
 * answered, on.message(destination, headers, body) for each message, on.frame("in" or "out", text) for every frame and
 * heart-beat, without the token.
 */
export class Session {
  #url; #token; #destinations; #on;
  #socket;
  #attempts = 0;
  #pause = 0; // ms to stay away once, instead of the usual pause
  #reason; // what the last ERROR said
  #timers = []; // of the connection
  #heard = 0; // when something last came in
  #first; // the first message-id of all
  #last = new Map(); // destination -> its newest message-id
  #receipts = new Map(); // receipt-id -> function of the RECEIPT's headers

  constructor({url, token, destinations, on}) {
    this.#url = url;
    this.#token = token;
    this.#destinations = destinations;
    this.#on = on;
  }

  connect() {
    this.#on.state({name: "connecting"});
    const socket = new WebSocket(this.#url, ["v12.stomp"]);
    this.#socket = socket;
    socket.onopen = () => this.#send("CONNECT", {
      "accept-version": "1.2",
      "host": location.hostname,
      "heart-beat": `${HEART_BEAT},${HEART_BEAT}`,
      "Authorization": `Bearer ${this.#token}`,
    });
    socket.onmessage = ({data}) => this.#receive(data);
    socket.onclose = () => this.#closed();
  }

  /** drop cuts the connection, as a tunnel would, and stays away for so many milliseconds. */
  drop(pause) {
    this.#pause = pause;
    this.#socket.close();
  }

  #send(command, headers) {
    const text = encode(command, headers);
    this.#socket.send(text);
    this.#on.frame("out", text.replace(this.#token, "…"));
  }

  #receive(text) {
    this.#heard = Date.now();
    this.#on.frame("in", text);
    if (text === "\n") return;
    const {command, headers, body} = decode(text);
    switch (command) {
      case "CONNECTED": return this.#connected(headers);
      case "RECEIPT": return this.#answered(headers);
      case "MESSAGE": return this.#message(headers, body);
      case "ERROR": return this.#failed(headers);
    }
  }

  #connected(headers) {
    const [sends, wants] = (headers["heart-beat"] ?? "0,0").split(",").map(Number);
    const send = wants && Math.max(wants, HEART_BEAT);
    const expect = sends && Math.max(sends, HEART_BEAT);
    this.#startHeartBeats(send, expect);
    this.#on.state({name: "live", version: headers.version, server: headers.server, user: headers["user-name"], heartBeat: expect});
    this.#subscribe();
  }

  #startHeartBeats(send, expect) {
    if (send) this.#timers.push(setInterval(() => this.#beat(), send / 2));
    if (expect) this.#timers.push(setInterval(() => this.#watch(expect), expect));
  }

  #beat() {
    this.#socket.send("\n");
    this.#on.frame("out", "\n");
  }

  #watch(expect) {
    if (Date.now() - this.#heard > TOLERANCE * expect) this.#socket.close();
  }

  // A destination that has had no message yet resumes from the first of all: it was subscribed to by then.
  #subscribe() {
    const answers = this.#destinations.map((destination, n) => new Promise((resolve) => {
      const headers = {id: `sub-${n}`, destination, receipt: `sub-${n}`};
      const from = this.#last.get(destination) ?? this.#first;
      if (from) headers["resume-from"] = from;
      if (destination !== "/queue/message") headers.snapshot = "latest";
      this.#receipts.set(headers.receipt, resolve);
      this.#send("SUBSCRIBE", headers);
    }));
    Promise.all(answers).then((receipts) => {
      this.#attempts = 0;
      const results = receipts.map((headers) => headers.resume).filter(Boolean);
      if (results.length) this.#on.resumed(results.includes("gap") ? "gap" : "complete");
    });
  }

  #answered(headers) {
    this.#receipts.get(headers["receipt-id"])?.(headers);
    this.#receipts.delete(headers["receipt-id"]);
  }

  #message(headers, body) {
    const {destination} = headers;
    this.#first ??= headers["message-id"];
    this.#last.set(destination, headers["message-id"]);
    this.#on.message(destination, headers, body);
  }

  // After an ERROR the server closes. Without a valid token there is no use in coming back.
  #failed({message = ""}) {
    this.#reason = message;
    if (!message.includes("401")) return;
    this.#socket.onclose = null;
    this.#release();
    this.#on.state({name: "refused", reason: message});
  }

  #closed() {
    this.#release();
    const usual = Math.min(MAX_PAUSE, 500 * 2 ** this.#attempts++) * (0.5 + Math.random() / 2);
    const pause = this.#pause || usual;
    this.#on.state({name: "waiting", until: Date.now() + pause, tries: this.#attempts, reason: this.#reason});
    this.#pause = 0;
    this.#reason = undefined;
    setTimeout(() => this.connect(), pause);
  }

  #release() {
    this.#timers.forEach(clearInterval);
    this.#timers = [];
    this.#receipts.clear();
  }
}
