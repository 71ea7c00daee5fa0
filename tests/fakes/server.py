"""A threaded HTTP server for fakes: a handler per test, a ledger of requests, and bad manners on demand."""

import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    connection: socket.socket | None = None

    def gone(self):
        """Whether whoever asked has hung up."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def one(self, name, default=None):
        return dict(self.query).get(name, default)

    def many(self, name):
        return [value for key, value in self.query if key == name]

    def json(self):
        return json.loads(self.body)


@dataclass
class Reply:
    status: int = 200
    body: bytes | str | dict | list = b""
    headers: dict = field(default_factory=dict)
    manner: str = ""
    """hang: no answer · reset: the connection breaks · trickle: a byte now and then · cut: half the body."""
    seconds: float = 30.0
    """How long one that hangs holds the connection."""

    def bytes(self):
        if isinstance(self.body, dict | list):
            self.headers.setdefault("Content-Type", "application/json")
            return json.dumps(self.body).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body


def parts_of(asked):
    """The parts of a multipart body by name, as bytes; the names of files under `<name>.name`."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        parts[name] = part.get_payload(decode=True)
        if part.get_filename():
            parts[f"{name}.name"] = part.get_filename()
    return parts


class FakeServer:
    """`answer(asked) -> Reply` is the whole behaviour; `asked` is the ledger of requests."""

    def __init__(self, answer):
        self.answer, self.asked, self.stop = answer, [], threading.Event()
        self.skew = 0.0  # seconds its clock is ahead
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qsl(parts.query, keep_blank_values=True)
                asked = Asked(self.command, parts.path, query, headers, body, self.connection)
                fake.asked.append(asked)
                fake.give(self, fake.answer(asked))

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

            def date_time_string(self, timestamp=None):
                return super().date_time_string((timestamp or time.time()) + fake.skew)

            def log_message(self, *args):
                """The ledger is the log."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                """Clients that hang up are part of the tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def give(self, handler, reply):
        if reply.manner == "hang":
            self.stop.wait(reply.seconds)
            handler.close_connection = True
            return
        if reply.manner == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        raw = reply.bytes()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(raw)))
        if handler.close_connection:  # as asked for; who is not told may send the next request into the closing
            handler.send_header("Connection", "close")
        handler.end_headers()
        if reply.manner == "cut":
            handler.wfile.write(raw[: len(raw) // 2])
            handler.close_connection = True
        elif reply.manner == "trickle":
            for byte in raw:
                if self.stop.is_set():
                    return
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.05)
        elif handler.command != "HEAD":
            handler.wfile.write(raw)

    def close(self):
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
