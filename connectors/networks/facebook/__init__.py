"""Facebook: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.facebook.connector import Facebook

__all__ = ["Facebook"]
