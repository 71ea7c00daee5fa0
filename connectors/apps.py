from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors.secrets import Ring, SealError


class ConnectorsConfig(AppConfig):
    name = "connectors"

    def ready(self) -> None:
        """Keys that are none are said at the start, not by the first channel that needs one."""
        try:
            if settings.SEAL_KEYS:
                Ring.parse(settings.SEAL_KEYS)
        except SealError as error:
            raise ImproperlyConfigured(str(error)) from error
