"""The seam for mail keeps what the one for HTTP promises: addresses, encryption, ends, sizes, and no secrets kept."""

import contextlib
import datetime
import ipaddress
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.addresses import Allowed, Refused
from connectors.base import InDoubt, Invalid, NotPermitted, Outgoing, Unavailable, Unreadable
from connectors.http import Seam
from connectors.networks.mail.imap import Mailbox
from connectors.networks.mail.smtp import Submission
from connectors.wire import Access, Line, Server, addresses, ends_in
from tests.connectors.test_http import INTERNAL
from tests.fakes.mail import CANARY, US, Fake
from tests.waiting import PATIENCE, by_itself

ACCESS = Access(CANARY)


def seam(**given):
    return Seam(**({"guard": lambda: None, "allow": ["127.0.0.1"]} | given))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that signs itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    clear = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, clear)
    (folder / "key.pem").write_bytes(private)
    return folder


@pytest.fixture
def context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))


@contextlib.contextmanager
def listener(answer):
    """A server that does this to each connection."""
    import threading

    server, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            while not stop.is_set():
                connection, _ = server.accept()
                with connection:
                    answer(connection, stop)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(PATIENCE)


@pytest.mark.parametrize("host", [host.strip("[]") for host in INTERNAL])
def test_no_spelling_of_an_internal_address_is_called(host, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *given: pytest.fail("called"))
    with pytest.raises((NotPermitted, Unavailable)):
        Mailbox(seam(allow=()), Server("imap", host, 993, "tls"), US, ACCESS)


