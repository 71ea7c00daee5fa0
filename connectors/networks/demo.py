"""The demo network: a network of our own that talks by itself, for trying the product, for stories and for tests."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy

from connectors.base import (
    IMAGES,
    JSON,
    MAPPING,
    Absent,
    Author,
    Bad,
    Budget,
    CannotKnow,
    Capability,
    Check,
    Connector,
    Deleted,
    Done,
    Fault,
    Field,
    Found,
    Gap,
    Media,
    MediaRule,
    Medium,
    Needs,
    Outgoing,
    Page,
    Past,
    PolicyRefused,
    Post,
    PostKind,
    PostState,
    Sent,
    Source,
    TextRule,
    Unreadable,
    Uploaded,
    Verb,
    Way,
    Withheld,
)
from connectors.finding import Sought
from connectors.http import UPLOAD
from connectors.text import normalised

WINDOW = timedelta(hours=48)
OVERLAP = 20
"""Changes read again at the start of each poll."""
LOOKED = 5
"""Pages of our own posts that are looked through for a reply."""


class Demo(Connector):
    name = "demo"
    invented = True
    label = "Demo network"
    needs = Needs(
        way=Way.NOW,
        does=gettext_lazy("Invented customers who talk and complain, to try everything without harm."),
        apply=gettext_lazy("Nothing, while the program runs with its demo."),
        cost=gettext_lazy("Free."),
    )
    form = (
        Field("base_url", "Address", "http://127.0.0.1:8790", kind="url"),
        Field("token", "Token", "“demo”, unless somebody changed it", secret=True, account=True),
    )
    sources = (Source("mentions", "Mentions of us", 5, 2, 30),)
    text_rule = TextRule(500)
    lag = 2.0
    keyed = True
    at_once = 40
    keeps_uploads = 86_400.0

    @property
    def _base(self) -> str:
        return str(self.settings.get("base_url", "")).rstrip("/")

    def _ask(self, method: str, path: str, judge: Any = None, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secrets.get('token', '')}", **request.pop("headers", {})}
        url = f"{self._base}/api/{path}"
        return self.seam.answer(method, url, headers=headers, bucket="demo", judge=judge, **request)

    def poll(self, source: str, cursor: JSON | None, budget: Budget, now: datetime) -> Iterator[Page]:
        number, gaps = self._start(cursor, now)
        first = cursor is None or bool(gaps)
        since = {"since": cursor["since"]} if cursor and cursor.get("since") else {}
        while not budget.spent:
            budget.spend()
            answer = self._ask("GET", "changes", params={"after": number, "limit": 100, **since}).json(dict)
            since = {}
            items, newest = answer.get("posts"), answer.get("number")
            if not isinstance(items, list) or not isinstance(newest, int):
                raise Unreadable("A page of changes has no posts or no number.")
            posts, bad = self._posts(items, now, first)
            more = bool(answer.get("more")) and newest > number
            repeats = int(bool(answer.get("more")) and not more)
            number = max(number, newest)
            yield Page(posts=posts, bad=bad, cursor={"number": number}, end=not more, gaps=gaps, repeats=repeats)
            gaps = ()
            if not more:
                return

    def again(self, source: str, cursor: JSON, since: datetime, now: datetime) -> JSON | None:
        return {"number": 0, "since": since.isoformat()}

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor={"number": 0}, newest_first=False)

    @staticmethod
    def _start(cursor: JSON | None, now: datetime) -> tuple[int, tuple[Gap, ...]]:
        if cursor is None:
            return 0, ()
        number = cursor.get("number")
        if not isinstance(number, int) or number < 0:
            return 0, (Gap(None, now - WINDOW, "The place where reading stopped could not be used."),)
        return max(0, number - OVERLAP), ()

    def _posts(self, items: Sequence[Any], now: datetime, first: bool) -> tuple[tuple[Post, ...], tuple[Bad, ...]]:
        posts, bad = [], []
        for place, item in enumerate(items):
            try:
                posts.append(self._post(item, now - WINDOW if first else None))
            except MAPPING as error:
                named = str(item["id"]) if isinstance(item, dict) and item.get("id") else None
                bad.append(Bad(named, f"{type(error).__name__}: {error}", item, place))
        return tuple(sorted(posts, key=lambda post: (post.created_at, post.external_id))), tuple(bad)

    def _post(self, item: Mapping[str, Any], history_before: datetime | None) -> Post:
        author, created_at = item["author"], datetime.fromisoformat(item["created_at"])
        edited_at = datetime.fromisoformat(item["edited_at"]) if item.get("edited_at") else None
        state = PostState.EDITED if edited_at else PostState.LIVE
        parent = item.get("reply_to")
        followers = author.get("followers")
        who = Author(
            external_id=str(author["id"]),
            handle=str(author.get("handle") or author["id"]),
            name=str(author.get("name") or ""),
            followers=int(followers) if followers is not None else None,
        )
        return Post(
            external_id=str(item["id"]),
            kind=PostKind.REPLY if parent else PostKind.MENTION,
            source="mentions",
            author=who,
            text=str(item.get("text") or ""),
            created_at=created_at,
            edited_at=edited_at,
            lang=str(item.get("lang") or ""),
            parent_id=str(parent) if parent else None,
            root_id=str(item.get("root") or "") or None,
            url=str(item.get("url") or ""),
            state=PostState.DELETED if item.get("deleted") else state,
            ours=str(author["id"]) == self._me,
            history=history_before is not None and created_at < history_before,
            media=tuple(
                Media(kind="image", url=str(each.get("url") or ""), description=str(each.get("description") or ""))
                for each in item.get("media") or ()
            ),
            grants={"liked": bool(item.get("liked")), "hidden": bool(item.get("hidden"))},
            raw=dict(item),
        )

    @property
    def _me(self) -> str:
        return str(self.facts.get("account_id") or "brand")

    def send(self, outgoing: Outgoing) -> Sent:
        body: JSON = {"text": outgoing.text, "reply_to": outgoing.parent.external_id}
        if outgoing.media:
            body["media"] = [medium.token for medium in outgoing.media]
        headers = {"Idempotency-Key": outgoing.key}
        answer = self._ask("POST", "posts", self._refused(outgoing.parent), json=body, headers=headers)
        made = answer.json(dict)
        if not made.get("id"):
            raise answer.unreadable("The answer to a new post has no id.")
        return Sent(str(made["id"]), str(made.get("url") or ""))

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        sizes = {"image": 5_000_000, "animation": 5_000_000}
        refused = {"video": "The demo shows pictures only."}
        return MediaRule(types=IMAGES, most=4, sizes=sizes, side=4096, description=1_000, refused=refused)

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        data = base64.b64encode(medium.read()).decode()
        body = {"type": medium.type, "description": medium.description, "data": data}
        made = self._ask("POST", "media", json=body, write=False, whole=UPLOAD).json(dict)
        if not made.get("id"):
            raise Unreadable("The answer to a file has no id.")
        return Uploaded(str(made["id"]))

    @staticmethod
    def _refused(post: Post) -> Any:
        def judge(answer: Any) -> Fault | None:
            if answer.status != 403:
                return None
            return PolicyRefused("It does not take this here.", rule="policy", url=post.url, status=403)

        return judge

    def find(self, outgoing: Outgoing) -> Found | Absent | CannotKnow:
        wanted, above = normalised(outgoing.text), outgoing.parent.external_id
        sought = Sought(outgoing, lambda post: post.parent_id == above and normalised(post.text) == wanted)
        before: JSON = {}
        for _ in range(LOOKED):
            answer = self._ask("GET", "mine", params=before)
            told = answer.json(dict)
            posts, bad = self._posts(told.get("posts") or [], outgoing.sending_at, False)
            sought.among(posts, answer.skew, bad)
            if sought.passed or not told.get("before"):
                return sought.verdict(whole=True)
            before = {"before": str(told["before"])}
        return sought.verdict(whole=False)

    def do(self, verb: Verb, post: Post, text: str = "") -> Done:
        path, judge = f"posts/{post.external_id}", self._refused(post)
        if verb == "edit":
            answer = self._ask("PUT", path, judge, json={"text": text})
        elif verb == "delete":
            answer = self._ask("DELETE", path, judge)
        elif verb in ("like", "unlike", "hide", "unhide"):
            answer = self._ask("POST", f"{path}/{verb}", judge)
        else:
            return super().do(verb, post, text)
        posts, _bad = self._posts([answer.json(dict)], post.created_at, False)
        if not posts:
            raise answer.unreadable("The answer to a change is no post.")
        return Done(posts[0])

    def refresh(self, ids: Sequence[str], now: datetime) -> list[Post | Deleted | Withheld]:
        items = self._ask("GET", "posts", params={"ids": ",".join(ids)}).json(dict).get("posts") or []
        posts, bad = self._posts(items, now, False)
        by_id, unread = {post.external_id: post for post in posts}, {each.external_id for each in bad}
        standing: list[Post | Deleted | Withheld] = []
        for wanted in ids:
            post = by_id.get(wanted)
            if wanted not in unread:
                standing.append(post if post and post.state is not PostState.DELETED else Deleted(wanted))
        return standing

    def ancestors(self, post: Post, now: datetime) -> list[Post]:
        items = self._ask("GET", f"posts/{post.external_id}/above").json(dict).get("posts") or []
        return list(self._posts(items, now, False)[0])

    def can(self, post: Post, now: datetime) -> dict[Verb, Capability]:
        if post.state is PostState.DELETED:
            gone = Capability(False, "The post was deleted.")
            return {"reply": gone, "like": gone, "hide": gone}
        able = Capability(True, hand_off=post.url)
        if post.ours:
            return {"edit": able, "delete": able, "reply": able}
        liked, hidden = post.grants.get("liked"), post.grants.get("hidden")
        return {"reply": able, "unlike" if liked else "like": able, "unhide" if hidden else "hide": able}

    def check(self) -> Check:
        me = self._ask("GET", "me").json(dict)
        account = str(me.get("id") or "")
        return Check(
            account_id=account,
            account_name=str(me.get("name") or account),
            account_url=f"{self._base}/",
            server=f"demo network {me.get('version') or ''}".strip(),
            facts={"account_id": account},
        )
