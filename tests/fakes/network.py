"""What the contract suite needs of every fake network: a ledger, people who speak, edit and delete, faults on order,
and traits that say where the network differs from the rest."""

import json
import re
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from connectors.base import Budget, Connector, Secrets
from connectors.http import Seam
from tests.fakes.server import FakeServer, Reply

CANARY = "canary-4f1c9e77"
MADE, SLOW, NO_GRANT = "made, unanswered", "slow", "no grant"
FAULTS = {
    "429": Reply(429, {"error": "x"}),
    "429 with wait": Reply(429, {"error": "x"}, {"Retry-After": "40"}),
    "401": Reply(401, {"error": "x"}),
    "403": Reply(403, {"error": "x"}),
    "404": Reply(404, {"error": "x"}),
    "422": Reply(422, {"error": "texte traduit"}),
    "500": Reply(500, {"error": "x"}),
    "502 page": Reply(502, "<html>Bad gateway</html>"),
    "503 with wait": Reply(503, "", {"Retry-After": "40"}),
    "redirect": Reply(302, "", {"Location": "http://127.0.0.1:1/elsewhere"}),
    "sign-in page": Reply(200, "<html><body>Please sign in</body></html>", {"Content-Type": "text/html"}),
    "wrong type": Reply(200, "17", {"Content-Type": "application/json"}),
    "error in 200": Reply(200, {"error": "not today"}),
    "cut": Reply(200, '[{"id": "1", "text": "' + "x" * 500, manner="cut"),
    "huge": Reply(200, b"[" + b" " * 11_000_000 + b"]"),
    "hang": Reply(manner="hang"),
    "reset": Reply(manner="reset"),
    "trickle": Reply(200, "[" + " " * 1_000 + "]", manner="trickle"),
}
MADE = "made, unanswered"


ALONE = 20.0
"""Seconds in which nobody else may renew, because whoever does is known to be alive or holds the lease."""


