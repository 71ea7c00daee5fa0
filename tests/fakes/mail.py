"""A mail provider on loopback: one mailbox served by IMAP, and an SMTP server that takes what we send and files it with
what was sent, as large providers do. It keeps a ledger, and knows the bad manners of the contract suite."""

import asyncio
import base64
import hashlib
import re
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from email.utils import format_datetime

from aiosmtpd.smtp import SMTP, AuthResult

from tests.fakes.network import CANARY, MADE, SLOW, Ledger
from tests.waiting import PATIENCE

US = "care@brand.example"
READ_FAULTS = {
    "429": b"NO [LIMIT] slow down", "429 with wait": b"NO [LIMIT] slow down",
    "401": b"NO [AUTHENTICATIONFAILED] nein", "403": b"NO [NOPERM] nein", "404": b"NO [NONEXISTENT] nein",
    "422": b"BAD what", "500": b"NO [SERVERBUG] oh", "503 with wait": b"NO [UNAVAILABLE] later",
    "redirect": b"NO [REFERRAL imap://127.0.0.1:1/] there", "error in 200": b"OK not today",
}  # fmt: skip
WRITE_FAULTS = {
    "429": "452 4.3.1 full", "429 with wait": "452 4.3.1 full", "401": "535 5.7.8 nein", "403": "550 5.7.1 spam",
    "404": "550 5.1.1 unknown", "422": "552 5.3.4 large", "500": "451 4.3.0 oh", "502 page": "<html>Bad gateway</html>",
    "503 with wait": "421 4.3.2 closing", "redirect": "551 5.1.6 moved", "sign-in page": "<html>Please sign in</html>",
    "wrong type": "17",
}  # fmt: skip


class Folder:
    def __init__(self, flags=""):
        self.flags, self.validity, self.following, self.mails = flags, 7, 1, []
        self.watchers = []

    def add(self, raw, at=None):
        self.mails.append((self.following, raw, at or datetime.now(UTC)))
        self.following += 1
        for tell in list(self.watchers):
            tell(len(self.mails))
        return self.following - 1


