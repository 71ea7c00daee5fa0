"""The demo network's HTTP face: its API, a page for each thread, and a control desk for stories, tests and trials.
Loopback only."""

import socket
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from socialcare.demo import api, control  # noqa: F401  what is asked is answered there
from socialcare.demo.handling import Fault, Handler
from socialcare.demo.network import Network

__all__ = ["DemoServer", "Fault"]

TOKEN = "demo"  # noqa: S105  the demo network guards nothing


class DemoServer(ThreadingHTTPServer):
    """`with DemoServer(network) as server:` or `serve_forever()`. A `listener` is a socket that listens already."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, network: Network, port: int = 0, listener: socket.socket | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket, self.server_address = listener, listener.getsockname()
        self.network, self.token = network, TOKEN
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def fault_for(self, method: str) -> Fault | None:
        with self.network.lock:
            for fault in self.faults:
                if fault.method in ("", method):
                    fault.count -= 1
                    self.faults = [each for each in self.faults if each.count > 0]
                    return fault
        return None

    def hang(self, fault: Fault | None) -> None:
        self.closing.wait(fault.seconds if fault else 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up, or was made to wait until it did."""

    def start(self) -> None:
        """Serve on a thread of this process."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
