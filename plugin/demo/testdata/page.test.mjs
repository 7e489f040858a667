// Tests of the page's STOMP client and of its inbox, in Node with a WebSocket that the test plays. Run by TestPageScripts.

import assert from "node:assert/strict";
import {afterEach, beforeEach, mock, test} from "node:test";
import {Inbox} from "./inbox.js";
import {Session, decode, encode} from "./stomp.js";

const queues = ["/queue/message", "/queue/unread-count"];

class FakeSocket {
  static opened = [];
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, {url, protocols});
    FakeSocket.opened.push(this);
  }
  send(text) { this.sent.push(text); }
  close() { this.onclose(); }
  receive(command, headers, body = "") { this.onmessage({data: encode(command, headers).replace("\0", body + "\0")}); }
  frames() { return this.sent.filter((text) => text !== "\n").map(decode); }
}

globalThis.WebSocket = FakeSocket;
globalThis.location = {hostname: "127.0.0.1"};
beforeEach(() => {
  FakeSocket.opened = [];
  mock.timers.enable({apis: ["setTimeout", "setInterval", "Date"]});
});
afterEach(() => mock.timers.reset());

/** connect makes a live session; its events are noted. */
function connect() {
  const seen = {states: [], resumed: [], messages: [], frames: []};
  const session = new Session({
    url: "ws://127.0.0.1/ws.communication", token: "a.b.c", destinations: queues,
    on: {
      state: (s) => seen.states.push(s),
      resumed: (r) => seen.resumed.push(r),
      message: (destination, headers, body) => seen.messages.push(body),
      frame: (direction, text) => seen.frames.push(text),
    },
  });
  session.connect();
  return {session, seen, socket: accept()};
}

/** accept answers the newest socket's CONNECT. */
function accept() {
  const socket = FakeSocket.opened.at(-1);
  socket.onopen();
  socket.receive("CONNECTED", {"version": "1.2", "heart-beat": "30000,20000", "user-name": "visitor"});
  return socket;
}