class Ledger:
    """A fake network as the contract suite sees it, whatever it speaks. `FakeNetwork` is the one over HTTP.

    A subclass gives `name`, `source` (what is polled), `secrets` (with CANARY in them), `settings()`, `facts()` and

    - `say(text, person, parent) -> id`, `edit(id, text)`, `delete(id)`: people on the network. A network without
      threads ignores `parent`.
    - `spoil()`: an item that cannot be mapped; `odd() -> id`: one with unknown, null and mistyped fields.
    - `ids()`: what reading has to bring; `made()`: what we posted.
    - `stuck`: when True, a server that answers the same for ever.

    `lock` is held whenever the ledger is read or changed, so that a drill may speak on one thread while the server
    answers on others.

    Over another transport than HTTP it also gives `order`, `requests`, `writings`, `vanish`, `close` and, where it
    keeps exchanges in `kept`, `is_itself(url)`.

    Traits, each with the value most networks have:"""

    name = source = ""
    secrets = {}

    writes = True
    """Replies may be posted."""
    tells_edits = True
    """`edit` shows in refresh() or in the next poll. False: the network has no edits, or keeps them to itself."""
    tells_deletions = True
    """A deletion shows in refresh() or in the next poll."""
    quarantines = True
    """spoil() leads to a Bad. False: what is missing in an item has a stand-in."""
    gap_on_bad_cursor = True
    """A cursor that cannot be used leads to a Gap. False: every poll reads all there is."""
    tells_own = True
    """refresh() gives our own post back."""
    tells_others = True
    """refresh() gives posts of others back, as many as are asked for. False: it gives none."""
    parent_may_be_gone = True
    """send() to a deleted post is Gone. False: whether the parent is there is not for us to know."""
    looks_back = True
    """find() gives Found or Absent. False: CannotKnow may be said."""
    waits = True
    """The "… with wait" faults say how long to wait, 40 seconds or more."""
    spoils = False
    """A request that names several posts is refused for one of them that we may not see. False: it is left out."""
    page_requests = 1
    """Requests one page takes."""
    most_polls = 8
    """Polls, each with requests for one page, that must be enough for 191 posts, the first of them an hour old."""
    forgets = False
    """It keeps no week for who was away."""
    taken_reads = frozenset()
    """Faults that a read gets over by itself."""
    taken_answers = frozenset()
    """Faults of a write that are no fault here: the reply counts as sent."""
    takes_files = False
    """Answers may carry pictures. Then `attached(made)` gives those of one of `made()`, in order, each as its bytes
    and its description (None where the network keeps none)."""
    uploads = ()
    """How the paths of requests begin that bring a file before the answer; () where files travel with the answer."""
    refuses_renewal = "401"
    """The fault with which it says that access is not renewed; NO_GRANT where that is OAuth."""
    leaks = ("401", "500", "sign-in page")
    """Faults whose words and exchanges are searched for secrets."""
    read_faults = {}
    """Fault name → set of classes, where this network's reads differ from READS of the suite."""
    write_faults = {}
    """The same for writes."""

    def __init__(self):
        self.kept, self.number, self.stuck, self.lock = [], 0, False, threading.RLock()
        self.start = datetime.now(UTC) - timedelta(hours=1)
        self.live = False  # whether what is said now is of now, and not a second later than the post before it
        self.skew = timedelta(0)  # how far its clock is ahead of ours
        self.web = {}  # what it finds at addresses that it is told
        self.patience = 30.0  # seconds a server that hangs holds a connection, and a slow one its answer
        self.lag = None  # (pattern, seconds): words of ours that fit show in no list before they are so old
        self.renewed_at, self.unheard = -ALONE, False  # of the last time it took a refresh token
        self.misused = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def settings(self):
        return {}

    def facts(self):
        return {}

    # What a subclass over another transport gives

    def order(self, fault, writing=False):
        """The next request (the next that writes) goes wrong. `fault`: a name of FAULTS, MADE, which does what was
        asked and then breaks the connection, or SLOW, which does it after `patience`, whoever still waits for it.
        One this network cannot have: `self.has_no(fault)`."""
        raise NotImplementedError

    def requests(self):
        """How many requests came in all."""
        raise NotImplementedError

    def writings(self):
        """How many of them would change something."""
        raise NotImplementedError

    def vanish(self):
        """From now on nobody answers at this address."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def is_itself(self, url):
        """Whether this address belongs to the network."""
        return False

    # What a drill asks for besides

    def texts(self):
        """What we posted, each as often as it was made, in any form in which plain words can be read."""
        return [str(one) for one in self.made()] if self.writes else []

    def expire(self):
        """Ends the access it gave, which can be renewed; False where it gives none that ends."""
        return False

    def sign_in(self):
        """The secrets a person gets who signs in once more, where nothing else helps any longer."""
        return {}

    def renewed(self):
        """It took a refresh token, which is good for nothing from now on."""
        self.renewed_at, self.unheard = time.monotonic(), False

    def spent(self):
        """It was given one that it took before. Whoever had the answer may have died, but no second one may ask while
        the first one is alive."""
        if time.monotonic() - self.renewed_at < ALONE and not self.unheard:
            self.misused.append(f"again after {time.monotonic() - self.renewed_at:.1f} s")

    def forget_keys(self):
        """From now on it takes the same key twice, like servers that know no keys. Nothing where the network itself
        promises more."""

    def forget_pages(self):
        """From now on it takes none of the page tokens it gave before; False where it cannot be told to."""
        return False

    def close_off(self):
        """One more thing in the list of what is read thing by thing, the newest, into which we may not look; False
        where nothing is read so."""
        return False

    def push(self, path, door):
        """Delivers what waits to be delivered. `door(headers, body) -> status`, None when nobody opened."""

    # Where networks differ in more than yes or no

    def above(self, first, second):
        """What ancestors() tells of a post said to `second`, which was said to `first`; [] where it cannot tell."""
        return [first, second]

    def carries(self, text):
        """What is left of this text on the way to us, None if nobody could post it."""
        return text

    def most(self, connector, unit):
        """How often `unit` fits into one reply."""
        measured = connector.measure(unit)
        return measured.limit // measured.used

    # For all

    def has_no(self, fault):
        pytest.skip(f"{self.name} has no “{fault}”")

    def next(self):
        """A number and a time for the next post."""
        self.number += 1
        if not self.live:
            return self.number, self.start + timedelta(seconds=self.number)
        self.start = max(datetime.now(UTC), self.start + timedelta(milliseconds=1))
        return self.number, self.start

    def connector(self, secrets=None, whole=8.0, guard=lambda: None):
        seam = Seam(hidden=[CANARY], allow=["127.0.0.1"], guard=guard, record=self.kept.append, whole=whole)
        settings = {**self.settings(), "facts": self.facts()}
        return Connector.named(self.name)(settings, Secrets(self.secrets if secrets is None else secrets), seam)

    def read(self, connector, cursor=None, requests=50, now=None):
        """Everything one poll gives: posts, bad items, the cursor, gaps."""
        posts, bad, gaps = [], [], []
        for page in connector.poll(self.source, cursor, Budget(requests=requests), now or datetime.now(UTC)):
            posts += page.posts
            bad += page.bad
            gaps += page.gaps
            cursor = page.cursor
        return posts, bad, cursor, gaps


class FakeNetwork(Ledger):
    """A network over HTTP. A subclass gives `answer(asked) -> Reply` besides what `Ledger` asks for, and where they
    differ `fault(name)` and `is_writing(asked)`."""

    secrets = {"access_token": CANARY}

    def __init__(self):
        super().__init__()
        self.faults, self.young = [], {}
        self.forbidden = set()  # what we may not see; see `forbid`
        self.server = FakeServer(self._answer)

    def close(self):
        self.server.close()

    vanish = close

    def answer(self, asked):
        raise NotImplementedError

    def fault(self, name):
        """How this network puts “401”, “422”, … into an answer; None if it has no such thing. Networks that answer
        200 or 400 with a code of their own override it and leave the transport's faults to this one."""
        return Reply(400, {"error": "invalid_grant"}) if name == NO_GRANT else FAULTS[name]

    def is_writing(self, asked):
        """Whether this request would change something at the network."""
        return asked.method not in ("GET", "HEAD", "OPTIONS")

    def order(self, fault, writing=False):
        if fault not in (MADE, SLOW) and self.fault(fault) is None:
            self.has_no(fault)
        self.faults.append((fault, writing))

    def requests(self):
        return len(self.server.asked)

    def writings(self):
        return sum(map(self.is_writing, self.server.asked))

    def is_itself(self, url):
        return url.startswith(self.server.url)

    def forbid(self, one):
        """From now on whoever asks for this post, or for what hangs on it, is refused for lack of a right."""
        self.forbidden.add(one)

    def is_forbidden(self, asked):
        """Whether a request names something that we may not see, and nothing else that would be told all the same."""
        told = f"{asked.path}?{asked.query}" if self.forbidden and asked.method == "GET" else ""
        named = any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", unquote(told)) for one in self.forbidden)
        return named and (self.spoils or not self.names_several(asked))

    def names_several(self, asked):
        names = [name for name, _ in asked.query]
        return len(names) > len(set(names)) or any("," in asked.one(name, "") for name in ("ids", "id", "include"))

    def is_meant(self, asked, writing):
        """Whether a fault that was ordered for every request, for one that writes, or for an upload, meets this one."""
        upload = asked.method != "GET" and self.is_upload(asked)
        if writing == "upload":
            return upload
        return not writing or (self.is_writing(asked) and not upload)

    def is_upload(self, asked):
        return bool(self.uploads) and asked.path.startswith(self.uploads)

    def _answer(self, asked):
        self.server.skew = self.skew.total_seconds()
        fault = self._due(asked)
        if fault == SLOW:
            self.server.stop.wait(self.patience)
        if fault in (None, MADE, SLOW):
            with self.lock:
                renewed_at, answer = self.renewed_at, self._told(asked)
                self.unheard = self.unheard or (fault == MADE and self.renewed_at != renewed_at)
            return Reply(manner="reset") if fault == MADE else answer
        reply = self.fault(fault)
        return replace(reply, seconds=self.patience) if reply.manner == "hang" else reply

    def _told(self, asked):
        """Its answer, in which the lists lag behind."""
        if self.lag is None:
            return self.answer(asked)
        before, now = self._standing(), time.monotonic()
        answer = self.answer(asked)
        self.young |= dict.fromkeys(self._standing() - before, now + self.lag[1])
        self.young = {words: until for words, until in self.young.items() if until > now}
        if asked.method == "GET" and self.young and (body := _read(answer.body)) is not None:
            return replace(answer, body=_without(body, list(self.young)))
        return answer

    def _standing(self):
        return Counter(found[0] for text in self.texts() if (found := self.lag[0].search(text)))

    def _due(self, asked):
        """The fault that was ordered for this request."""
        with self.lock:
            for place, (fault, writing) in enumerate(self.faults):
                if self.is_meant(asked, writing):
                    del self.faults[place]
                    return fault
        return "403" if self.is_forbidden(asked) else None


def _read(body):
    """A body as the lists and objects it is of, None if it is none."""
    if isinstance(body, dict | list):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def _without(told, words):
    """The same without the items of lists in which these words are said, the smallest that are."""
    if isinstance(told, dict):
        return {name: _without(value, words) for name, value in told.items()}
    if not isinstance(told, list):
        return told
    items = [_without(item, words) for item in told]
    return [item for item in items if not (isinstance(item, dict) and any(each in json.dumps(item) for each in words))]
