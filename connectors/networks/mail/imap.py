"""Reading a mailbox through the seam for mail: the few commands we need, with the server's refusals as faults."""

import imaplib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn, Self, cast

from connectors.faults import Fault, Invalid, Unreadable
from connectors.http import Seam
from connectors.networks.mail.told import UID, arrived, bodies_in, code_in, refused
from connectors.wire import Access, Broken, Line, Server, TooMuch

if TYPE_CHECKING:
    from imap_tools.mailbox import BaseMailBox

LARGEST = 12_000_000
PIECE = 4_000_000
"""Bytes of one answer."""
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
_SENT_NAMES = ("sent", "sent items", "sent mail", "sent messages", "inbox.sent", "inbox/sent")


class Weight(NamedTuple):
    """How large a message is, and when it reached the server."""

    size: int
    arrived_at: datetime | None


class Client(imaplib.IMAP4):
    """The library's client on our socket, with what it reads counted."""

    def __init__(self, line: Line) -> None:
        self.line, self.left = line, LARGEST
        super().__init__(line.server.host, line.server.port)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = self.line.connected()
        self.file = self.sock.makefile("rb")

    @property
    def reader(self) -> BinaryIO:
        """The library makes a new one when the connection turns to TLS."""
        return cast(BinaryIO, self.file)

    def read(self, size: int) -> bytes:
        self._count(size)
        data = self.reader.read(size)
        if len(data) < size:
            raise Broken("the connection ended inside an answer")
        return data

    def readline(self) -> bytes:
        line = self.reader.readline(self.left + 1)
        self._count(len(line))
        if not line.endswith(b"\n"):
            raise Broken("the connection ended inside a line")
        return line

    def _count(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooMuch


class Mailbox:
    """A signed-in connection. A context manager; leaving it ends the connection."""

    client = Client

    def __init__(self, seam: Seam, server: Server, user: str, access: Access, ends: float | None = None) -> None:
        self.line = Line(seam, server, ends)
        try:
            with self._step("IMAP sign in", signing_in=True):
                self.box = _box(self.line, self.client)
                if server.security == "starttls":
                    self.box.client.starttls(self.line)
                self._sign_in(_safe(user), _safe(access.password), _safe(access.token))
        except BaseException:
            self.line.close()
            raise

    def _sign_in(self, user: str, password: str, token: str) -> None:
        if token:
            self.box.xoauth2(user, token, None)
        elif (user + password).isascii():
            self.box.login(user, password, None)
        else:
            self.box.login_utf8(user, password, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A word of farewell that waits for no answer: this may run when a poll is given up in the middle."""
        try:
            self.box.client.send(b"bye LOGOUT\r\n")
        except OSError:  # the connection is gone already
            pass
        self.line.close()

    def select(self, folder: str) -> tuple[int, int]:
        """Opens a folder; its UIDVALIDITY and the UID the next message will get."""
        with self._step("IMAP SELECT"):
            client = self.box.client
            self.box.folder.set(_safe(folder), readonly=True)
            figures = [client.response(name)[1][0] for name in ("UIDVALIDITY", "UIDNEXT")]
        try:
            return int(figures[0] or b""), int(figures[1] or b"0")
        except ValueError:
            raise Unreadable("The server does not number its mail.") from None

    def announces(self) -> bool:
        """Whether the server says by itself what is new. Many tell it only to who is signed in."""
        with self._step("IMAP CAPABILITY"):
            told = self.box.client.capability()[1]
        return any(b"IDLE" in each.upper().split() for each in told if isinstance(each, bytes))

    def search(self, criteria: str) -> list[int]:
        """UIDs in the open folder, in ascending order."""
        with self._step("IMAP SEARCH"):
            try:
                return sorted({int(uid) for uid in self.box.uids(_safe(criteria), charset=None)})
            except ValueError:
                raise Unreadable("A search answered with something that is no number.") from None

    def weights(self, uids: Sequence[int]) -> dict[int, Weight]:
        """Size and arrival of messages; those that are gone are left out."""
        found = {}
        for item in self._fetch(uids, "(UID RFC822.SIZE INTERNALDATE)"):
            told = item if isinstance(item, bytes) else item[0]
            uid, size = UID.search(told), _SIZE.search(told)
            if uid and size:
                found[int(uid[1])] = Weight(int(size[1]), arrived(told))
        return {uid: found[uid] for uid in sorted(found.keys() & set(uids))}

    def messages(self, uids: Sequence[int], most: int) -> tuple[dict[int, bytes], Fault | None]:
        """The first `most` bytes of each message, without marking it as seen; and the refusal, where the server did
        not give them at once. Those it gave in the end are there."""
        found, refusal = self._bodies(uids, f"(UID BODY.PEEK[]<0.{most}>)") if uids else ({}, None)
        return {uid: found[uid] for uid in sorted(found.keys() & set(uids))}, refusal

    def _bodies(self, uids: Sequence[int], parts: str) -> tuple[dict[int, bytes], Fault | None]:
        """What the server gives, and why it did not give all. A server that cannot read one mail refuses them all, or
        sends those before it: the others are asked for in halves, until what it refuses is alone."""
        items, refusal = self._asked(uids, parts)
        found = dict(bodies_in(items))
        left = [uid for uid in uids if uid not in found]
        if refusal is not None and len(uids) > 1:
            for some in filter(None, (left[: len(left) // 2], left[len(left) // 2 :])):
                found |= self._bodies(some, parts)[0]
        return found, refusal

    def whole(self, uid: int, most: int) -> bytes:
        """A message to its end, piece by piece; Invalid when it is larger than `most` bytes."""
        raw = b""
        while len(raw) <= most:
            items = self._fetch([uid], f"(UID BODY.PEEK[]<{len(raw)}.{PIECE}>)")
            piece = next((item[1] for item in items if isinstance(item, tuple)), b"")
            raw += piece
            if len(piece) < PIECE:
                return raw
        raise Invalid("The mail is too large to be shown here.")

    def _fetch(self, uids: Sequence[int], parts: str) -> list[Any]:
        items, refusal = self._asked(uids, parts)
        if refusal is not None:
            raise refusal
        return items

    def _asked(self, uids: Sequence[int], parts: str) -> tuple[list[Any], Fault | None]:
        """What came, and the refusal that may be of one mail among them; every other one is raised."""
        refusal = None
        with self._step("IMAP FETCH"):
            kind, items = self.box.client.uid("fetch", ",".join(map(str, uids)), parts)
            if kind != "OK":
                said = b" ".join(item for item in items if isinstance(item, bytes))
                refusal = refused(said, False, kind)
                if code_in(said) not in ("", "SERVERBUG", "CORRUPTION"):
                    raise refusal
                items = self.box.client.response("FETCH")[1]
        return [item for item in items if item is not None], refusal

    def sent_folder(self) -> str:
        """The folder marked for what was sent, or one that is called so; "" when there is none."""
        with self._step("IMAP LIST"):
            folders = self.box.folder.list()
        marked = [folder.name for folder in folders if "\\sent" in (flag.lower() for flag in folder.flags)]
        named = [folder.name for folder in folders if folder.name.lower() in _SENT_NAMES]
        return next(iter([*marked, *named]), "")

    def append(self, folder: str, message: bytes, at: datetime) -> None:
        """Files a message as seen."""
        with self._step("IMAP APPEND"):
            self.box.append(message, _safe(folder), dt=at, flag_set=["\\Seen"])

    @contextmanager
    def _step(self, name: str, *, signing_in: bool = False) -> Iterator[None]:
        from imap_tools.errors import ImapToolsError, UnexpectedCommandStatusError

        with self.line.step(name):
            if not signing_in:
                self.box.client.left = LARGEST  # type: ignore[attr-defined]
            try:
                yield
            except UnexpectedCommandStatusError as error:
                kind, data = error.command_result[0], error.command_result[1] or []
                said = b" ".join(item for item in data if isinstance(item, bytes))
                self.line.told = f"{kind} {said.decode('utf-8', 'replace')}"
                raise refused(said, signing_in, kind, name == "IMAP SELECT") from error
            except imaplib.IMAP4.abort as error:
                self._aborted(error)
            except imaplib.IMAP4.error as error:
                self.line.told = str(error)
                kind = (
                    "BAD" if " command error: BAD" in self.line.told else "NO"
                )  # so says the library, in its own words
                raise refused(self.line.told.encode(), signing_in, kind) from error
            except (ImapToolsError, TypeError, IndexError, AttributeError) as error:
                raise Unreadable("The answer is not IMAP as we know it.") from error

    def _aborted(self, error: imaplib.IMAP4.abort) -> NoReturn:
        """Ended by the server with a word, or by something that is no IMAP."""
        self.line.told = str(error)
        if isinstance(error.__context__, OSError):
            raise error.__context__
        client = getattr(getattr(self, "box", None), "client", None)
        if client is None or "BYE" not in client.untagged_responses:
            raise Unreadable("The answer is not IMAP.", body=self.line.told[:2000]) from error
        raise refused(str(error).encode(), False, "BYE") from error


def _box(line: Line, kind: type[Client]) -> "BaseMailBox":
    from imap_tools.mailbox import BaseMailBox

    class Box(BaseMailBox):
        def _get_mailbox_client(self) -> imaplib.IMAP4:
            return kind(line)

    return Box()


def _safe(text: str) -> str:
    """A command is one line: whoever gives a name with a line break in it would write another command."""
    if _UNSAFE.search(text):
        raise Invalid("A name or password of the mailbox has control characters.", field="settings")
    return text


def quoted(text: str) -> str:
    """A string in a search, of what a stranger wrote."""
    printable = re.sub(r"[^\x20-\x7e]", "", text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
