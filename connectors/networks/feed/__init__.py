"""Feed: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.feed.connector import Feed

__all__ = ["Feed"]