class Session:
    """One IMAP connection."""

    def __init__(self, fake, reader, writer):
        self.fake, self.reader, self.writer, self.folder, self.told = fake, reader, writer, None, 0

    async def run(self):
        self.writer.write(self.fake.greeting)
        while line := await self.reader.readline():
            tag, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            name, _, given = rest.partition(" ")
            if name.upper() == "UID":
                name, _, given = given.partition(" ")
            self.tag = tag
            self.fake.commands.append(name.upper())
            if name.upper() in ("LOGIN", "EXAMINE") and (fault := self.fake.due(name.upper())):
                await self.wrong(tag, fault)
                continue
            answer = await getattr(self, f"do_{name.lower()}")(given)
            if answer != b"":
                self.writer.write(f"{tag} ".encode() + (answer or b"OK done") + b"\r\n")
            await self.writer.drain()

    async def wrong(self, tag, fault):
        write = self.writer.write
        if fault in READ_FAULTS:
            write(f"{tag} ".encode() + READ_FAULTS[fault] + b"\r\n")
        elif fault == "502 page":
            write(b"* BYE gone\r\n")
            self.writer.close()
        elif fault == "sign-in page":
            write(b"<html><body>Please sign in</body></html>\r\n")
        elif fault == "wrong type":
            write(b"* OK [UIDVALIDITY soon] x\r\n" + f"{tag} OK done\r\n".encode())
        elif fault == "cut":
            write(b"* 3 EXI")
            self.writer.close()
        elif fault == "huge":
            write(b"* 1 FETCH (BODY[] {99000000}\r\n")
        elif fault == "reset":
            self.writer.transport.abort()
        elif fault == "trickle":
            await trickle(self.writer, b"* OK " + b"x" * 1000)
        elif fault == "hang":
            await asyncio.sleep(self.fake.patience)
            self.writer.close()

    async def do_capability(self, given):
        offers = b" STARTTLS" if self.fake.starttls else b""
        offers += b" IDLE" if self.fake.idles and "LOGIN" in self.fake.commands else b""
        self.writer.write(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN UIDPLUS" + offers + b"\r\n")

    async def do_login(self, given):
        good = given in (f'"{US}" "{self.fake.password}"', f'{US} "{self.fake.password}"')
        return b"OK in" if good else b"NO [AUTHENTICATIONFAILED] nein"

    async def do_authenticate(self, given):
        self.writer.write(b"+ \r\n")
        said = base64.b64decode(await self.reader.readline())
        self.fake.authenticated.append(said)
        return b"OK in" if self.fake.opens(said) else b"NO [AUTHENTICATIONFAILED] nein"

    async def do_starttls(self, given):
        if self.fake.starttls is None:
            return b"BAD not here"
        self.writer.write(f"{self.tag} OK go\r\n".encode())
        await self.writer.drain()
        await self.writer.start_tls(self.fake.starttls)
        return b""

    async def do_list(self, given):
        for name, folder in self.fake.folders.items():
            self.writer.write(f'* LIST ({folder.flags}) "/" "{name}"\r\n'.encode())

    async def do_examine(self, given):
        self.folder = self.fake.folders.get(given.strip('"'))
        if self.folder is None:
            return b"NO [NONEXISTENT] no such folder"
        self.told = len(self.folder.mails)
        following = self.folder.following + (100 if self.fake.stuck else 0)
        told = f"* OK [UIDNEXT {following}] x\r\n" if self.fake.tells_next else ""
        self.writer.write(
            f"* {len(self.folder.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.folder.validity}] x\r\n{told}".encode()
        )
        return b"OK [READ-ONLY] done"

    async def do_search(self, given):
        found = [uid for uid, raw, at in self.folder.mails if self.fits(given, uid, raw, at)]
        self.writer.write(f"* SEARCH {' '.join(map(str, found))}".rstrip().encode() + b"\r\n")

    def fits(self, given, uid, raw, at):
        if self.fake.stuck:
            return True
        if given == "UID *":
            return uid == self.folder.mails[-1][0]
        if span := re.fullmatch(r"UID (\d+):\*", given):
            return uid >= int(span[1]) or uid == self.folder.mails[-1][0]
        if since := re.fullmatch(r"SINCE (\S+)", given):
            return at.date() >= datetime.strptime(since[1], "%d-%b-%Y").date()
        header, wanted = re.fullmatch(r'(?:HEADER )?(\S+) "(.*)"', given).groups()
        line = re.search(
            rf"(?im)^{header}:(.*(?:\r\n[ \t].*)*)", raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        )
        return bool(line) and wanted.lower() in line[1].lower()

    async def do_fetch(self, given):
        which, _, parts = given.partition(" ")
        wanted = {int(uid) for uid in which.split(",")}
        most, refusal = re.search(r"<(\d+)\.(\d+)>", parts), None
        for number, (uid, raw, at) in enumerate(self.folder.mails, 1):
            if uid not in wanted:
                continue
            if most is not None and uid in self.fake.broken:
                if self.fake.stops_at_broken:
                    return self.fake.broken[uid]
                refusal = self.fake.broken[uid]
                continue
            if most is None:
                when = at.strftime("%d-%b-%Y %H:%M:%S +0000")
                self.writer.write(
                    f'* {number} FETCH (UID {uid} RFC822.SIZE {len(raw)} INTERNALDATE "{when}")\r\n'.encode()
                )
                continue
            piece = raw[int(most[1]) :][: int(most[2])]
            told = "" if uid % 2 else f"UID {uid} "
            head = f"* {number} FETCH ({told}BODY[]<{most[1]}> {{{len(piece)}}}\r\n"
            self.writer.write(head.encode() + piece + (f" UID {uid})\r\n".encode() if uid % 2 else b")\r\n"))
        return refusal

    async def do_append(self, given):
        if self.fake.refuses_filing:
            return b"NO [OVERQUOTA] full"
        name, size = re.fullmatch(r'"?([^"]+?)"? .*\{(\d+)\}', given).groups()
        self.writer.write(b"+ go\r\n")
        raw = await self.reader.readexactly(int(size))
        await self.reader.readline()
        self.fake.folders[name].add(raw)
        self.fake.appended.append(raw)
        return None

    async def do_idle(self, given):
        """Until the client says DONE. `deaf`: as if the network between had forgotten the connection."""
        if not self.fake.idles:
            return b"BAD what"
        told = asyncio.Queue()
        loop, folder = asyncio.get_running_loop(), self.folder

        def tell(count):
            self.told = count
            loop.call_soon_threadsafe(told.put_nowait, b"* %d EXISTS\r\n* 1 RECENT\r\n" % count)

        folder.watchers.append(tell)
        self.fake.idling.append(told)
        self.writer.write(self.fake.consent)
        if len(folder.mails) > self.told:  # it came while nobody was idle
            tell(len(folder.mails))
        ended = asyncio.ensure_future(self.reader.readline())
        try:
            while not ended.done():
                news = asyncio.ensure_future(told.get())
                await asyncio.wait({ended, news}, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    news.cancel()
                elif not self.fake.deaf:
                    self.writer.write(news.result())
            if self.fake.deaf:
                await asyncio.sleep(self.fake.patience)
            if ended.result().strip() != b"DONE":
                return b"BAD what"
        finally:
            ended.cancel()
            folder.watchers.remove(tell)
            self.fake.idling.remove(told)
        return None

    async def do_logout(self, given):
        self.writer.write(b"* BYE\r\n")


async def trickle(writer, data):
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


class Postbox:
    """What the SMTP server does with a message."""

    def __init__(self, fake):
        self.fake = fake

    async def auth_XOAUTH2(self, server, args):
        said = base64.b64decode(args[1]) if len(args) > 1 else await server.challenge_auth(b"")
        self.fake.authenticated.append(said)
        return AuthResult(success=self.fake.opens(said), handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if refusal := self.fake.refused.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        self.fake.handed_in += 1
        fault = self.fake.due("DATA")
        if fault == SLOW:
            await asyncio.sleep(self.fake.patience)
        if fault in (None, MADE, SLOW):
            self.fake.take(envelope)
        if fault in (None, SLOW):
            return "250 taken"
        if fault in WRITE_FAULTS:
            return WRITE_FAULTS[fault]
        transport = server.transport
        if fault in (MADE, "reset"):
            transport.abort()
        elif fault == "cut":
            transport.write(b"25")
            transport.close()
        elif fault == "huge":
            transport.write(b"250-x\r\n" * 20_000)
        elif fault == "trickle":
            await trickle(transport, b"250-" + b"x" * 1000)
        await asyncio.sleep(self.fake.patience)
        transport.abort()
        return None


class Fake(Ledger):
    name, source = "mail", "inbox"
    secrets = {"password": CANARY}
    takes_files = True
    tells_edits = tells_deletions = tells_others = parent_may_be_gone = waits = False
    write_faults = {}

    def __init__(self, **ssl):
        super().__init__()
        from connectors.faults import Gone, QuotaSpent, Unavailable

        self.write_faults = {
            "429": {QuotaSpent}, "429 with wait": {QuotaSpent}, "500": {Unavailable}, "503 with wait": {Unavailable},
            "redirect": {Gone},
        }  # fmt: skip
        self.faults, self.commands, self.connections, self.handed_in = [], [], 0, 0
        self.folders = {"INBOX": Folder(), "Sent": Folder("\\HasNoChildren \\Sent")}
        self.sent, self.appended, self.authenticated, self.refused = [], [], [], {}
        self.files_itself, self.refuses_filing, self.token, self.tells_next = True, False, b"no token", True
        self.password, self.broken, self.stops_at_broken = CANARY, {}, False
        self.consent = b"+ idling\r\n"
        self.idles, self.deaf, self.idling, self.writers = True, False, [], []
        self.greeting, self.wanted, self.starttls = b"* OK here\r\n", {}, None
        self.loop, self.ssl, ready = asyncio.new_event_loop(), ssl.get("context"), threading.Event()
        self.thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(PATIENCE)

    def _serve(self, ready):
        asyncio.set_event_loop(self.loop)
        imap = asyncio.start_server(self._imap, "127.0.0.1", 0, ssl=self.ssl)
        smtp = self.loop.create_server(self._smtp, "127.0.0.1", 0, ssl=self.ssl)
        self.servers = self.loop.run_until_complete(asyncio.gather(imap, smtp))
        self.imap_port, self.smtp_port = (server.sockets[0].getsockname()[1] for server in self.servers)
        ready.set()
        self.loop.run_forever()

    async def _imap(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            await Session(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError):  # clients that hang up are part of the tests
            pass
        finally:
            writer.close()

    def _smtp(self):
        self.connections += 1
        return SMTP(
            Postbox(self), loop=self.loop, hostname="fake.example", auth_require_tls=False, authenticator=self._known,
            tls_context=self.starttls,
            data_size_limit=5_000_000,
        )  # fmt: skip

    def _known(self, server, session, envelope, mechanism, data):
        return AuthResult(success=data.login == US.encode() and data.password == self.password.encode())

    def opens(self, said):
        """Whether this sign-in is of whoever has the newest token, or the password by PLAIN."""
        if said.startswith(b"\0"):
            return said == f"\0{US}\0{self.password}".encode()
        known = [self.token, *([CANARY.encode()] if self.token == b"no token" else [])]
        return said in [f"user={US}\1auth=Bearer ".encode() + each + b"\1\1" for each in known]

    def take(self, envelope):
        self.sent.append(envelope)
        if self.files_itself:
            self.folders["Sent"].add(envelope.content)

    def due(self, where):
        """The fault that is ordered for this command."""
        for place, (fault, writing) in enumerate(self.faults):
            reading = "LOGIN" if fault == "401" else "EXAMINE"
            if where == ("DATA" if writing else reading):
                del self.faults[place]
                return fault
        return None

    def announce(self, raw):
        """Sends these bytes to whoever waits for announcements."""
        for told in list(self.idling):
            self.loop.call_soon_threadsafe(told.put_nowait, raw)

    # What the suite asks for

    def settings(self):
        security = "tls" if self.ssl else "plain"
        return {
            "address": US, "sender": "Brand", "imap_host": "127.0.0.1", "imap_port": self.imap_port,
            "imap_security": security, "smtp_host": "127.0.0.1", "smtp_port": self.smtp_port,
            "smtp_security": security, "filed_by": "provider",
        }  # fmt: skip

    def facts(self):
        return {"account_id": US, "sent": "Sent"}

    def order(self, fault, writing=False):
        if writing and fault == "error in 200":
            self.has_no(fault)
        self.faults.append((fault, writing))

    def requests(self):
        return self.connections

    def writings(self):
        return self.handed_in

    def is_itself(self, url):
        return url in (f"imap://127.0.0.1:{self.imap_port}", f"smtp://127.0.0.1:{self.smtp_port}")

    def vanish(self):
        def end():
            for server in self.servers:
                server.close()

        self.loop.call_soon_threadsafe(end)
        # The next callback runs after the sockets are closed.
        done = threading.Event()
        self.loop.call_soon_threadsafe(done.set)
        assert done.wait(PATIENCE)

    def close(self):
        self.vanish()

        def end():
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_soon(self.loop.stop)

        self.loop.call_soon_threadsafe(end)
        self.thread.join(PATIENCE)
        self.loop.close()

    def above(self, first, second):
        return []

    # People

    def deliver(self, raw, at=None, folder="INBOX", expected=True):
        """A mail arrives as it is; its id as we have to know it."""
        head, _, body = raw.partition(b"\r\n\r\n")
        self.folders[folder].add(raw, at)
        seen = {
            name: (re.search(rf"(?im)^{name}: *(.*)$", head.decode()) or ["", ""])[1].strip()
            for name in ("From", "Date")
        }
        digest = hashlib.sha256(f"{seen['From']}\0{seen['Date']}\0".encode() + body).hexdigest()[:12]
        found = re.search(r"(?im)^Message-ID: *<(.*)>", head.decode())
        identity = f"{found[1] if found else ''}#{digest}"
        if expected:
            self.wanted[identity] = found[1] if found else ""
        return identity

    def say(self, text, person="carla", parent=None, subject="Help", headers=(), folder="INBOX", **more):
        number, at = self.next()
        above = self.wanted.get(parent, parent)
        lines = [
            f"From: {person.title()} <{person}@mail.example>", f"To: {US}", f"Subject: {subject}",
            f"Date: {format_datetime(at)}", f"Message-ID: <m{number}@mail.example>",
            *([f"In-Reply-To: <{above}>", f"References: <{above}>"] if above else []), *headers,
            'Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: base64",
        ]  # fmt: skip
        body = base64.encodebytes(text.encode("utf-8", "surrogatepass")).replace(b"\n", b"\r\n")
        return self.deliver("\r\n".join(lines).encode() + b"\r\n\r\n" + body, at + timedelta(seconds=1), folder, **more)

    def spoil(self):
        self.deliver(b"Message-ID: <bad@mail.example>\r\nSubject: x\r\n\r\nnobody", expected=False)

    def odd(self):
        raw = (
            b"From: carla@mail.example\r\nX-Unknown: {}\r\nDate: yesterday\r\nReferences: none\r\nIn-Reply-To:\r\n"
            b'Content-Type: text/plain; charset="x-unheard-of"\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd'
        )
        return self.deliver(raw)

    def ids(self):
        return set(self.wanted)

    def made(self):
        return self.sent

    def attached(self, made):
        parts = message_from_bytes(made.content, policy=default).iter_attachments()
        return [(part.get_payload(decode=True), part.get("Content-Description")) for part in parts]

    def texts(self):
        return [message_from_bytes(envelope.content, policy=default).get_body().get_content() for envelope in self.sent]
