// Draws the inbox and the frames. Everything that comes from outside becomes text, never markup.

import {Inbox} from "./inbox.js";
import {Session} from "./stomp.js";

const MAX_FRAMES = 200;
const SILENT_TRIES = 4; // in vain, some ten seconds of them: the demo has probably ended
const ABSENCE = 5_000; // ms

const config = JSON.parse(byID("config").textContent);
const inbox = new Inbox();
let session;
let state = {name: "connecting"};
let resumed = ""; // of the last time the connection was back
let chosen = ""; // conversation id; "": the one with the newest message
let due = false; // a draw is on its way

function byID(id) {
  return document.getElementById(id);
}

/** element makes an element with a class and children, which are elements or texts. */
function element(name, className, ...children) {
  const e = document.createElement(name);
  e.className = className;
  e.append(...children);
  return e;
}

function changed() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    const conversations = inbox.sorted();
    const shown = inbox.conversations.get(chosen) ?? conversations[0];
    drawState();
    drawChannels();
    drawConversations(conversations, shown);
    drawThread(shown);
  });
}

function drawState() {
  const seconds = Math.max(1, Math.ceil((state.until - Date.now()) / 1000));
  const words = {
    connecting: "Connecting",
    live: resumed === "" ? "Live" : `Live, resume: ${resumed}`,
    waiting: state.tries > SILENT_TRIES
      ? `Nobody answers: is the demo still running? Next try in ${seconds} s`
      : `Offline, back in ${seconds} s`,
    refused: "Token refused: reload the page",
  };
  byID("state").textContent = words[state.name];
  byID("state").dataset.state = state.name;
  byID("state").dataset.resumed = resumed;
  byID("drop").disabled = state.name !== "live";
  byID("facts").textContent = state.name === "live" ? facts(state) : state.reason ?? "";
}

function facts({version, heartBeat, user}) {
  const beat = heartBeat ? `, heart-beat ${heartBeat / 1000} s` : "";
  return `STOMP ${version}${beat}, ${user ?? "anonymous"}`;
}

function drawChannels() {
  const channels = [...inbox.channels.values()].sort((a, b) => a.name.localeCompare(b.name));
  const items = channels.map((c) => {
    const dot = element("span", "dot");
    dot.dataset.on = c.connected;
    const about = element("small", "", `${c.source}, ${c.connected ? "connected" : "disconnected"}`);
    return element("li", "", dot, element("span", "two", element("b", "", c.name), about));
  });
  byID("channels").replaceChildren(...items.length ? items : [hint("None heard of yet")]);
}

function drawConversations(conversations, shown) {
  const items = conversations.map((c) => {
    const last = [...c.messages.values()].at(-1);
    const badge = element("span", "badge", String(c.unread));
    badge.hidden = c.unread === 0;
    badge.title = `${c.unread} unread`;
    const button = element("button", "", avatar(c.title),
      element("span", "two", element("b", "", c.title), element("small", "", last?.text ?? "")), badge);
    button.type = "button";
    button.dataset.id = c.id;
    button.setAttribute("aria-pressed", c === shown);
    return element("li", "", button);
  });
  const focused = document.activeElement?.dataset.id;
  byID("conversations").replaceChildren(...items.length ? items : [hint("Waiting for the first message")]);
  if (focused) byID("conversations").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function drawThread(c) {
  const channel = inbox.channels.get(c?.channelID);
  byID("title").textContent = c ? c.title + (channel ? ` via ${channel.name}` : "") : "Messages";
  const items = c ? [...c.messages.values()].map(bubble) : [];
  stickToEnd(byID("messages"), () => byID("messages").replaceChildren(...items));
}

const marks = {PENDING: "pending …", DELIVERED: "delivered ✓", FAILED: "failed ✕"};

function bubble(m) {
  const outgoing = m.sender_type !== "source_contact";
  const at = clock(new Date(m.sent_at));
  const about = element("small", "", outgoing && m.from ? `${m.from}, ${at}` : at);
  if (outgoing) {
    const mark = element("span", "mark", marks[m.delivery_state]);
    mark.dataset.state = m.delivery_state;
    about.append(" ", mark);
  }
  return element("li", outgoing ? "out" : "in", element("p", "", m.text), about);
}

function avatar(name) {
  const letters = name.split(/\s+/).map((word) => [...word][0] ?? "").slice(0, 2).join("");
  const e = element("span", "avatar", letters.toUpperCase());
  e.dataset.tint = [...name].reduce((sum, c) => sum + c.codePointAt(0), 0) % 5;
  return e;
}

function hint(text) {
  return element("li", "hint", text);
}

/** clock is the time of day as both the messages and the frames show it. */
function clock(at) {
  return at.toLocaleTimeString([], {hourCycle: "h23"});
}

/** logFrame shows a frame as it is on the wire, its NUL as ^@. */
function logFrame(direction, text) {
  const beat = text === "\n";
  const time = clock(new Date());
  const item = element("li", beat ? "beat" : "", element("small", "", `${time} ${direction === "in" ? "received" : "sent"}`));
  item.dataset.direction = direction;
  const [command, ...rest] = text.replaceAll("\0", "^@").split("\n");
  item.append(beat ? " heart-beat" : element("pre", "", element("b", "", command), "\n" + rest.join("\n")));
  const frames = byID("frames");
  stickToEnd(frames, () => {
    frames.append(item);
    if (frames.childElementCount > MAX_FRAMES) frames.firstElementChild.remove();
  });
}

/** stickToEnd keeps a list that is scrolled to its end there, whatever change does to it. */
function stickToEnd(list, change) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  change();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function start() {
  byID("publish").textContent = config.publish;
  byID("endpoint").textContent = config.endpoint;
  byID("drop").onclick = () => session.drop(ABSENCE);
  byID("copy").onclick = async () => {
    await navigator.clipboard.writeText(config.publish);
    byID("copy").textContent = "Copied";
    setTimeout(() => byID("copy").textContent = "Copy", 1_500);
  };
  byID("conversations").onclick = (event) => {
    const id = event.target.closest("button")?.dataset.id;
    if (id === undefined) return;
    chosen = id === chosen ? "" : id; // a second click follows the newest message again
    changed();
  };
  session = new Session({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${config.endpoint}`,
    token: config.token,
    destinations: ["/queue/message", "/queue/unread-count", "/queue/channel/connected", "/queue/channel/disconnected"],
    on: {
      state(next) { state = next; if (next.name === "waiting") resumed = ""; changed(); },
      resumed(result) { resumed = result; changed(); },
      message(destination, headers, body) { inbox.apply(destination, headers, body); changed(); },
      frame: logFrame,
    },
  });
  session.connect();
  setInterval(() => state.name === "waiting" && changed(), 250);
  changed();
}

start();
