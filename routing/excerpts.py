"""The words of a post that met a condition, as they were written: what a trace shows of the text."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from inbox.foreign import clean
from inbox.why import MARKS
from routing.conditions import Condition, Post
from routing.words import LONGEST, in_place

EXCERPT = 60


class Excerpts:
    """Of one post; what they are cut from is made once, and only if one is asked for."""

    def __init__(self, post: Post) -> None:
        self.post = post

    def of(self, leaf: Condition) -> str:
        """The first of the leaf's words between MARKS, with what stands around it; what is cut ends in an ellipsis."""
        met = leaf.words() & self.post.found
        if not met:
            return ""
        word = min(met)
        begin, end = self._where(word)
        if begin == end:  # written in letters that only the normal form makes equal
            return word.strip().join(MARKS)
        before, after = self._text[:begin], self._text[end:]
        if len(before) > EXCERPT // 2:
            before = "… " + before[-EXCERPT // 2 :].partition(" ")[2]
        if len(after) > EXCERPT:
            after = after[:EXCERPT].rpartition(" ")[0] + " …"
        return before + self._text[begin:end].join(MARKS) + after

    @cached_property
    def _text(self) -> str:
        return " ".join(clean(self.post.facts.text[:LONGEST]).split())

    @cached_property
    def _in_place(self) -> str:
        return f" {in_place(self._text)} "

    def _where(self, word: str) -> tuple[int, int]:
        """Begin and end in the text. Most words stand there as their pattern says; an expression for each, which also
        finds phrases with other signs between, takes as long to make as all the rest of a trace."""
        begin = self._in_place.find(word)
        if begin >= 0:
            return begin, self._in_place.index(" ", begin + len(word.rstrip())) - 1
        met = _as_written(word).search(self._text)
        return met.span() if met else (0, 0)


@lru_cache(maxsize=1_000)
def _as_written(word: str) -> re.Pattern[str]:
    """Finds the word of a rule in a text that is not normalised."""
    words = r"[\W_]+".join(map(re.escape, word.split()))
    end = r"(?!\w)" if word.endswith(" ") else r"\w*"
    return re.compile(rf"(?<!\w){words}{end}", re.IGNORECASE)
