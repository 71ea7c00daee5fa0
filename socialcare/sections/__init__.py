"""The parts of the configuration file, one class each: which things there are, how each is written, and how it is
kept. Every change goes through the door a person would use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext as _

from socialcare.kinds import Kind

if TYPE_CHECKING:
    from inbox.models import Agent

Item = Mapping[str, Any]


class Unfit(Exception):
    """The file cannot be used; the message is for the person who brought it."""


class Section(Kind, scan="socialcare.sections"):
    """`fields`: what an item may hold, each with its type; the first one is the name it is known by."""

    order: ClassVar[int]
    fields: ClassVar[Mapping[str, type | tuple[type, ...]]]

    @classmethod
    def in_order(cls) -> list[type[Section]]:
        """Those that others refer to come first."""
        return sorted(cls.kinds().values(), key=lambda kind: kind.order)

    @classmethod
    def key(cls, item: Item) -> str:
        return str(item[next(iter(cls.fields))])

    @classmethod
    def check(cls, item: Item) -> None:
        """Unfit unless the item holds its name and nothing but known fields of their types."""
        first = next(iter(cls.fields))
        if not isinstance(item.get(first), str) or not item[first]:
            raise Unfit(_("an item has no “%(field)s”.") % {"field": first})
        for name, value in item.items():
            if name not in cls.fields:
                raise Unfit(
                    _("%(item)s has a field that is not known: %(field)s") % {"item": item[first], "field": name}
                )
            if not isinstance(value, cls.fields[name]):
                raise Unfit(_("%(item)s: “%(field)s” is of another type.") % {"item": item[first], "field": name})

    @classmethod
    def words(cls, item: Item) -> str:
        """What is left to do by hand once it is made, or ""."""
        return ""

    @classmethod
    def arranged(cls, items: Sequence[Item]) -> Sequence[Item]:
        """In the order in which they are kept."""
        return items

    def items(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def merged(self, was: Item, item: Item) -> Item:
        """What becomes of a thing by its item: what the item does not name stays."""
        return {**was, **item}

    def said(self, item: Item) -> Item:
        """The item as the history puts it in words."""
        return item

    @classmethod
    def keys(cls, items: Iterable[Item]) -> list[str]:
        """Of each item what it is known by."""
        return [cls.key(item) for item in items]

    def known(self) -> dict[str, dict[str, Any]]:
        found = self.items()
        return dict(zip(self.keys(found), found, strict=True))

    def keep(self, item: Item, by: Agent | None) -> bool:
        """Makes or changes it; False when it was so already."""
        raise NotImplementedError


def one[T](found: Any, name: str) -> Any:
    """The row of that name; Unfit when there is none."""
    if (row := found.first()) is None:
        raise Unfit(_("There is nothing called “%(name)s” here.") % {"name": name})
    return row


def kept(done: bool) -> bool:
    """Unfit when somebody else was quicker."""
    if not done:
        raise Unfit(_("Somebody changed it at this moment."))
    return True
