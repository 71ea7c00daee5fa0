"""Servers of streams on loopback: server-sent events and websockets, with the manners of bad ones."""

import logging
import queue
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

END = object()
quiet = logging.getLogger("tests.streams")
quiet.setLevel(logging.CRITICAL)


class Streams:
    """What both kinds share: `open` counts connections, `asked` is the ledger of requests (path, headers), `say`
    speaks to all who listen at this moment, `drop` ends their connections."""

    def __init__(self):
        self.asked, self.lines, self.lock = [], [], threading.Lock()
        self.status, self.headers = 200, {}

    def _joined(self, path, headers):
        line = queue.Queue()
        with self.lock:
            self.asked.append((path, {name.lower(): value for name, value in headers}))
            self.lines.append((path, line))
        return line

    def _left(self, line):
        with self.lock:
            self.lines = [each for each in self.lines if each[1] is not line]

    @property
    def open(self):
        return len(self.lines)

    def put(self, what, path=""):
        """A client may see its connection open a moment before we do."""
        deadline = time.monotonic() + 2
        while what is not END and not self.lines and time.monotonic() < deadline:
            time.sleep(0.005)
        with self.lock:
            for asked, line in self.lines:
                if path in asked:
                    line.put(what)

    def drop(self):
        self.put(END)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class EventServer(Streams):
    """Server-sent events. `put(bytes)` sends raw bytes."""

    def __init__(self):
        super().__init__()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                line = fake._joined(self.path, self.headers.items())
                self.close_connection = True
                try:
                    fake._serve(self, line)
                except OSError:
                    return
                finally:
                    fake._left(line)

            def log_message(self, *args):
                """The ledger is the log."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def _serve(self, handler, line):
        handler.send_response(self.status)
        length = {"Transfer-Encoding": "chunked"} if self.status == 200 else {"Content-Length": "0"}
        given = {"Content-Type": "text/event-stream", **length, **self.headers}
        for name, value in given.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.flush()
        while self.status == 200 and not _has_gone(handler.connection):
            try:
                more = line.get(timeout=0.05)
            except queue.Empty:
                continue
            if more is END:
                return
            handler.wfile.write(f"{len(more):x}\r\n".encode() + more + b"\r\n")
            handler.wfile.flush()

    def say(self, event, data, path=""):
        self.put(f"event: {event}\ndata: {data}\n\n".encode(), path)

    def close(self):
        self.drop()
        self.server.shutdown()
        self.server.server_close()


def _has_gone(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False


class SocketServer(Streams):
    """A websocket that only speaks."""

    def __init__(self):
        super().__init__()
        self.server = serve(self._serve, "127.0.0.1", 0, compression=None, logger=quiet)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _serve(self, connection):
        line = self._joined(connection.request.path, connection.request.headers.raw_items())
        try:
            while (more := line.get()) is not END:
                connection.send(more)
        except ConnectionClosed:
            return
        finally:
            self._left(line)

    def say(self, message):
        self.put(message)

    def close(self):
        self.drop()
        self.server.shutdown()