function message(socket, destination, id) {
  socket.receive("MESSAGE", {destination, "message-id": id, "subscription": "sub-0"}, `{"id":"${id}"}`);
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("headers are escaped, but not those of CONNECT", () => {
  const headers = {key: "a:b\\c\nd\re"};
  assert.equal(encode("SUBSCRIBE", headers), "SUBSCRIBE\nkey:a\\cb\\\\c\\nd\\re\n\n\0");
  assert.deepEqual(decode(encode("SUBSCRIBE", headers)).headers, headers);
  assert.equal(encode("CONNECT", {host: "a:1"}), "CONNECT\nhost:a:1\n\n\0");
});

test("the first of a repeated header counts, and a body may hold anything", () => {
  const body = '{"text":"a\\nb\n\nc"}';
  assert.deepEqual(decode(`MESSAGE\nkey:1\nkey:2\n\n${body}\0`), {command: "MESSAGE", headers: {key: "1"}, body});
});

test("a session connects and subscribes, and shows no token", () => {
  const {seen, socket} = connect();
  const [first, ...rest] = socket.frames();
  assert.deepEqual(socket.protocols, ["v12.stomp"]);
  assert.equal(first.headers.Authorization, "Bearer a.b.c");
  assert.deepEqual(rest.map((f) => [f.command, f.headers.destination, f.headers["resume-from"]]),
    queues.map((queue) => ["SUBSCRIBE", queue, undefined]));
  assert.deepEqual(seen.states.map((s) => s.name), ["connecting", "live"]);
  assert.equal(seen.states[1].heartBeat, 30_000);
  assert.ok(!seen.frames.join("").includes("a.b.c"));
});

test("heart-beats go out, and a silent server is left", () => {
  const {seen, socket} = connect();
  mock.timers.tick(20_000);
  assert.equal(socket.sent.filter((text) => text === "\n").length, 2);
  socket.onmessage({data: "\n"});
  mock.timers.tick(90_000);
  assert.equal(seen.states.at(-1).name, "live");
  mock.timers.tick(30_000);
  assert.equal(seen.states.at(-1).name, "waiting");
});

test("a session comes back and resumes each queue where it was", async () => {
  const {session, seen, socket} = connect();
  for (const n of [0, 1]) socket.receive("RECEIPT", {"receipt-id": `sub-${n}`});
  await settled();
  assert.deepEqual(seen.resumed, [], "the first connection resumes nothing");
  message(socket, queues[0], "e-7");
  message(socket, queues[0], "e-9");
  session.drop(5_000);
  mock.timers.tick(4_999);
  assert.equal(FakeSocket.opened.length, 1);
  mock.timers.tick(1);

  const second = accept();
  assert.deepEqual(second.frames().slice(1).map((f) => f.headers["resume-from"]), ["e-9", "e-7"],
    "a queue without a message resumes from the first of all");
  second.receive("RECEIPT", {"receipt-id": "sub-0", "resume": "complete"});
  second.receive("RECEIPT", {"receipt-id": "sub-1", "resume": "gap"});
  await settled();
  assert.deepEqual(seen.resumed, ["gap"]);
  assert.deepEqual(seen.messages, ['{"id":"e-7"}', '{"id":"e-9"}']);
});

test("the pauses between attempts grow, up to a bound", () => {
  const {seen, socket} = connect();
  socket.close();
  const pauses = [];
  for (let i = 0; i < 10; i++) {
    pauses.push(seen.states.at(-1).until - Date.now());
    mock.timers.tick(10_000);
    FakeSocket.opened.at(-1).close();
  }
  assert.ok(pauses[0] <= 500 && pauses[3] > 1_900, `pauses are ${pauses}`);
  assert.ok(pauses.every((pause) => pause > 0 && pause <= 10_000), `pauses are ${pauses}`);
});

test("an ERROR is given as the reason, and does not bring a session back at once", () => {
  const {seen} = connect();
  for (let i = 0; i < 6; i++) {
    const now = FakeSocket.opened.at(-1);
    now.receive("ERROR", {message: "too slow"});
    now.close();
    assert.equal(seen.states.at(-1).reason, "too slow");
    mock.timers.tick(10_000);
    accept();
  }
  FakeSocket.opened.at(-1).close();
  assert.equal(seen.states.at(-1).reason, undefined);
  assert.ok(seen.states.at(-1).until - Date.now() > 4_900);
});

test("a refused token ends the session", () => {
  const {seen, socket} = connect();
  socket.receive("ERROR", {message: "401 token expired"});
  socket.onclose?.();
  mock.timers.tick(60_000);
  assert.deepEqual(seen.states.at(-1), {name: "refused", reason: "401 token expired"});
  assert.equal(FakeSocket.opened.length, 1);
});

/** told is an inbox that was told of these: [queue, position, payload]. */
function told(...messages) {
  const inbox = new Inbox();
  for (const [queue, position, payload] of messages) {
    inbox.apply(`/queue/${queue}`, {"message-id": `e-${position}`}, JSON.stringify(payload));
  }
  return inbox;
}

const chat = (conversation, id, rest) => ({
  conversation_id: conversation, channel_id: "w",
  message: {id, content: '{"text":"hello","from":"Ada"}', delivery_state: "PENDING", sender_type: "source_contact", sent_at: "2026-01-01T10:00:00.000Z", ...rest},
});

test("a message that is known is updated in its place", () => {
  const inbox = told(["message", 1, chat("c", "m1")], ["message", 2, chat("c", "m2")], ["message", 3, chat("c", "m1", {delivery_state: "DELIVERED"})]);
  const messages = [...inbox.conversations.get("c").messages.values()];
  assert.deepEqual(messages.map((m) => [m.id, m.delivery_state]), [["m1", "DELIVERED"], ["m2", "PENDING"]]);
  assert.equal(inbox.conversations.get("c").title, "Ada");
});

test("content that is not JSON is shown as it is", () => {
  for (const content of ["hello", "42", "null", '{"image":1}', '"quoted"']) {
    const [m] = told(["message", 1, chat("c", "m", {content})]).conversations.get("c").messages.values();
    assert.equal(m.text, content);
  }
});

test("only a more recent unread count counts", () => {
  const count = (n, second) => ({conversation_id: "c", unread_message_count: n, timestamp: `2026-01-01T10:00:0${second}.000Z`});
  const inbox = told(["unread-count", 1, count(1, 1)], ["unread-count", 3, count(0, 3)], ["unread-count", 2, count(2, 2)]);
  assert.equal(inbox.conversations.get("c").unread, 0);
});

test("the state of a channel is the later one, in whatever order its queues come", () => {
  const channel = {id: "w", name: "W", source: "whatsapp", source_channel_id: "1"};
  const inbox = told(["channel/connected", 1, channel], ["channel/disconnected", 5, channel], ["channel/connected", 3, channel]);
  assert.equal(inbox.channels.get("w").connected, false);
});

test("the state of a channel is the later one across a restart of the bridge, and any one after a gap", () => {
  const channel = {id: "w", name: "W", source: "whatsapp", source_channel_id: "1"};
  const inbox = new Inbox();
  const apply = (queue, id, headers) => {
    inbox.apply(`/queue/channel/${queue}`, {"message-id": id, ...headers}, JSON.stringify(channel));
    return inbox.channels.get("w").connected;
  };
  assert.equal(apply("connected", "a-3"), true);
  assert.equal(apply("disconnected", "b-7"), false);
  assert.equal(apply("connected", "a-5"), false, "replayed, from before the restart");
  assert.equal(apply("connected", "c-2", {resume: "gap"}), true);
  assert.equal(apply("disconnected", "c-1"), true);
});

test("a conversation of which only the count is known waits for its first message", () => {
  const count = ["unread-count", 1, {conversation_id: "c", unread_message_count: 3, timestamp: "2026-01-01T10:00:00.000Z"}];
  assert.deepEqual(told(count).sorted(), []);
  assert.deepEqual(told(count, ["message", 2, chat("c", "m")]).sorted().map((c) => c.unread), [3]);
});

test("old conversations and messages are forgotten", () => {
  const many = Array.from({length: 100}, (_, i) => ["message", i + 1, chat("c", `m${i}`)]);
  const others = Array.from({length: 60}, (_, i) => ["message", i + 101, chat(`c${i}`, "m")]);
  assert.equal(told(...many).conversations.get("c").messages.size, 50);
  const inbox = told(...many, ...others);
  assert.equal(inbox.conversations.size, 50);
  assert.equal(inbox.sorted()[0].id, "c59");
});
