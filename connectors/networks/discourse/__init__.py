"""Discourse: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.discourse.connector import Discourse

__all__ = ["Discourse"]
