// What the four queues tell, put together: channels, and conversations with their messages.

const MAX_CONVERSATIONS = 50; // those included of which only the count is known
const MAX_MESSAGES = 50; // of one conversation

/** An Inbox is the state of all channels and of the newest conversations. At first a conversation may be but a count. */
export class Inbox {
  channels = new Map(); // id -> {id, name, source, account, connected, place}
  conversations = new Map(); // id -> {id, channelID, title, messages, unread, counted, arrival}
  #arrivals = 0;

  /** apply takes in one message of a queue. Only what is newer than what is known counts, so a replay does no harm. */
  apply(destination, headers, body) {
    const payload = JSON.parse(body);
    if (headers.resume === "gap") this.#forgetPlaces();
    const place = placeOf(headers["message-id"]);
    switch (destination) {
      case "/queue/message": return this.#message(payload);
      case "/queue/unread-count": return this.#count(payload);
      case "/queue/channel/connected": return this.#channel(payload, place, true);
      case "/queue/channel/disconnected": return this.#channel(payload, place, false);
    }
  }

  /** sorted returns the conversations that have messages, the one with the newest first. */
  sorted() {
    return this.#newestFirst().filter((c) => c.messages.size > 0);
  }

  #newestFirst() {
    return [...this.conversations.values()].sort((a, b) => b.arrival - a.arrival);
  }

  // What comes later is the newer state only within one queue; between the two of a channel the place in the journal tells.
  #channel({id, name, source, source_channel_id: account}, place, connected) {
    if (place < this.channels.get(id)?.place) return;
    this.channels.set(id, {id, name, source, account, connected, place});
  }

  // After a gap the journal may be another one, which counts from 1 again.
  #forgetPlaces() {
    for (const c of this.channels.values()) c.place = 0;
  }

  #message({conversation_id, channel_id, message}) {
    const c = this.#conversation(conversation_id);
    const {text, from} = readContent(message.content);
    c.channelID = channel_id;
    if (message.sender_type === "source_contact") c.title = from ?? c.title;
    c.messages.set(message.id, {...message, text, from}); // a known id: an update, which stays where it is
    dropOldest(c.messages, MAX_MESSAGES);
    c.arrival = ++this.#arrivals;
  }

  #count({conversation_id, unread_message_count, timestamp}) {
    const c = this.#conversation(conversation_id);
    if (timestamp <= c.counted) return;
    c.unread = unread_message_count;
    c.counted = timestamp;
  }

  #conversation(id) {
    if (!this.conversations.has(id)) {
      this.conversations.set(id, {id, channelID: "", title: `Conversation ${id.slice(0, 8)}`, messages: new Map(), unread: 0, counted: "", arrival: ++this.#arrivals});
      this.#forget();
    }
    return this.conversations.get(id);
  }

  #forget() {
    for (const c of this.#newestFirst().slice(MAX_CONVERSATIONS)) this.conversations.delete(c.id);
  }
}

// A message-id is <epoch>-<position>. The epoch changes when the bridge starts; positions go on growing.
function placeOf(id) {
  return Number(id.split("-")[1]);
}

// The content is the source's own: here JSON with a text and a name. Anything else is shown as it is.
function readContent(content) {
  try {
    const {text = content, from} = JSON.parse(content) ?? {};
    return {text: String(text), from};
  } catch {
    return {text: content};
  }
}

function dropOldest(map, max) {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}
