"""WordPress: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.wordpress.connector import WordPress

__all__ = ["WordPress"]
