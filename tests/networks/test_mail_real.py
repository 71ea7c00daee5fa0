"""Our mail connector against a real Dovecot, with aiosmtpd in front that hands everything on to it. Dovecot comes from
the system's packages and starts as root only; where it is not there the tests are skipped and say what to install."""

import asyncio
import os
import secrets
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

import imap_tools
import pytest
from aiosmtpd.controller import Controller

from connectors import holding
from connectors.base import AuthRevoked, Budget, CannotKnow, Found, Gone, Outgoing, Secrets, Sent
from connectors.http import Seam
from connectors.networks.mail.connector import Mail
from connectors.streaming import opened
from connectors.streams import OPENED

INSTALL = "Dovecot is not installed; apt-get install dovecot-imapd dovecot-lmtpd brings it"
pytestmark = [
    pytest.mark.networks,
    pytest.mark.skipif(not shutil.which("dovecot"), reason=INSTALL),
    pytest.mark.skipif(os.geteuid() != 0, reason="Dovecot starts as root only"),
]
CONFIG = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %Ln
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = maildir:{folder}/home/%n
first_valid_uid = 1
mailbox_idle_check_interval = 1 secs
passdb {{
  driver = static
  args = password=pw
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home/%n
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
namespace inbox {{
  inbox = yes
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
"""


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as one:
        return one.getsockname()[1]


class Onward:
    """Whatever is handed in is delivered, by local part."""

    def __init__(self, port):
        self.port = port

    async def handle_DATA(self, server, session, envelope):
        with smtplib.LMTP("127.0.0.1", self.port) as lmtp:
            lmtp.sendmail(envelope.mail_from, envelope.rcpt_tos, envelope.content)
        return "250 taken"


@dataclass
class Provider:
    """Every local part is a mailbox with the password pw; `us` is a new one for each test."""

    imap: int
    smtp: int
    us: str = ""


@pytest.fixture
def provider(servers):
    return Provider(*servers, f"care-{secrets.token_hex(4)}@brand.example")


@pytest.fixture(scope="module")
def folder():
    """Open to the server's workers, who are another user: pytest closes the place of its own folders to others whenever
    one more of it begins."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def servers(folder):
    """The IMAP and the SMTP port of a mail provider."""
    imap, lmtp = free_port(), free_port()
    (folder / "home").mkdir()
    shutil.chown(folder / "home", "nobody", "nogroup")
    (folder / "dovecot.conf").write_text(CONFIG.format(folder=folder, imap=imap, lmtp=lmtp))
    process = subprocess.Popen(["dovecot", "-F", "-c", str(folder / "dovecot.conf")])
    smtp = Controller(Onward(lmtp), hostname="127.0.0.1", port=free_port())
    try:
        until = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", imap)):
            log = folder / "log"
            assert process.poll() is None, log.read_text() if log.exists() else "no log"
            assert time.monotonic() < until, "Dovecot did not start"
            time.sleep(0.05)
        smtp.start()
        yield imap, smtp.port
        smtp.stop()
    finally:
        process.terminate()
        process.wait(10)


def connector(provider, password="pw", **settings):
    seam = Seam(allow=["127.0.0.1"], guard=lambda: None)
    values = {
        "address": provider.us, "imap_host": "127.0.0.1", "imap_port": provider.imap,
        "imap_security": "plain", "smtp_host": "127.0.0.1",
        "smtp_port": provider.smtp, "smtp_security": "plain", "filed_by": "us", "facts": {"sent": "Sent"},
    } | settings  # fmt: skip
    return Mail(values, Secrets({"password": password}), seam)


def write(provider, text, who="carla", subject="Help", **headers):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"{who.title()} <{who}@mail.example>", provider.us, subject
    mail["Message-ID"] = make_msgid(domain="mail.example")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    with smtplib.SMTP("127.0.0.1", provider.smtp) as smtp:
        smtp.send_message(mail)
    return mail


def read(mail, source="inbox", cursor=None):
    pages = list(mail.poll(source, cursor, Budget(), datetime.now(UTC)))
    assert not [bad for page in pages for bad in page.bad]
    return (
        [post for page in pages for post in page.posts],
        pages[-1].cursor,
        [gap for page in pages for gap in page.gaps],
    )


def mailbox(provider, who):
    return imap_tools.MailBoxUnencrypted("127.0.0.1", provider.imap).login(who, "pw")


def test_a_check_finds_the_folder_for_sent_mail(provider):
    assert connector(provider, facts={}).check().facts["sent"] == "Sent"


def test_a_mail_is_announced_when_it_lies_there(provider, monkeypatch):
    monkeypatch.setattr(holding, "AGAIN", 0.3)  # it is asked for signs of life meanwhile
    mail = connector(provider)
    assert mail.check().facts["idle"] is True
    (stream,) = mail.streams(mail.listening())

    async def announced():
        found = []
        async with asyncio.timeout(60), opened(stream, mail.seam) as frames:
            async for frame in frames:
                found += [frame.event, frame.data]
                if frame.event in (OPENED, "EXISTS") and frame.data != "2":
                    await asyncio.to_thread(write, provider, "Is anybody there?")
                elif frame.data == "2":
                    return found
        return found

    assert asyncio.run(announced())[-1] == "2"
    assert len(read(mail)[0]) == 2


def test_a_conversation_by_mail_from_end_to_end(provider):
    asked = write(provider, "Where is my tea?\n\n-- \nCarla")
    mail = connector(provider)
    (post,), cursor, _ = read(mail)
    assert (post.text, post.author.external_id, post.subject) == ("Where is my tea?", "carla@mail.example", "Help")
    assert post.external_id.startswith(asked["Message-ID"].strip("<>"))

    outgoing = Outgoing(key="key-1", text="On its way. Grüße 👋", parent=post, sending_at=datetime.now(UTC))
    assert isinstance(mail.find(outgoing), CannotKnow)
    sent = mail.send(outgoing)
    assert mail.find(outgoing) == Found(sent.external_id)
    assert mail.send(outgoing) == sent == Sent("key-1.care@brand.example")
    with mailbox(provider, "carla") as box:
        (got,) = [each for each in box.fetch() if each.from_ == provider.us]
    assert got.text.strip() == "On its way. Grüße 👋"
    assert got.headers["in-reply-to"] == (asked["Message-ID"],)

    (ours,), _, _ = read(mail, "sent")
    assert (ours.ours, ours.external_id, ours.parent_id) == (True, sent.external_id, post.external_id)
    assert ours.text == outgoing.text

    write(provider, "Thanks\n\n> On its way.", subject="Re: Help", In_Reply_To=f"<{sent.external_id}>")
    (thanks,), cursor, _ = read(mail, cursor=cursor)
    assert (thanks.text, thanks.parent_id) == ("Thanks", sent.external_id)
    assert read(mail, cursor=cursor)[0] == []

    write(provider, "And again", subject=f"WG: {got.subject}")
    (by_mark,), cursor, _ = read(mail, cursor=cursor)
    assert by_mark.parent_id == sent.external_id


def test_an_answer_given_in_another_program_is_placed_under_what_it_answers(provider):
    asked = write(provider, "A question", who="theo")
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Message-ID"] = (
        provider.us,
        "theo@mail.example",
        make_msgid(domain="brand.example"),
    )
    answer["In-Reply-To"] = asked["Message-ID"]
    answer.set_content("From the webmail")
    with mailbox(provider, provider.us) as box:
        box.append(answer.as_bytes(), "Sent")
    mail = connector(provider)
    theirs = next(post for post in read(mail)[0] if post.author.external_id.startswith("theo"))
    ours = next(post for post in read(mail, "sent")[0] if post.text == "From the webmail")
    assert ours.parent_id == theirs.external_id


def test_a_folder_made_anew_is_read_again_and_one_with_umlauts_is_found(provider):
    folder, raw = "Rückgabe", b"From: ines@mail.example\r\nMessage-ID: <back@x>\r\nDate: soon\r\n\r\nBroken cup\r\n"
    mail = connector(provider, folders=[folder])
    with mailbox(provider, provider.us) as box:
        box.folder.create(folder)
        box.append(raw, folder)
        (first,), cursor, gaps = read(mail, f"inbox:{folder}")
        assert not gaps
        box.folder.delete(folder)
        with pytest.raises(Gone):
            read(mail, f"inbox:{folder}", cursor)
        time.sleep(1.1)  # it numbers folders by the second
        box.folder.create(folder)
        box.append(raw, folder)
    (again,), _, gaps = read(mail, f"inbox:{folder}", cursor)
    assert again.external_id == first.external_id
    assert gaps


def test_reading_leaves_everything_unread(provider):
    write(provider, "Unread")
    read(connector(provider))
    with mailbox(provider, provider.us) as box:
        assert not any(imap_tools.MailMessageFlags.SEEN in one.flags for one in box.fetch(mark_seen=False))


def test_a_wrong_password_is_for_a_person(provider):
    with pytest.raises(AuthRevoked):
        read(connector(provider, password="wrong"))
