// Subscribes to queues with @stomp/stompjs and prints one JSON object a line:
//   {"ready":true}                       every SUBSCRIBE has its RECEIPT
//   {"queue":...,"id":...,"body":...}    a message
//   {"error":...}                        an ERROR frame's message
//   {"closed":true}                      the connection is gone
// Reads the token from $TOKEN and the rest from its arguments: URL QUEUE...
import { Client } from '@stomp/stompjs';
import WebSocket from 'ws';

const [url, ...queues] = process.argv.slice(2);
const print = (o) => console.log(JSON.stringify(o));
let waiting = queues.length;

const client = new Client({
  webSocketFactory: () => new WebSocket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']),
  connectHeaders: { Authorization: `Bearer ${process.env.TOKEN}` },
  reconnectDelay: 500,
  onConnect: () => {
    waiting = queues.length;
    for (const queue of queues) {
      const receipt = `subscribed ${queue}`;
      client.watchForReceipt(receipt, () => {
        if (--waiting === 0) print({ ready: true });
      });
      client.subscribe(queue, (m) => print({ queue, id: m.headers['message-id'], body: m.body }), { receipt });
    }
  },
  onStompError: (frame) => print({ error: frame.headers.message }),
  onWebSocketClose: () => print({ closed: true }),
});
client.activate();

process.stdin.resume(); // the test closes standard input to end it
process.stdin.on('end', async () => {
  await client.deactivate();
  process.exit(0);
});
