"""What an admin sets up, as plain values: the event of a change carries how it was and how it is, so that the history
shows the difference and can put it back, and the configuration file says the same."""

from __future__ import annotations

from typing import Any, Protocol

from inbox.happenings import SetUpChanged


class Setting(Protocol):
    """A model that admins set up. `as_setting` gives no secret and only what JSON can hold; rows it refers to by id."""

    pk: Any

    @property
    def setting_kind(self) -> str: ...

    def as_setting(self) -> dict[str, Any]: ...


def made(what: str, thing: Setting) -> SetUpChanged:
    return SetUpChanged(what, thing.setting_kind, thing.pk, None, thing.as_setting())


def changed(what: str, thing: Setting, was: dict[str, Any] | None) -> SetUpChanged:
    """`thing` is as it is now; `was`: `as_setting` of before, None when it is new."""
    return SetUpChanged(what, thing.setting_kind, thing.pk, was, thing.as_setting())


def removed(what: str, thing: Setting, key: int) -> SetUpChanged:
    """`key`: its id, which the removal took from it."""
    return SetUpChanged(what, thing.setting_kind, key, thing.as_setting(), None)
