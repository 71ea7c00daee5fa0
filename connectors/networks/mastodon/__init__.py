"""Mastodon: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.mastodon.connector import Mastodon

__all__ = ["Mastodon"]
