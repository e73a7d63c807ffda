"""python-socketio against the crate's protocol server: by polling, by WebSocket and by an upgrade.

    python socketio_client.py http://127.0.0.1:3000
"""

import sys
import threading

import engineio
import socketio

# It takes sixteen packets of one polling answer unless told otherwise; every server sends more in a burst.
engineio.payload.Payload.max_decode_packets = 500

# A missing event never comes; a machine under load is slow.
PATIENCE = 15

WAYS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}


class Once:
    """The next event of a name."""

    def __init__(self, client, event, namespace="/"):
        self._came = threading.Event()
        self._args = None
        client.on(event, self._take, namespace=namespace)

    def _take(self, *args):
        self._args = args
        self._came.set()

    def wait(self):
        assert self._came.wait(PATIENCE), "waited in vain"
        return list(self._args)


def story(url, transports):
    client = socketio.Client(reconnection=False)
    joined = Once(client, "auth", "/custom")
    client.connect(url, transports=transports, namespaces=["/", "/custom"], auth={"token": "a b"}, wait_timeout=PATIENCE)
    assert joined.wait() == [{"token": "a b"}]
    assert client.get_sid("/") != client.get_sid("/custom")

    came = Once(client, "message-back")
    client.emit("message", ("ü€😀", {"deep": [b"\x00\xff"]}))
    assert came.wait() == ["ü€😀", {"deep": [b"\x00\xff"]}]

    seen, done = [], threading.Event()

    def take(number):
        seen.append(number)
        if len(seen) == 200:
            done.set()

    client.on("message-back", take)
    for number in range(200):
        client.emit("message", number)
    assert done.wait(PATIENCE), f"{len(seen)} of 200"
    # Each has come once; the client handles each in a thread of its own, so their order here is chance.
    assert sorted(seen) == list(range(200))

    assert client.call("message-with-ack", ("a", b"\x07"), timeout=PATIENCE) == ("a", b"\x07")
    acked = Once(client, "acked")
    client.on("asked", lambda question, data: (question, data))
    client.emit("ask", ("how?", b"\x01"))
    assert acked.wait() == ["how?", b"\x01"]

    # Two heartbeats of the protocol server, and it is still there.
    client.sleep(0.7)
    assert client.connected
    assert client.transport() == transports[-1]

    left = Once(client, "disconnect", "/custom")
    client.emit("leave", namespace="/custom")
    left.wait()
    client.disconnect()


def main():
    url = sys.argv[1]
    for way, transports in WAYS.items():
        story(url, transports)
        print(f"ok      python-socketio by {way}")


main()
