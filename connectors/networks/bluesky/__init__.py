"""Bluesky: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.bluesky.connector import Bluesky

__all__ = ["Bluesky"]
