"""The set-up as one text without secrets: to be kept, compared, and brought into another installation. What a file
names is made or changed, what it does not name stays; things are known by their names, because ids differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from connectors.models import Channel, Topic
from connectors.plain_settings import NotTaken
from connectors.text import read_json, storable, storable_json
from connectors.topics.query import QueryError
from inbox.models import Agent, Team
from inbox.models.event import recorded_together
from routing.fields import RuleError
from routing.models import Rule
from socialcare.history import Difference, Names, differences
from socialcare.people import Refused
from socialcare.sections import Section, Unfit

Document = Mapping[str, list[Mapping[str, Any]]]
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
    """What applying the text would do; changes nothing. It is done and taken back, so that what would be refused then
    is said now."""
    made = Plan()
    try:
        document = _read(text)
    except Unfit as unfit:
        return Plan(problems=[str(unfit)])
    names = Names(reader)
    for section in Section.in_order():
        for item in document[section.name]:
            try:
                section.check(item)
            except Unfit as unfit:
                made.problems.append(f"{_(section.label)}: {unfit}")
        if not made.problems:
            made.steps += _steps(section(), document[section.name], names)
    if not made.problems:
        made.problems += _tried(document, reader if reader.pk else None)
    return made


def _steps(section: Section, items: list[Mapping[str, Any]], names: Names) -> Iterator[Step]:
    there, said = section.known(), section.said
    for key, item in zip(section.keys(items), items, strict=True):
        was = there.get(key)
        differing = tuple(differences(said(was), said(section.merged(was, item)), names)) if was else ()
        yield Step(_(section.label), key, was is None, differing, "" if was else section.words(item))


class _TakenBack(Exception):
    """Ends a transaction that was only to be tried."""


def _tried(document: Document, by: Agent | None) -> list[str]:
    """What stands against it."""
    try:
        with transaction.atomic(), recorded_together():
            _keep(document, by)
            raise _TakenBack
    except _TakenBack:
        return []
    except Unfit as unfit:
        return [str(unfit)]


def apply(text: str, by: Agent | None) -> int:
    """Makes it so, all or nothing; returns how many things were made or changed. Unfit with the reason."""
    document = _read(text)
    with transaction.atomic(), recorded_together():
        return _keep(document, by)


def _keep(document: Document, by: Agent | None) -> int:
    _hold(by)
    done = 0
    for kind in Section.in_order():
        section = kind()
        for item in kind.arranged(document[kind.name]):
            kind.check(item)
            try:
                done += section.keep(item, by)
            except (Unfit, Refused, RuleError, QueryError, NotTaken) as refused:
                raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {refused}") from refused
            except DataError as error:
                raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {_('a value is too long.')}") from error
            except IntegrityError as error:
                raise Unfit(f"{_(kind.label)}, {kind.key(item)}: {_('something else has its name.')}") from error
    return done


def _hold(by: Agent | None) -> None:
    """All that is there is locked first and in the order in which those lock it who change one thing: later, one of
    them could hold what is needed here and wait for what is held. Whoever brought the file must still be an admin."""
    for model in (Team, Agent, Topic, Channel, Rule):
        list(model._default_manager.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if by and not Agent.objects.filter(pk=by.pk, is_admin=True, is_active=True).exists():
        raise Unfit(_("Your own rights changed meanwhile."))


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
    keys = kind.keys(item for item in items if next(iter(kind.fields)) in item)
    if twins := sorted({key for key in keys if keys.count(key) > 1}):
        raise Unfit(_("%(part)s: %(name)s stands there twice.") % {"part": _(kind.label), "name": twins[0]})
    return items
