"""The shape of the Channels tutorial: every consumer joins the group, and each of them gets every message through
Redis."""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import channel_layers
from channels.routing import ProtocolTypeRouter, URLRouter
from channels_redis.core import RedisChannelLayer
from django.core.asgi import get_asgi_application
from django.urls import path

from benchmarks.tutorial import layer_settings

_pages = get_asgi_application()
channel_layers.set("default", RedisChannelLayer(**layer_settings()))


class Bell(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("tutorial", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("tutorial", self.channel_name)

    async def bell(self, event):
        await self.send(json.dumps({"stream": event["stream"], "n": event["n"]}))


application = ProtocolTypeRouter({"http": _pages, "websocket": URLRouter([path("live/", Bell.as_asgi())])})
