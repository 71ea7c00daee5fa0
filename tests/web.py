"""The real application in a thread of the test: pages, hooks and sockets on one address of this machine."""

import asyncio
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import uvicorn


@contextmanager
def serving(settings):
    """Serves on a free port and points the settings there; gives `.url` and `.port`."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings.PUBLIC_URL, settings.CSRF_TRUSTED_ORIGINS = url, [url]
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    csp = dict(settings.SECURE_CSP)
    csp["connect-src"] = [csp["connect-src"][0], url.replace("http", "ws", 1)]
    settings.SECURE_CSP = csp
    from inbox.live import hub
    from socialcare.asgi import build

    hub.cache_clear()
    config = uvicorn.Config(
        build(), lifespan="off", ws="inbox.line:Line", log_level="warning", ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        if not thread.is_alive():
            raise RuntimeError("the web server did not start")
    try:
        yield SimpleNamespace(url=url, port=port, server=server)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
