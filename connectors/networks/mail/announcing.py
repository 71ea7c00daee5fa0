"""New mail at once: the server says by IDLE that something lies in the inbox, and the inbox is read. What it says is
only ever a ring; nothing of a mail comes this way."""

import re
from collections.abc import Sequence
from threading import Lock
from typing import BinaryIO, cast
from urllib.parse import quote

from connectors.base import AuthRevoked, NotPermitted, Source, Unavailable
from connectors.frames import FRAME, Frame
from connectors.http import Seam
from connectors.networks.mail.imap import Client, Mailbox
from connectors.networks.mail.reading import Reading
from connectors.streams import OPENED, Stream
from connectors.wire import Access, Broken, Server, TooMuch

_NEWS = re.compile(rb"\* (\d{1,10}) (EXISTS|RECENT)\b", re.IGNORECASE)
AFTER = (0.2,)
"""Seconds; what is announced lies there."""


class Announced(Reading):
    """Registers no network."""

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        """One connection for the inbox, or the first folder of those that are read: providers count connections. The
        others are read in their own time."""
        first = next((source for source in sources if source.name.partition(":")[0] == "inbox"), None)
        if first is None or self.facts.get("idle") is False:
            return ()
        server, access, name = self._server("imap", 993), self._access, first.name
        folder = name.partition(":")[2] or "INBOX"
        whose = {
            "user": self._user, "password": access.password, "token": access.token, "security": server.security,
        }  # fmt: skip

        def line() -> "IdleBox":
            try:
                return IdleBox(self.seam, server, self._user, access, folder)
            except AuthRevoked as fault:
                raise self._renewable(fault) from fault

        def news(event: str, _data: str) -> tuple[str, ...]:
            return (name,) if event in (OPENED, "EXISTS", "RECENT") else ()

        return (Stream(f"{server.url}/{quote(folder, safe='')}", news, whose, AFTER, line),)


class _Bare(Client):
    """Reads no byte more than it was asked for: what follows an answer is a later announcement."""

    @property
    def reader(self) -> BinaryIO:
        return cast(BinaryIO, self.sock.makefile("rb", buffering=0))

    def read(self, size: int) -> bytes:
        parts, left = list[bytes](), size
        self._count(size)
        while left:
            part = self.reader.read(left)
            if not part:
                raise Broken("the connection ended inside an answer")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


class IdleBox(Mailbox):
    """A signed-in connection on which one folder is watched."""

    client = _Bare

    def __init__(self, seam: Seam, server: Server, user: str, access: Access, folder: str) -> None:
        super().__init__(seam, server, user, access)
        self.unread, self.tag, self.at_work = b"", b"", Lock()
        try:
            self.line.keep_alive()
            if not self.announces():
                raise NotPermitted("The server has no IDLE.", what="stream")
            self.select(folder)
            self.news = _latest(self._begin())
        except BaseException:
            self.line.close()
            raise

    def fileno(self) -> int:
        return self.line.socket.fileno() if self.line.socket is not None else -1

    def has_more(self) -> bool:
        return bool(self.news) or b"\n" in self.unread or self.line.has_more

    def heard(self) -> list[Frame]:
        found, self.news = self.news, []
        with self.at_work, self._step("IMAP IDLE"):
            return _latest(found + self._understood(self.line.arrived()))

    def again(self) -> list[Frame]:
        """Ended and begun anew, which the server has to answer."""
        found, self.news = self.news, []
        with self.at_work:
            with self._step("IMAP DONE"):
                self.box.client.send(b"DONE\r\n")
                found += self._until(self.tag)
            return _latest(found + self._begin())

    def close(self) -> None:
        """Whoever is reading ends first: the number of a socket that is closed goes to another at once."""
        self.line.shut()
        if self.at_work.acquire(timeout=1):
            self.box.client.file.close()
            self.line.close()
            self.at_work.release()

    def _begin(self) -> list[Frame]:
        with self._step("IMAP IDLE"):
            self.tag = self.box.client._new_tag()
            self.box.client.send(self.tag + b" IDLE\r\n")
            return self._until(b"+")

    def _until(self, wanted: bytes) -> list[Frame]:
        """What is announced before the line that begins so."""
        found = list[Frame]()
        while True:
            line = self._line()
            if line.startswith(wanted):
                return found
            found = _latest(found + self._frame(line))

    def _line(self) -> bytes:
        """The next whole line, waited for."""
        while b"\n" not in self.unread:
            part = self.box.client.sock.recv(65_536)
            if not part:
                raise Broken("the connection ended inside a line")
            self._keep(part)
        line, _, self.unread = self.unread.partition(b"\n")
        return line

    def _understood(self, said: bytes) -> list[Frame]:
        self._keep(said)
        *lines, self.unread = self.unread.split(b"\n")
        return [frame for line in lines for frame in self._frame(line)]

    def _keep(self, part: bytes) -> None:
        self.unread += part
        if len(self.unread) > FRAME and b"\n" not in self.unread:
            raise TooMuch

    def _frame(self, line: bytes) -> list[Frame]:
        if found := _NEWS.match(line):
            return [Frame(found[2].decode().upper(), found[1].decode())]
        if line[:6].upper() == b"* BYE " or line.startswith(self.tag + b" "):
            raise Unavailable("The server ended its announcements.")
        return []


def _latest(frames: Sequence[Frame]) -> list[Frame]:
    """One of each kind: a thousand mails ring once."""
    return list({frame.event: frame for frame in frames}.values())
