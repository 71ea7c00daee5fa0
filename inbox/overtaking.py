"""Two who have the same page of the set-up open: a form says which version of a thing it was made from, and where
somebody changed that since, nothing is kept before whoever sent the form has seen it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from inbox.setting import Setting


class Overtaken(Exception):
    """Somebody changed it since the page was made. Nothing was done."""


def version_of(thing: Setting | None) -> str:
    """Another one after each change; empty for what is not there. It tells nobody what the thing is like."""
    if thing is None or thing.pk is None:
        return ""
    said = json.dumps([thing.setting_kind, thing.pk, thing.as_setting()], sort_keys=True)
    return salted_hmac("version of a setting", said, algorithm="sha256").hexdigest()[:20]


def refuse_overtaken(thing: Setting | None, seen: str | None) -> None:
    """`thing`, locked, is still as it was `seen`. None: no page stands behind this change."""
    if seen is not None and seen != version_of(thing):
        raise Overtaken


def carry_version(form: forms.BaseForm, thing: Setting) -> None:
    form.fields["version"] = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    form.initial["version"] = version_of(thing)


def overtaken[F: forms.BaseForm](again: Callable[[QueryDict], F], sent: QueryDict) -> F | None:
    """The form with what was typed and with what stands there now in words; kept once more it takes its place. None
    when what was sent stands there already: the button was pressed twice. `again` makes the form from what was sent,
    for the thing as it is now."""
    given = sent.copy()
    form = again(given)
    given["version"] = form.initial["version"]
    differing = [form[name] for name in form.changed_data if _differs(form[name])]
    if form.is_valid() and not differing:
        return None
    form.add_error(None, _("Somebody changed this meanwhile. Keep yours to put it in its place, or reload."))
    for field in differing:
        form.add_error(None, _stands(field))
    return form


def _stands(field: BoundField) -> str:
    """What is there now; a secret is neither shown nor filled in again."""
    if getattr(field.field.widget, "input_type", "") == "password":
        return _("Enter this once more: %(field)s") % {"field": field.label}
    return _("%(field)s is now: %(value)s") % {"field": field.label, "value": _in_words(field)}


def _differs(field: BoundField) -> bool:
    """In more than how a browser ends its lines."""
    return str(field.data).split() != str(field.initial).split()


def _in_words(field: BoundField) -> Any:
    if isinstance(field.initial, bool):
        return _("yes") if field.initial else _("no")
    value = "" if field.initial is None else field.initial
    return dict(_choices(field)).get(str(value), value) or "–"


def _choices(field: BoundField) -> list[tuple[str, Any]]:
    return [(str(key), label) for key, label in getattr(field.field, "choices", ())]
