"""Every kind of exclusion, one class each: what is typed for it, and the query that finds what it hides. Adding a kind
is adding a class here."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connectors.topics.tree import Field, Phrase, Tree, Word
from connectors.topics.words import has_letters
from socialcare.kinds import Kind

LONGEST = 200
_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:www\.)?([^\s/:?#@]+\.[^\s/:?#@.]{2,})(?:[/:?#]\S*)?", re.IGNORECASE)


class HidingError(ValueError):
    """What was typed hides nothing that could be; the message is for the person who typed it."""


class Hiding(Kind, scan="connectors.topics.hiding"):
    """`read` gives what is stored of what was typed, or raises HidingError; `tree` the query of it."""

    label: ClassVar[Any]
    hint: ClassVar[Any]
    place: ClassVar[int]  # in the form

    @classmethod
    def read(cls, typed: str) -> str:
        text = " ".join(typed.split())
        if not text:
            raise HidingError(_("Say what is to be hidden."))
        if len(text) > LONGEST:
            raise HidingError(_("At most %d characters.") % LONGEST)
        return cls.meant(text)

    @classmethod
    def meant(cls, text: str) -> str:
        raise NotImplementedError

    @classmethod
    def tree(cls, text: str) -> Tree:
        raise NotImplementedError


class ByPhrase(Hiding):
    name, place, label = "phrase", 1, gettext_lazy("Word or phrase")
    hint = gettext_lazy("Whole words side by side; * stands for any letters: giveaway, win a voucher*")

    @classmethod
    def meant(cls, text: str) -> str:
        text = text.strip('"“”„«»').strip()
        if not has_letters(text):
            raise HidingError(_("There is no letter or digit to look for."))
        return text

    @classmethod
    def tree(cls, text: str) -> Tree:
        return Phrase(text) if any(map(str.isspace, text)) else Word(text)


class ByAuthor(Hiding):
    name, place, label = "author", 2, gettext_lazy("Author")
    hint = gettext_lazy("@carla is a handle, carla a handle or a name")

    @classmethod
    def meant(cls, text: str) -> str:
        if not has_letters(text):
            raise HidingError(_("There is no letter or digit to look for."))
        return text

    @classmethod
    def tree(cls, text: str) -> Tree:
        return Field("author", text)


class ByDomain(Hiding):
    name, place, label = "domain", 3, gettext_lazy("Domain")
    hint = gettext_lazy("deals.example: posts there, and posts that link there; its subdomains too")

    @classmethod
    def meant(cls, text: str) -> str:
        found = _HOST.fullmatch(text)
        if found is None:
            raise HidingError(_("A domain has a dot and no blank, as in deals.example."))
        return found[1].lower()

    @classmethod
    def tree(cls, text: str) -> Tree:
        return Field("domain", text)


class BySnippet(Hiding):
    name, place, label = "snippet", 4, gettext_lazy("Piece of text")
    hint = gettext_lazy("Exactly these characters, also inside words; large or small letters are the same")

    @classmethod
    def meant(cls, text: str) -> str:
        if len(text) < 3:
            raise HidingError(_("At least three characters: fewer stand in nearly every post."))
        return text

    @classmethod
    def tree(cls, text: str) -> Tree:
        return Field("snippet", text)
