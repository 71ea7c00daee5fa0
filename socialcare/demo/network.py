"""The state of the demo network: posts, changes in order, our answers with their keys, faults on order. All of it
follows from the seed, the clock and what was asked; a journal lets it go on after a restart, so that an id never
means two posts."""

import hashlib
import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import RLock

from socialcare.demo.posts import JSON, Plan, Said
from socialcare.demo.world import AFTERTHOUGHT, Person, a_topic, person_called, reaction, someone, something

BRAND = "brand"
ASLEEP = timedelta(minutes=3)
"""Nobody asked for so long: the network's talk stood still meanwhile, instead of coming all at once."""


def clock() -> datetime:
    return datetime.now(UTC)


class Network:
    """`pace`: new conversations a minute. `history`: posts that were there before. Safe to be asked by several
    threads."""

    def __init__(
        self,
        seed: int = 1,
        pace: float = 2.0,
        history: int = 0,
        now: Callable[[], datetime] = clock,
        journal: Path | None = None,
    ) -> None:
        self.random, self.pace, self.now, self.journal = Random(seed), pace, now, journal  # noqa: S311
        self.posts: dict[str, Said] = {}
        self.order: list[str] = []
        """Id by change number − 1; a post appears once for each of its changes."""
        self.keys: dict[str, str] = {}
        self.files: dict[str, JSON] = {}
        self.bodies: dict[str, bytes] = {}
        self.plans: list[Plan] = []
        self.planned = 0
        self.token_broken = False
        self.lock = RLock()
        self.asked_at = now()
        if not self._recall() and history:
            self._history(history)
        self._plan(self._pause(), "start")

    # What happens by itself

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        with self.lock:
            now = self.now()
            if now - self.asked_at > ASLEEP:
                slept = now - self.asked_at
                self.plans = [Plan(plan.at + slept, plan.number, plan.what, plan.post) for plan in self.plans]
            self.asked_at = now
            while self.plans and self.plans[0].at <= now:
                self._happen(heapq.heappop(self.plans))

    def _happen(self, plan: Plan) -> None:
        post = self.posts.get(plan.post)
        if plan.what == "start":
            if self.pace:
                self.strike_up(plan.at)
            self._plan(self._pause(), "start", at=plan.at)
        elif post is None or post.deleted:
            return
        elif plan.what == "edit":
            self.edit(post.id, f"{post.text} {AFTERTHOUGHT.get(post.lang, AFTERTHOUGHT['en'])}", plan.at)
        elif plan.what == "delete":
            self.delete(post.id)
        elif plan.what == "react":
            theirs = self.posts[post.reply_to or ""]
            self._add(theirs.author, reaction(self.random, theirs.lang), theirs.lang, plan.at, reply_to=post.id)

    def strike_up(self, at: datetime) -> Said:
        """Somebody says something; now and then they will correct or remove it."""
        topic = a_topic(self.random)
        person = someone(self.random, topic)
        text, lang = something(self.random, topic, person.lang)
        post = self._add(_author(person), text, lang, at, topic=topic)
        fate = self.random.random()
        if fate < 0.06:
            self._plan(self.random.uniform(40, 400), "edit", post.id, at)
        elif fate < 0.09:
            self._plan(self.random.uniform(60, 900), "delete", post.id, at)
        return post

    def _history(self, count: int) -> None:
        start = self.now() - timedelta(hours=60)
        for number in range(count):
            self.strike_up(start + timedelta(hours=60) * (number + self.random.random()) / count)
        self.plans.clear()

    def _plan(self, seconds: float, what: str, post: str = "", at: datetime | None = None) -> None:
        self.planned += 1
        heapq.heappush(self.plans, Plan((at or self.now()) + timedelta(seconds=seconds), self.planned, what, post))

    def _pause(self) -> float:
        return self.random.expovariate(self.pace / 60) if self.pace else 5.0

    # What is done by somebody

    def say(
        self, person: str, text: str, reply_to: str | None = None, lang: str = "", at: datetime | None = None
    ) -> Said:
        """A given text by a given person, now."""
        who = person_called(person)
        return self._add(_author(who), text, lang or who.lang, at or self.now(), reply_to=reply_to)

    def upload(self, kind: str, description: str, body: bytes) -> str:
        """Takes a file, which nobody sees before a post names it; the same file again is the same."""
        name = hashlib.sha256(f"{kind} {description} ".encode() + body).hexdigest()[:16]
        self.files[name] = {"id": name, "type": kind, "description": description}
        if self.journal:
            place = self._place(name)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(body)
        else:
            self.bodies[name] = body
        return name

    def body(self, name: str) -> bytes:
        """The bytes of a file; KeyError when there is none."""
        if name not in self.files:
            raise KeyError(name)
        return self._place(name).read_bytes() if self.journal else self.bodies[name]

    def _place(self, name: str) -> Path:
        journal = self.journal or Path()
        return journal.with_name(f"{journal.name}-files") / name

    def answer(self, text: str, reply_to: str, key: str, author: str = BRAND, media: Sequence[str] = ()) -> Said:
        """Our reply. The same key gives the first reply again; KeyError when the parent is gone, ValueError when a
        file was not brought before."""
        hanging = [self.files[name] for name in media if name in self.files]
        if len(hanging) != len(media):
            raise ValueError("a file that nobody brought")
        with self.lock:
            if key and key in self.keys:
                return self.posts[self.keys[key]]
            parent = self.posts[reply_to]
            if parent.deleted:
                raise KeyError(reply_to)
            post = self._add(_brand(author), text, parent.lang, self.now(), reply_to=reply_to, key=key, media=hanging)
            if self.pace and parent.author["id"] != author:
                self._plan(self.random.uniform(20, 60) / max(self.pace / 2, 0.1), "react", post.id)
            return post

    def edit(self, post_id: str, text: str, at: datetime | None = None) -> Said:
        with self.lock:
            post = self.posts[post_id]
            post.text, post.edited_at = text, (at or self.now()).isoformat()
            return self._changed(post)

    def delete(self, post_id: str) -> Said:
        with self.lock:
            self.posts[post_id].deleted = True
            return self._changed(self.posts[post_id])

    def set_mark(self, post_id: str, mark: str, on: bool) -> Said:
        """`mark`: liked or hidden."""
        with self.lock:
            setattr(self.posts[post_id], mark, on)
            return self._changed(self.posts[post_id])

    # What is asked

    def changes(self, after: int, limit: int) -> tuple[list[Said], int, bool]:
        """Posts whose latest change lies in the next `limit` changes after a number, the new number, and whether
        there is more."""
        with self.lock:
            until = min(after + limit, len(self.order))
            found = [self.posts[self.order[place]] for place in range(max(after, 0), until)]
            latest = [post for place, post in enumerate(found, start=max(after, 0) + 1) if post.change == place]
            return latest, until, until < len(self.order)

    def number_at(self, since: datetime) -> int:
        """The number after which everything said since then is found."""
        with self.lock:
            said = (datetime.fromisoformat(self.posts[one].created_at) >= since for one in self.order)
            return next((place for place, new in enumerate(said) if new), len(self.order))

    def own(self) -> list[Said]:
        """What the brand said and did not remove, the newest first."""
        with self.lock:
            posts = list(self.posts.values())
        return [post for post in reversed(posts) if post.author["id"] == BRAND and not post.deleted]

    def ancestors(self, post_id: str) -> list[Said]:
        above: list[Said] = []
        parent = self.posts[post_id].reply_to
        while parent is not None and len(above) < 100:
            above.append(self.posts[parent])
            parent = self.posts[parent].reply_to
        return above[::-1]

    def ledger(self) -> JSON:
        """Everything there is and was made, for stories and tests to compare with."""
        with self.lock:
            posts = [post.shown() | {"topic": post.topic, "key": post.key} for post in self.posts.values()]
            return {"posts": posts, "changes": len(self.order), "pace": self.pace, "token_broken": self.token_broken}

    # How it is kept

    def _add(
        self,
        author: JSON,
        text: str,
        lang: str,
        at: datetime,
        reply_to: str | None = None,
        topic: str = "",
        key: str = "",
        media: Sequence[JSON] = (),
    ) -> Said:
        with self.lock:
            post_id = f"d{len(self.posts) + 1}"
            root = self.posts[reply_to].root if reply_to else post_id
            post = Said(post_id, author, text, lang, at.isoformat(), 0, reply_to, root, topic=topic, key=key)
            post.media = list(media)
            self.posts[post_id] = post
            if key:
                self.keys[key] = post_id
            return self._changed(post)

    def _changed(self, post: Said) -> Said:
        self.order.append(post.id)
        post.change = len(self.order)
        if self.journal:
            with self.journal.open("a") as journal:
                journal.write(json.dumps(asdict(post)) + "\n")
        return post

    def _recall(self) -> bool:
        """What the journal holds; a last line cut by a crash never happened."""
        if self.journal is None or not self.journal.exists():
            return False
        lines = self.journal.read_text().split("\n")
        whole = lines[:-1]
        self.journal.write_text("".join(f"{line}\n" for line in whole))
        for line in whole:
            post = Said(**json.loads(line))
            self.posts[post.id] = post
            self.order.append(post.id)
            self.files.update({each["id"]: each for each in post.media})
            if post.key:
                self.keys[post.key] = post.id
        # The same seed would go on to say what it said before; where it stopped makes it say something new.
        self.random.seed(f"{self.random.random()}:{len(self.order)}")
        return bool(whole)


def _author(person: Person) -> JSON:
    return {"id": person.id, "name": person.name, "handle": person.id, "followers": person.followers}


def _brand(account: str) -> JSON:
    return {"id": account, "name": account.capitalize(), "handle": account, "followers": 5_000}
