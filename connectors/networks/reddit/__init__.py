"""Reddit: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.reddit.connector import Reddit

__all__ = ["Reddit"]
