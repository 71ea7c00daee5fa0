"""One log shape for all processes; whatever looks like a secret is blanked before it is written."""

import logging
import logging.config
import re
from typing import Any

import structlog
from django.core.exceptions import DisallowedHost

_SECRET_KEYS = re.compile(r"(?i)token|secret|password|authorization|cookie|api_?key|seal")
_SECRET_TEXT = re.compile(
    r"(?i)(bearer\s+|(?:access_token|refresh_token|client_secret|code|api_key|password)=)[^\s&\"']+|(://[^/\s:@]+:)[^@\s/]+@"
)


def redact(text: str) -> str:
    """The text without bearer tokens, secrets in query strings and passwords in URLs."""
    return _SECRET_TEXT.sub(lambda m: f"{m[1]}…" if m[1] else f"{m[2]}…@", text)


def _blank(_logger: Any, _method: str, event: Any) -> Any:
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "…"
        elif isinstance(value, str):
            event[key] = redact(value)
    return event


class Unmeant(logging.Filter):
    """Leaves out what we answer 503 on purpose and without an exception, such as every page before the set-up is done:
    the framework takes it for a fault. A line without a trace is enough for each request while the database is away,
    and for each under a name that is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        from socialcare.away import is_away  # needs the settings, which set up the log

        if record.exc_info and isinstance(record.exc_info[1], DisallowedHost):
            record.exc_info = None
            return True
        if record.exc_info and is_away(record.exc_info[1]):
            record.msg, record.exc_info = f"{record.msg} (the database does not answer)", None
            return True
        path = getattr(getattr(record, "request", None), "path", "")
        return getattr(record, "status_code", 0) != 503 or record.exc_info is not None or path == "/readyz"


def configure(shape: str, level: str) -> None:
    """Sets up logging for this process: `shape` is console or json, `level` a name of the logging module."""
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if shape == "console" else "iso")
    before: list[Any] = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, stamp]
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=False) if shape == "console" else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": before,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _blank,
            render,
        ],
    }
    quiet = {name: {"level": "WARNING"} for name in ("urllib3", "asyncio", "channels", "celery.redirected", "kombu")}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "filters": {"unmeant": {"()": Unmeant}},
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["out"], "level": level},
            "loggers": {
                **quiet,
                "django.request": {"level": "ERROR", "filters": ["unmeant"]},
                "django.security.DisallowedHost": {"filters": ["unmeant"]},
            },
        }
    )
