"""What the review services share: stars, one public answer that takes the place of any before it, and writers who are
display names and nobody we could know again. A repeat of an answer writes the same once more, so nothing is in doubt
for long; what an answer must not do is to overwrite a colleague's, so the review is read before."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from connectors.answers import Answer
from connectors.base import (
    JSON,
    MAPPING,
    Absent,
    Author,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Connector,
    Deleted,
    Done,
    Found,
    Gap,
    Gone,
    Invalid,
    Outgoing,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    Sent,
    Source,
    Unreadable,
    Verb,
    Withheld,
)
from connectors.by_number import Standings, standing_of
from connectors.newest_first import Walk
from connectors.text import lines, normalised

WINDOW, MONTH, DAY = timedelta(hours=48), timedelta(days=30), 86_400
REPLY = "/reply"
_OTHER = "Somebody else answered this review meanwhile; another answer would replace theirs."
_ONE = "A review takes one answer, and it has it. Correct that one instead."


@dataclass(frozen=True, slots=True)
class Review:
    """A review, when it last changed, and its answer. `answer_id`: what the service calls the answer, where it does."""

    post: Post
    changed: datetime
    answer: Post | None = None
    answer_id: str = ""

    def __post_init__(self) -> None:
        """Other stars are another version, also where the words stay."""
        said = json.dumps([self.post.version, str(self.post.rating or "")])
        version = hashlib.sha256(said.encode()).hexdigest()[:32]
        object.__setattr__(self, "post", replace(self.post, version=version))


class Place:
    """The place in one list. Once a day it is read a month back, because not every service tells what was edited."""

    def __init__(self, walk: Walk, daily: int) -> None:
        self.walk, self.daily = walk, daily

    @classmethod
    def read(cls, cursor: JSON | None, now: datetime) -> "Place":
        if cursor is None:
            return cls(Walk.read(None, now, WINDOW), 0)
        try:
            return cls(Walk.read(dict(cursor["walk"]), now, WINDOW), int(cursor["daily"]))
        except (KeyError, TypeError, ValueError):
            return cls(Walk.read({}, now, WINDOW), 0)

    def begin(self, now: datetime) -> None:
        if not self.walk.at and now.timestamp() - self.daily >= DAY:
            self.walk.floor, self.daily = min(self.walk.floor, now - MONTH), int(now.timestamp())
            self.walk.tops = ("", "")  # a first page without change says nothing of edits on those after it

    def kept(self) -> JSON:
        return {"walk": self.walk.kept(), "daily": self.daily}


class Reviews(Connector):
    """A review service. Subclasses say where reviews are listed, looked at and answered."""

    mergeable = False
    keyed = True
    follows = 5  # of one request each
    subjects: ClassVar[str] = ""
    """The field of the form with the apps or places whose reviews are read, one a line."""
    reach: ClassVar[timedelta | None] = None
    """How far back the list goes; None: as far as there are reviews."""
    removable: ClassVar[bool] = True
    """Whether an answer can be taken back."""

    @abstractmethod
    def _page(self, subject: str, token: str, now: datetime) -> tuple[list[Any], str, Answer]:
        """A page of reviews, newest first, the token of the next one, and the answer they came in."""

    @abstractmethod
    def _review(self, item: Any, subject: str, source: str) -> Review: ...

    @abstractmethod
    def _look(self, one: str, now: datetime | None) -> Review:
        """A review as it stands now; Gone."""

    @abstractmethod
    def _write(self, review: Review, text: str, now: datetime | None) -> None:
        """Answers, or replaces the answer: one request."""

    def _erase(self, review: Review) -> None:
        raise NotImplementedError

    @property
    def _subjects(self) -> list[str]:
        return lines(self.settings.get(self.subjects))

    def listening(self) -> tuple[Source, ...]:
        one = self.sources[0]
        return tuple(
            replace(one, name=f"{one.name}:{each}", label=f"{one.label} of {each}"[:200]) for each in self._subjects
        )

    # Listening

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        place, subject = Place.read(cursor, now), source.partition(":")[2]
        gaps = place.walk.gaps + self._out_of_reach(place, now)
        while not budget.spent and not place.walk.ended:
            budget.spend()
            place.begin(now)
            items, onward, answer = self._next(place, subject, now)
            reviews, bad = self._mapped(items, subject, source)
            repeats = place.walk.reached(items, [each.changed for each in reviews], onward, now)
            posts = sorted(self._posts(reviews, place.walk.since), key=lambda post: (post.created_at, post.external_id))
            yield Page(posts=tuple(posts), bad=tuple(bad), cursor=place.kept(), end=place.walk.ended, rate=answer.rates,
                       gaps=gaps, repeats=repeats)  # fmt: skip
            gaps = ()

    def _out_of_reach(self, place: Place, now: datetime) -> tuple[Gap, ...]:
        """What was told while nobody read, and is told no more. Once a day the whole list is read."""
        read = datetime.fromtimestamp(place.daily, UTC)
        if self.reach is None or not place.daily or place.walk.at or read > now - self.reach:
            return ()
        words = f"{self.label} gives those of the last {self.reach.days} days only."
        return (Gap(read, now - self.reach, words),)

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return {"walk": Walk.again(since), "daily": int(now.timestamp())}

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=self.again(source, cursor, since, now), newest_first=False)

    def _next(self, place: Place, subject: str, now: datetime) -> tuple[list[Any], str, Answer]:
        """The next page; from the newest again, if the service does not know the token any more."""
        try:
            return self._page(subject, place.walk.at, now)
        except Invalid:
            if not place.walk.restart():
                raise
        return self._page(subject, "", now)

    def _mapped(self, items: Sequence[Any], subject: str, source: str) -> tuple[list[Review], list[Bad]]:
        reviews, bad = list[Review](), list[Bad]()
        for place, item in enumerate(items):
            try:
                reviews.append(self._review(item, subject, source))
            except MAPPING as error:
                bad.append(Bad(self._id_of(item), f"{type(error).__name__}: {error}", item, place))
        return reviews, bad

    @staticmethod
    def _id_of(item: Any) -> str | None:
        found = (item.get("name") or item.get("reviewId") or item.get("id")) if isinstance(item, dict) else None
        return str(found) if found else None

    @staticmethod
    def _posts(reviews: Sequence[Review], since: datetime) -> Iterator[Post]:
        """Each review and its answer; one that changed lately is news, however old it is."""
        for each in reviews:
            yield replace(each.post, history=each.changed < since)
            if each.answer is not None:
                yield replace(each.answer, history=each.changed < since)

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        def ask(asked: list[str]) -> Standings:
            try:
                review = self._look(asked[0].removesuffix(REPLY), now)
            except MAPPING:
                return []  # told oddly, it stays as it stands
            return [(review.answer or Deleted(asked[0])) if asked[0].endswith(REPLY) else review.post]

        return standing_of(ids, 1, ask)

    # Answering

    def send(self, outgoing: Outgoing) -> Sent:
        parent = outgoing.parent
        review = self._looked_at(parent.external_id, outgoing.sending_at)
        sent = Sent(parent.external_id + REPLY, parent.url)
        if review.answer is None:
            self._write(review, outgoing.text, outgoing.sending_at)
        elif normalised(review.answer.text) != normalised(outgoing.text):
            raise PolicyRefused(_OTHER, rule="answered", url=parent.url)
        return sent  # where it stands already, it is our own earlier try

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        one = outgoing.parent.external_id + REPLY
        try:
            answer = self._looked_at(outgoing.parent.external_id, outgoing.sending_at).answer
        except Gone:
            return Absent()
        ours = answer is not None and normalised(answer.text) == normalised(outgoing.text)
        return Found(one, outgoing.parent.url) if ours and one not in outgoing.bound else Absent()

    def _looked_at(self, one: str, now: datetime | None) -> Review:
        try:
            return self._look(one, now)
        except MAPPING as error:
            raise Unreadable("The review cannot be read.") from error

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        if verb not in ("edit", "delete") or (verb == "delete" and not self.removable):
            return super().do(verb, post, text)
        review = self._looked_at(post.external_id.removesuffix(REPLY), None)
        answer = review.answer
        if answer is None:
            if verb == "delete":
                return Done()
            raise Gone("The answer is no longer there.", what=post.external_id)
        if normalised(answer.text) not in (normalised(post.text), normalised(text)):
            raise PolicyRefused(_OTHER, rule="answered", url=post.url)
        if verb == "delete":
            self._erase(review)
        else:
            self._write(review, text, None)
        return Done()

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state in (PostState.DELETED, PostState.WITHHELD):
            return {"reply": Capability(False, "The review is no longer there.", hand_off=post.url)}
        able, once = Capability(True, hand_off=post.url), Capability(False, _ONE, hand_off=post.url)
        if post.ours:
            own: dict[Verb, Capability] = {"reply": once, "edit": able}
            return {**own, "delete": able} if self.removable else own
        return {"reply": once if post.grants.get("answered") else able}


def stars(value: Any) -> Decimal | None:
    """One to five; anything else is no rating."""
    number = int(value) if value is not None and not isinstance(value, bool) else 0
    return Decimal(number) if 1 <= number <= 5 else None


def time_of(value: Any) -> datetime:
    """A time as ISO, or as an object of seconds and nanoseconds."""
    if isinstance(value, dict):
        return datetime.fromtimestamp(int(value["seconds"]), UTC)
    time = datetime.fromisoformat(value)
    return time.replace(tzinfo=time.tzinfo or UTC)


def named(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError("no id")
    return str(value)


def writer(review: str, name: Any, picture: Any = "") -> Author:
    """Names on reviews are not unique and change, so each review has a writer of its own."""
    return Author(external_id=f"review/{review}", name=str(name or ""), avatar_url=str(picture or ""))


def answer_to(review: Post, text: Any, at: datetime) -> Post:
    """The answer that stands below a review. Services tell one per review and not who of us wrote it."""
    return Post(
        external_id=review.external_id + REPLY,
        kind=PostKind.REPLY,
        source=review.source,
        author=Author(external_id="ours"),
        text=str(text or ""),
        created_at=at,
        parent_id=review.external_id,
        root_id=review.external_id,
        url=review.url,
        ours=True,
    )