def test_a_name_with_one_internal_address_is_refused_and_the_rest_is_called_as_checked(monkeypatch):
    found = ["8.8.8.8", "10.0.0.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: [(2, 1, 6, "", (each, 993)) for each in found])
    with pytest.raises(Refused):
        addresses("mail.example", 993, Allowed.parse(()))
    found[1] = "8.8.4.4"
    assert addresses("mail.example", 993, Allowed.parse(())) == found


@pytest.mark.parametrize("port", [22, 80, 6379, 11211])
def test_a_strangers_other_ports_are_not_knocked_at(port, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: pytest.fail("resolved"))
    with pytest.raises(NotPermitted):
        Mailbox(seam(allow=()), Server("imap", "mail.example", port, "tls"), US, ACCESS)


def test_without_encryption_only_what_the_owner_allows_is_spoken_to(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *given: pytest.fail("called"))
    with pytest.raises(NotPermitted, match="FETCH_ALLOW"):
        Submission(seam(allow=["10.0.0.9"]), Server("smtp", "8.8.8.8", 587, "plain"), US, ACCESS, name="x")


@pytest.mark.parametrize("security", ["TLS", "none", "", "ssl"])
def test_an_unknown_word_for_encryption_is_refused_even_where_the_owner_opened_the_host(monkeypatch, security):
    monkeypatch.setattr(socket.socket, "connect", lambda *given: pytest.fail("called"))
    with pytest.raises(Invalid):
        Mailbox(seam(), Server("imap", "127.0.0.1", 143, security), US, ACCESS)
    with pytest.raises(Invalid):
        Submission(seam(), Server("smtp", "127.0.0.1", 587, security), US, ACCESS, name="x")


def test_mail_is_read_and_sent_through_tls_that_is_checked(context, trusted):
    with Fake(context=context) as fake:
        fake.say("encrypted")
        assert [post.text for post in fake.read(fake.connector())[0]] == ["encrypted"]
        assert not fake.connector().check().warnings


def test_a_certificate_that_nobody_vouches_for_is_refused_before_a_password_is_shown(context):
    with Fake(context=context) as fake:
        with pytest.raises(Unavailable, match="encrypted"):
            fake.read(fake.connector())
        assert fake.commands == []


def test_a_connection_turns_to_tls_before_the_password(context, trusted):
    with Fake() as fake:
        fake.starttls = context
        connector = fake.connector()
        connector.settings = {**connector.settings, "imap_security": "starttls", "smtp_security": "starttls"}
        fake.say("x")
        (post,), _, _, _ = fake.read(connector)
        assert fake.commands.index("STARTTLS") < fake.commands.index("LOGIN")
        connector.send(Outgoing(key="k", text="y", parent=post, sending_at=datetime.datetime.now(datetime.UTC)))
        assert len(fake.sent) == 1


def test_a_server_without_starttls_gets_no_password():
    with Fake() as fake:
        server = Server("smtp", "127.0.0.1", fake.smtp_port, "starttls")
        with pytest.raises(NotPermitted):
            Submission(seam(), server, US, ACCESS, name="brand.example")
        imap = Server("imap", "127.0.0.1", fake.imap_port, "starttls")
        with pytest.raises((NotPermitted, Unreadable)):
            Mailbox(seam(), imap, US, ACCESS)
        assert "LOGIN" not in fake.commands


@pytest.mark.parametrize("security", ["plain", "tls"])
def test_a_server_that_never_speaks_ends_in_time_also_in_the_handshake(security):
    with listener(lambda connection, stop: stop.wait(60)) as port, by_itself(), pytest.raises(Unavailable):
        Mailbox(seam(whole=0.4), Server("imap", "127.0.0.1", port, security), US, ACCESS)


def test_a_server_that_draws_out_its_words_ends_in_time():
    def drip(connection, stop):
        with contextlib.suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(b"x")

    with listener(drip) as port, by_itself(), pytest.raises(Unavailable):
        Submission(seam(whole=0.4), Server("smtp", "127.0.0.1", port, "plain"), US, ACCESS, name="x")


def test_what_is_no_mail_server_is_no_answer():
    with listener(lambda connection, stop: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        with pytest.raises(Unreadable):
            Mailbox(seam(), Server("imap", "127.0.0.1", port, "plain"), US, ACCESS)
        with pytest.raises(Unavailable):
            Submission(seam(), Server("smtp", "127.0.0.1", port, "plain"), US, ACCESS, name="x")


def test_an_answer_without_end_is_cut():
    def flood(connection, stop):
        with contextlib.suppress(OSError):
            while not stop.is_set():
                connection.sendall(b"* OK " + b"x" * 1_000_000)

    with listener(flood) as port, pytest.raises(Unreadable, match="larger"):
        Mailbox(seam(whole=10), Server("imap", "127.0.0.1", port, "plain"), US, ACCESS)


def test_steps_that_together_took_too_long_begin_nothing_more():
    line = Line(seam(), Server("smtp", "127.0.0.1", 1, "plain"), ends_in(-1))
    with pytest.raises(Unavailable, match="in time"), line.step("SMTP MAIL"):
        pytest.fail("begun")


def test_a_step_that_may_have_happened_is_in_doubt_and_any_other_is_not():
    line = Line(seam(), Server("smtp", "127.0.0.1", 1, "plain"))
    with pytest.raises(InDoubt), line.step("SMTP message", doubtful=True):
        raise ConnectionResetError
    with pytest.raises(Unavailable), line.step("SMTP MAIL"):
        raise ConnectionResetError


def test_every_step_is_kept_without_a_secret_and_is_counted():
    with Fake() as fake:
        fake.say("x")
        connector = fake.connector()
        fake.read(connector)
        kept = [exchange.method for exchange in fake.kept]
        assert kept == ["IMAP sign in", "IMAP SELECT", "IMAP SEARCH", "IMAP FETCH", "IMAP FETCH"]
        assert connector.seam.count == len(kept)
        assert CANARY not in repr(fake.kept) + repr(ACCESS)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_announcements_of_new_mail_come_over_an_encrypted_line(context, trusted, security):
    import asyncio

    from connectors.streaming import opened

    async def announced(fake):
        connector, found = fake.connector(), []
        connector.settings = {**connector.settings, "imap_security": security}
        (stream,) = connector.streams(connector.listening())
        async with asyncio.timeout(60), opened(stream, connector.seam) as frames:
            async for frame in frames:
                found.append(frame.event)
                if "EXISTS" in found:
                    break
                await asyncio.to_thread(fake.say, "Where is my tea?")
        return found

    with Fake(**({"context": context} if security == "tls" else {})) as fake:
        fake.starttls = context if security == "starttls" else None
        assert asyncio.run(announced(fake))[-1] == "EXISTS"
