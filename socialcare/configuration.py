"""The set-up as one text without secrets: to be kept, compared, and brought into another installation. What a file
names is made or changed, what it does not name stays; things are known by their names, because ids differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from connectors.text import read_json, storable, storable_json
from connectors.topics.query import QueryError
from routing.fields import RuleError
from socialcare.history import Difference, Names, differences
from socialcare.people import Refused
from socialcare.sections import Section, Unfit

if TYPE_CHECKING:
    from inbox.models import Agent

FORMAT = 1
LONGEST = 2_000_000  # characters


@dataclass(frozen=True)
class Step:
    """What a file does to one thing. `is_new`: it is made; without differences it stays as it is."""

    section: str
    name: str
    is_new: bool
    differences: tuple[Difference, ...] = ()
    words: str = ""

    @property
    def does(self) -> bool:
        return self.is_new or bool(self.differences)


@dataclass
class Plan:
    """What a file would do, in order, and what stands against it; with problems nothing is done."""

    steps: list[Step] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def does(self) -> list[Step]:
        return [step for step in self.steps if step.does]

    @property
    def same(self) -> int:
        return len(self.steps) - len(self.does)


def as_text() -> str:
    """The whole set-up; the same set-up always gives the same text."""
    document = {"socialcare": FORMAT} | {section.name: section().items() for section in Section.in_order()}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def plan(text: str, reader: Agent) -> Plan:
    """What applying the text would do; changes nothing."""
    made = Plan()
    try:
        document = _read(text)
    except Unfit as unfit:
        return Plan(problems=[str(unfit)])
    names = Names(reader)
    for section in Section.in_order():
        there = section().known()
        for item in document[section.name]:
            try:
                section.check(item)
            except Unfit as unfit:
                made.problems.append(f"{_(section.label)}: {unfit}")
                continue
            key = section.key(item)
            was = there.get(key)
            said = section().said
            differing = tuple(differences(said(was), said({**was, **item}), names)) if was else ()
            made.steps.append(Step(_(section.label), key, was is None, differing, "" if was else section.words(item)))
    return made


def apply(text: str, by: Agent | None) -> int:
    """Makes it so, all or nothing; returns how many things were made or changed. Unfit or Refused with the reason."""
    document, done = _read(text), 0
    with transaction.atomic():
        for kind in Section.in_order():
            section = kind()
            for item in document[kind.name]:
                kind.check(item)
                try:
                    done += section.keep(item, by)
                except (Unfit, Refused, RuleError, QueryError) as refused:
                    raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {refused}") from refused
                except DataError as error:
                    raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {_('a value is too long.')}") from error
                except IntegrityError as error:
                    raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {_('something else has its name.')}") from error
    return done


def _read(text: str) -> dict[str, list[Mapping[str, Any]]]:
    if len(text) > LONGEST:
        raise Unfit(_("It is longer than two million characters."))
    try:
        document = read_json(text)
    except ValueError as error:
        raise Unfit(_("It is no JSON: %(why)s") % {"why": error}) from error
    except RecursionError as error:
        raise Unfit(_("It is nested too deeply.")) from error
    if storable(text) != text or storable_json(document) != document:
        raise Unfit(_("It holds characters that cannot be stored."))
    if not isinstance(document, dict) or document.get("socialcare") != FORMAT:
        raise Unfit(_("It is no configuration of this program (version %(n)d).") % {"n": FORMAT})
    if strange := sorted(document.keys() - {"socialcare", *Section.kinds()}):
        raise Unfit(_("It has parts that are not known: %(parts)s") % {"parts": ", ".join(strange)})
    return {name: _items(kind, document.get(name, [])) for name, kind in Section.kinds().items()}


def _items(kind: type[Section], items: Any) -> list[Mapping[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Unfit(_("%(part)s is no list of objects.") % {"part": kind.name})
    keys = [kind.key(item) for item in items if next(iter(kind.fields)) in item]
    if twins := sorted({key for key in keys if keys.count(key) > 1}):
        raise Unfit(_("%(part)s: %(name)s stands there twice.") % {"part": _(kind.label), "name": twins[0]})
    return items
