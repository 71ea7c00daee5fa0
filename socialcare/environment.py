"""Reading the environment: NAME, or NAME_FILE for secrets kept in files; a wrong value stops the start with one
sentence."""

import os
from collections.abc import Collection
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str | None = None) -> str:
    """The value of NAME, else the content of the file named by NAME_FILE, else the default; raises if all are
    missing."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return _content(name, Path(path))
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. Set {name} or {name}_FILE, or start with `manage.py up`.")
    return default


def _content(name: str, path: Path) -> str:
    """An empty file is one that was lost or cut off: nobody names a file to say nothing."""
    try:
        value = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which holds no text.") from error
    if not value:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which is empty. Put back what was in it.")
    return value


def flag(name: str, default: bool = False) -> bool:
    value = text(name, str(default)).lower()
    if value not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ImproperlyConfigured(f"{name} must be yes or no, not “{value}”.")
    return value in {"1", "true", "yes", "on"}


def number(name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
    value = text(name, str(default))
    try:
        found = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not “{value}”.") from error
    if not least <= found <= most:
        raise ImproperlyConfigured(f"{name} must be a number from {least} to {most}, not “{value}”.")
    return found


def choice(name: str, default: str, among: Collection[str]) -> str:
    value = text(name, default)
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not “{value}”.")
    return value


def zone(name: str, default: str) -> str:
    value = text(name, default)
    if value not in available_timezones():
        raise ImproperlyConfigured(f"{name} must be a time zone such as Europe/Lisbon, not “{value}”.")
    return value


def networks(name: str) -> list[str]:
    """Hosts, and networks as CIDR."""
    found = words(name)
    for word in found:
        try:
            if "/" in word:
                ip_network(word.strip("[]"), strict=False)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: “{word}” is neither a host nor a network.") from error
    return found


def page(name: str, default: str) -> str:
    """The address of a page, without a slash at its end."""
    value = text(name, default).rstrip("/")
    parts = _parts(name, value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be an address such as https://care.example.com, not “{value}”.")
    return value


def redis(name: str, default: str) -> str:
    value = text(name, default)
    parts = _parts(name, value)
    if not (parts.path if parts.scheme == "unix" else parts.scheme in {"redis", "rediss"} and parts.hostname):
        raise ImproperlyConfigured(f"{name} must be redis://host:port/number, rediss://… or unix:///path.")
    return value


def _parts(name: str, url: str) -> SplitResult:
    """Of a URL that may hold a password, which is not repeated."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no address: its host or its port cannot be read.") from error
    return parts


def above_zero(given: str) -> float:
    """Of a command line: a number that is one, and more than nothing."""
    found = float(given)
    if not 0 < found <= 1_000_000:
        raise ValueError(given)
    return found


def words(name: str, default: str = "") -> list[str]:
    return [word for word in text(name, default or " ").replace(",", " ").split() if word]


def database(url: str) -> dict[str, object]:
    """Django's settings of a URL `postgresql://user:password@host:port/name?option=value`; host may be a socket
    folder by ?host=."""
    parts = _parts("DATABASE_URL", url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql://.")
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "NAME": unquote(parts.path.lstrip("/")) or "socialcare",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": options.pop("port", str(parts.port or "")),
        "OPTIONS": options,
    }


def mailer(url: str) -> dict[str, object]:
    """Django's settings of a mail URL: `smtp://user:password@host:587` (STARTTLS), `smtps://…` (TLS from the start) or
    `console:`, which prints mails into the log."""
    parts = _parts("MAIL_URL", url)
    if parts.scheme == "console":
        return {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured("MAIL_URL must be smtp://user:password@host:port, smtps://… or console:.")
    secure = parts.scheme == "smtps"
    options = {
        "host": parts.hostname,
        "port": parts.port or (465 if secure else 587),
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_ssl": secure,
        "use_tls": not secure,
        "timeout": 10,
    }
    return {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}
