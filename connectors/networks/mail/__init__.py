"""Mail: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.mail.connector import Mail

__all__ = ["Mail"]
