"""The shapes of the tutorials, written as well as they can be: what the product is compared with."""

import os


def layer_settings():
    """Of the channel layer: with room for a burst, and patience above its own five seconds of waiting."""
    host = {"address": os.environ["REDIS_URL"], "socket_timeout": 30}
    return {"hosts": [host], "capacity": 5_000, "expiry": 60}
