"""Instagram: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.instagram.connector import Instagram

__all__ = ["Instagram"]
