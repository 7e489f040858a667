// Subscribes to queues with @stomp/stompjs and prints one JSON object a line:
//   {"ready":true}                       every SUBSCRIBE has its RECEIPT
//   {"queue":...,"id":...,"body":...}    a message, with "trace" where it has a traceparent
//   {"error":...}                        an ERROR frame's message
//   {"closed":true}                      the connection is gone
//   {"renewed":true}                     a new token was accepted
// Reads the token from $TOKEN, or $LOGIN and $PASSCODE, and the rest from its arguments: URL QUEUE... A line on standard input is
// a new token.
import { createInterface } from 'node:readline';
import { Client } from '@stomp/stompjs';
import WebSocket from 'ws';

const [url, ...queues] = process.argv.slice(2);
const print = (o) => console.log(JSON.stringify(o));
let waiting = queues.length;

const client = new Client({
  webSocketFactory: () => new WebSocket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']),
  connectHeaders: process.env.LOGIN
    ? { login: process.env.LOGIN, passcode: process.env.PASSCODE }
    : { Authorization: `Bearer ${process.env.TOKEN}` },
  reconnectDelay: 500,
  onConnect: () => {
    waiting = queues.length;
    for (const queue of queues) {
      const receipt = `subscribed ${queue}`;
      client.watchForReceipt(receipt, () => {
        if (--waiting === 0) print({ ready: true });
      });
      client.subscribe(queue, (m) => print({ queue, id: m.headers['message-id'], trace: m.headers.traceparent, body: m.body }), { receipt });
    }
  },
  onStompError: (frame) => print({ error: frame.headers.message }),
  onWebSocketClose: () => print({ closed: true }),
});
client.activate();

const input = createInterface({ input: process.stdin });
input.on('line', (token) => {
  client.watchForReceipt('renewal', () => print({ renewed: true }));
  client.publish({ destination: '/auth/token', headers: { Authorization: `Bearer ${token}`, receipt: 'renewal' } });
});
input.on('close', async () => { // the test closes standard input to end it
  await client.deactivate();
  process.exit(0);
});
