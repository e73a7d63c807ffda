"""python-socketio over restarts of the server, as tests/js/socketio_restart.mjs for the clients in JavaScript.

    python socketio_restart.py http://127.0.0.1:3000 RESTARTS
"""

import sys
import threading

import socketio

# A client waits longer each time it was in vain; a machine under load is slow.
PATIENCE = 30

WAYS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class Heard:
    """What a client hears of one name, one by one."""

    def __init__(self, client, event):
        self._came = threading.Semaphore(0)
        self._all = []
        self._next = 0
        client.on(event, self._take)

    def _take(self, *args):
        self._all.append(list(args))
        self._came.release()

    def next(self):
        assert self._came.acquire(timeout=PATIENCE), "waited in vain"
        self._next += 1
        return self._all[self._next - 1]


class Client:
    """One that reconnects by itself."""

    def __init__(self, url, way):
        self.way = way
        self._ids = set()
        self._client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.5)
        self._in = Heard(self._client, "connect")
        self._out = Heard(self._client, "disconnect")
        self._back = Heard(self._client, "message-back")
        self._acked = Heard(self._client, "acked")
        self._client.on("asked", lambda question, data: (question, data))
        self._client.connect(url, transports=WAYS[way], wait_timeout=PATIENCE)
        self._is_in()

    def _is_in(self):
        self._in.next()
        assert self._client.transport() == WAYS[self.way][-1], self._client.transport()
        assert self._client.get_sid() not in self._ids, "it is a new connection"
        self._ids.add(self._client.get_sid())

    def comes_back(self):
        self._out.next()
        self._is_in()

    def exchange(self):
        client = self._client
        client.emit("message", ("ü€😀", {"deep": [b"\x00\xff"]}))
        assert self._back.next() == ["ü€😀", {"deep": [b"\x00\xff"]}]
        assert client.call("message-with-ack", ("a", b"\x07"), timeout=PATIENCE) == ("a", b"\x07")
        client.emit("ask", ("how?", b"\x01"))
        assert self._acked.next() == ["how?", b"\x01"]

    def close(self):
        self._client.disconnect()


def main():
    url, restarts = sys.argv[1], int(sys.argv[2])
    clients = [Client(url, way) for way in WAYS]
    for client in clients:
        client.exchange()
    for _ in range(restarts):
        print("restart", flush=True)
        for client in clients:
            client.comes_back()
            client.exchange()
    for client in clients:
        client.close()
        print(f"ok      python-socketio by {client.way}")


main()
