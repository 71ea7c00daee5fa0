"""The webhook: `connector.py` is its place on the contract, the files beside it are what only this network needs."""

from connectors.networks.webhook.api import signature
from connectors.networks.webhook.connector import Webhook

__all__ = ["Webhook", "signature"]
