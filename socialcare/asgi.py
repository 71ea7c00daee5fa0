"""One process, three doors: pages through Django's WSGI handler in a few threads (half the cost of its ASGI
handler), what streams or receives through the ASGI handler, and sockets through Channels."""

import os
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path

_streaming = get_asgi_application()  # sets Django up, before anything that needs its models is imported

from inbox.live import Bell, same_origin  # noqa: E402

STREAMING = ("/hooks/", "/files/", "/exports/", "/media/")
THREADS = 8


def build() -> ProtocolTypeRouter:
    """The application, as it stands in every web process."""
    pages = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=THREADS)

    async def http(scope: Any, receive: Any, send: Any) -> None:
        handler = _streaming if scope["path"].startswith(STREAMING) else pages
        await handler(scope, receive, send)

    sockets = AuthMiddlewareStack(URLRouter([path("live/", Bell.as_asgi())]))
    return ProtocolTypeRouter({"http": http, "websocket": same_origin(sockets)})


application = build()
