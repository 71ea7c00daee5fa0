"""LinkedIn: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.linkedin.connector import LinkedIn

__all__ = ["LinkedIn"]
