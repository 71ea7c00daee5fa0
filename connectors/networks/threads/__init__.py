"""Threads: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.threads.connector import Threads

__all__ = ["Threads"]
