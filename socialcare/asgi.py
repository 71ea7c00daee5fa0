"""One process, four doors: pages through Django's WSGI handler in a few threads (half the cost of its ASGI handler),
what streams or receives through the ASGI handler, the question after a bell for all who ask at once, and sockets
through Channels."""

import os
import time
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path

_streaming = get_asgi_application()  # sets Django up, before anything that needs its models is imported

from inbox.live import Bell, hub, same_origin  # noqa: E402
from socialcare.asking import Asking  # noqa: E402

STREAMING = ("/hooks/", "/files/", "/exports/", "/media/")
THREADS = 8


def costed(application: Any) -> Any:
    """Tells the hub what the question after a bell costs here, so that it rings no faster than we can answer."""

    def measured(environ: dict[str, Any], start_response: Any) -> Any:
        begun = time.thread_time()
        try:
            return application(environ, start_response)
        finally:
            if "since=" in environ["QUERY_STRING"]:
                hub().answered(time.thread_time() - begun)

    return measured


def build() -> ProtocolTypeRouter:
    """The application, as it stands in every web process."""
    pages = Asking(WSGIMiddleware(cast(Any, costed(get_wsgi_application())), workers=THREADS), hub().answered)

    async def http(scope: Any, receive: Any, send: Any) -> None:
        handler = _streaming if scope["path"].startswith(STREAMING) else pages
        await handler(scope, receive, send)

    sockets = AuthMiddlewareStack(URLRouter([path("live/", Bell.as_asgi())]))
    return ProtocolTypeRouter({"http": http, "websocket": same_origin(sockets)})


application = build()
