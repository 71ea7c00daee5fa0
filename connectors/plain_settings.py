"""A channel's settings as they are told to the history and to the configuration file, and as they come back from there:
without the secrets that an address may hold, and held to what the network's own form takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from connectors.base import Connector, Field
from connectors.redaction import WORD, redacted


class NotTaken(ValueError):
    """These settings cannot be; the message is for the person who brought them."""


def told(network: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What people typed into the form of the network and is no secret."""
    return {name: _covered(settings[name]) for name in _open(network) if name in settings}


def is_covered(value: Any) -> bool:
    """Whether a secret was taken out of it, so that it is no address any more."""
    return WORD in str(value)


def taken(network: str, given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What of the given settings is another than what is stored, as the form would keep it. An address whose secret
    was taken out says nothing, so the stored one stays."""
    fields, same = _open(network), told(network, stored)
    for name in given:
        if name not in fields:
            raise NotTaken(_unknown(network, name))
    new = {name: value for name, value in given.items() if value != same.get(name) and not is_covered(value)}
    return {name: _cleaned(fields[name], value) for name, value in new.items()}


def _open(network: str) -> dict[str, Field]:
    """The fields that are no secret; none of a network that this program does not know any more."""
    kind = Connector.kinds().get(network)
    return {field.name: field for field in kind.form if not field.secret} if kind else {}


def _covered(value: Any) -> Any:
    if isinstance(value, list):
        return [_covered(each) for each in value]
    return redacted(value) if isinstance(value, str) and "://" in value else value


def _unknown(network: str, name: str) -> str:
    secret = any(field.name == name for field in Connector.named(network).form)
    if secret:
        return _("“%(name)s” is a secret: it is entered on the page of the channel and stands in no file.") % {
            "name": name
        }
    return _("There is no setting “%(name)s”.") % {"name": name}


def _cleaned(field: Field, value: Any) -> Any:
    from connectors.forms import form_field, plain_value, shown_value

    if isinstance(value, list) and (field.kind != "lines" or not all(isinstance(line, str) for line in value)):
        raise NotTaken(_("“%(name)s” is of another type.") % {"name": field.name})
    try:
        kept = form_field(field).clean(shown_value(field, value)) if value not in ("", []) else value
    except ValidationError as error:
        raise NotTaken(f"“{field.name}”: {' '.join(error.messages)}") from error
    return value if field.kind == "lines" else plain_value(field, kept)
