"""Plain websocket clients: many in one process, with nothing between the frame and the clock."""

import asyncio
import base64
import json
import os
import struct
import time


class Socket(asyncio.Protocol):
    """One client: shakes hands, says which streams it watches, and notes the time of each frame. `bare` ones neither
    shake hands nor ask: they read lines."""

    def __init__(self, request=b"", where=(), bare=False):
        self.request, self.where, self.bare = request, where, bare
        self.buffer, self.shaken = b"", bare
        self.newest, self.times = 0, {}
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        if self.request:
            transport.write(self.request)
        if self.bare:
            self.ready.set_result(True)

    def data_received(self, data):
        now = time.perf_counter()
        self.buffer += data
        if not self.shaken:
            head, end, self.buffer = self.buffer.partition(b"\r\n\r\n")
            if not end:
                self.buffer = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0] + b" ":
                self._fail(f"the server answered {head[:60]!r}")
                return
            self.shaken = True
            if self.where:
                self.transport.write(masked(json.dumps({"where": list(self.where)}).encode()))
            else:
                self.ready.set_result(True)
        for opcode, payload in self._frames():
            if opcode == 8:
                self._fail(f"the server closed with {payload!r}")
            elif opcode == 9:
                self.transport.write(masked(payload, 0x8A))
            elif opcode == 1:
                self._heard(json.loads(payload[: payload.index(b"}") + 1]), now)  # a long frame ends in blanks

    def _frames(self):
        while len(self.buffer) >= 2:
            size, start = self.buffer[1] & 127, 2
            if size == 126:
                size, start = struct.unpack("!H", self.buffer[2:4])[0], 4
            if len(self.buffer) < start + size:
                return
            frame = self.buffer[0] & 15, self.buffer[start : start + size]
            self.buffer = self.buffer[start + size :]
            yield frame

    def _heard(self, bell, now):
        self._told(bell["n"], now)

    def _told(self, number, now):
        self.newest = max(self.newest, number)
        self.times[number] = now
        if not self.ready.done():
            self.ready.set_result(True)

    def _fail(self, words):
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(words))

    def connection_lost(self, error):
        self._fail("the connection was lost")


def masked(payload, opcode=0x81):
    key = os.urandom(4)
    body = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    size = bytes([128 | len(payload)]) if len(payload) < 126 else bytes([128 | 126]) + struct.pack("!H", len(payload))
    return bytes([opcode]) + size + key + body


def handshake(path, origin, cookie=""):
    key = base64.b64encode(os.urandom(16)).decode()
    host = origin.split("//", 1)[1]
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        f"Origin: {origin}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *([f"Cookie: {cookie}"] if cookie else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def connect(port, count, make):
    """That many sockets, some at a time."""
    loop, sockets = asyncio.get_running_loop(), []
    for start in range(0, count, 20):
        some = range(start, min(start + 20, count))
        made = [(await loop.create_connection(lambda n=n: make(n), "127.0.0.1", port))[1] for n in some]
        await asyncio.wait_for(asyncio.gather(*(socket.ready for socket in made)), 60)
        sockets += made
    return sockets
