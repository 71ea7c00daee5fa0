"""X: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.x.connector import X

__all__ = ["X"]
