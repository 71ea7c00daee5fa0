"""YouTube: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.youtube.connector import YouTube

__all__ = ["YouTube"]
