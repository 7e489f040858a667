"""Prints the messages of a queue, one JSON document a line, with stomp.py over a WebSocket.

    TOKEN=... python3 stomppy.py ws://127.0.0.1:8080/ws.communication /queue/message

Debian: python3-stomp, python3-websocket. pip: stomp.py, websocket-client.
"""

import os
import sys
import threading
from urllib.parse import urlsplit

import stomp
import websocket
from stomp.connect import BaseConnection
from stomp.protocol import Protocol12
from stomp.transport import BaseTransport


class WebSocketTransport(BaseTransport):
    """What stomp.py 8.0 lacks: frames as WebSocket messages."""

    def __init__(self, url, header):
        super().__init__()
        self.url, self.header, self.socket = url, header or {}, None
        self.vhost = urlsplit(url).hostname

    def attempt_connection(self):
        self.current_host_and_port = (self.vhost, 0)
        self.socket = websocket.create_connection(self.url, header=self.header, subprotocols=["v12.stomp"])

    def send(self, encoded_frame):
        self.socket.send(encoded_frame.decode())

    def receive(self):
        return self.socket.recv().encode()  # empty when the bridge has closed

    def cleanup(self):
        self.socket.close()

    def disconnect_socket(self):
        self.running = False
        self.socket.close()


class Connection(BaseConnection, Protocol12):
    def __init__(self, url, header=None, heartbeats=(30000, 30000)):
        transport = WebSocketTransport(url, header)
        BaseConnection.__init__(self, transport)
        Protocol12.__init__(self, transport, heartbeats, heart_beat_receive_scale=3)

    def connect(self, **headers):
        self.transport.start()
        Protocol12.connect(self, wait=True, **headers)


class Printer(stomp.ConnectionListener):
    def __init__(self):
        self.ended = threading.Event()

    def on_receipt(self, frame):
        print(frame.headers["receipt-id"], flush=True)

    def on_message(self, frame):
        print(frame.body, flush=True)

    def on_error(self, frame):
        print(frame.headers["message"], file=sys.stderr, flush=True)

    def on_disconnected(self):
        self.ended.set()


def main(url, queue):
    printer = Printer()
    connection = Connection(url)
    connection.set_listener("", printer)
    connection.connect(headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
    connection.subscribe(queue, id="1", receipt="subscribed")
    printer.ended.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
