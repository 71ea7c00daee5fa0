"""Telegram: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.telegram.connector import Telegram

__all__ = ["Telegram"]
