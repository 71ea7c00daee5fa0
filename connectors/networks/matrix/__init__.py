"""Matrix: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.matrix.connector import Matrix

__all__ = ["Matrix"]
