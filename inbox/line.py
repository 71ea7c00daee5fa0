"""uvicorn's websocket with one door more: a bell is made into bytes once and written to every line as it is, without a
task, a dispatch or a frame of its own for each (less than half the processor time a delivery). For `uvicorn --ws`."""

from __future__ import annotations

import json
import socket
from asyncio.transports import BaseTransport
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

BUFFER = 4096  # bytes that may wait for a reader before the line counts as full
KEPT = 65_536  # bytes, twice which the system may keep for such a reader, not the megabytes it would grow to
WHOLE_TEXT = 0x81
SHORT = 125  # bytes; a longer frame has another head


def frame(stream: str, number: int, *, gone: bool = False) -> bytes:
    """The websocket frame of a bell."""
    text = json.dumps({"stream": stream, "n": number} | ({"gone": True} if gone else {})).encode()
    if len(text) > SHORT:
        raise ValueError(f"a bell of {len(text)} bytes is too long")
    return bytes((WHOLE_TEXT, len(text))) + text


class Line(WebSocketsSansIOProtocol):
    """Stands as `line` among the extensions of the socket's scope."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=BUFFER)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KEPT)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:  # the handshake was not refused
            scope["extensions"]["line"] = self

    def put(self, data: bytes) -> bool:
        """Writes a frame now; False while too much waits for a reader who does not read. What is said to a line that
        is closing is said to nobody."""
        if not self.writable.is_set():
            return False
        if self.handshake_complete and not self.close_sent and not self.transport.is_closing():
            self.transport.write(data)
        return True

    def cut(self) -> None:
        """Ends the line at once, with all that waits in it."""
        self.transport.abort()
