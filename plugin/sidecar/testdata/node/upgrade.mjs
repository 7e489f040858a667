// Runs the client of examples/inbox as a version has left it: resumes the inbox in $INBOX with $TOKEN at the URL, until each
// queue is where $LAST says, and prints what has become of the inbox and how it resumed.
import { BridgeClient, Inbox } from './bridge-client.mjs';
import WebSocket from 'ws';

globalThis.WebSocket = WebSocket;
const inbox = Inbox.from(process.env.INBOX);
const last = Object.entries(JSON.parse(process.env.LAST));
let resume = '';
const client = new BridgeClient({
  url: process.argv[2],
  newToken: async () => process.env.TOKEN,
  inboxOf: () => inbox,
  onState: (state) => {
    if (state.name === 'live') resume = state.resume;
    if (state.name === 'refused') throw new Error(state.reason);
    look();
  },
  onChange: look,
});

async function look() {
  if (!resume || last.some(([queue, id]) => inbox.places[queue] !== id)) return;
  await client.stop();
  console.log(JSON.stringify({ resume, inbox }));
  process.exit(0);
}

client.start();
