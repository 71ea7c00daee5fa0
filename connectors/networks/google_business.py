"""Reviews of places in Google Maps, through the Business Profile interface, which Google gives on request. Which places
there are is told by two interfaces beside it. Nothing was tried in life."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    AuthRevoked,
    Check,
    Field,
    Gone,
    Invalid,
    Measure,
    Needs,
    Post,
    PostKind,
    Source,
    TextRule,
    Way,
)
from connectors.faults import looked_up
from connectors.google import GoogleAccess, judging
from connectors.reviews import Review, Reviews, answer_to, named, stars, time_of, writer
from connectors.text import lines

API, PAGE = "https://mybusiness.googleapis.com", 50
ACCOUNTS = "https://mybusinessaccountmanagement.googleapis.com"
PLACES = "https://mybusinessbusinessinformation.googleapis.com"
MANY, ASKED = 50, 20
"""Places that are read without being named; pages asked for to learn of them."""
SCOPE = "https://www.googleapis.com/auth/business.manage"
LONGEST = 4_096
"""Bytes of an answer (unverified)."""
_STARS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
_WEB = "https://business.google.com/reviews"


class GoogleBusiness(Reviews, GoogleAccess):
    name = "google_business"
    label = "Google reviews"
    needs = Needs(
        way=Way.APPROVAL,
        does=gettext_lazy("Reviews of your places on Google, with their stars; one public answer to each."),
        apply=gettext_lazy(
            "A Google Cloud project with access to the Business Profile API, an OAuth client, and an account "
            "that manages the places."
        ),
        cost=gettext_lazy("Free."),
        approval=gettext_lazy("Google grants access after a form about the organisation; reckon with days."),
    )
    form: ClassVar[tuple[Field, ...]] = (
        *GoogleAccess.form,
        Field("places", "Places", "One a line, by its name or as accounts/…/locations/…; empty: all that the account "
              "manages. Google must have approved the project for the Business Profile API", required=False,
              kind="lines"),
    )  # fmt: skip
    sources = (Source("reviews", "Reviews", 1800, 600, 7200),)
    scopes = (SCOPE,)
    text_rule = TextRule(LONGEST, "bytes")
    subjects = "places"

    @property
    def _subjects(self) -> list[str]:
        return chosen(lines(self.settings.get("places")), self.facts.get("places") or {})

    def listening(self) -> tuple[Source, ...]:
        called, one = self.facts.get("places") or {}, self.sources[0]
        return tuple(
            replace(one, name=f"{one.name}:{each}", label=f"{one.label} of {called.get(each, each)}"[:200])
            for each in self._subjects
        )

    def _ask(self, method: str, path: str, now: datetime | None, post: Post | None = None, **more: Any) -> Answer:
        base = str(self.settings.get("base_url") or API).rstrip("/")
        return self._call(method, f"{base}/v4/{quote(path, safe='/')}", now, post, **more)

    def _call(self, method: str, url: str, now: datetime | None, post: Post | None = None, **more: Any) -> Answer:
        if not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this channel yet.")
        headers = {"Authorization": f"Bearer {self.secrets['access_token']}"}
        judge = judging(now, post, renewable=bool(self.secrets.get("refresh_token")))
        return self.seam.answer(method, url, now=now, headers=headers, judge=judge, **more)

    def _page(self, subject: str, token: str, now: datetime | None) -> tuple[list[Any], str, Answer]:
        asked = {"pageSize": str(PAGE), "orderBy": "updateTime desc"} | ({"pageToken": token} if token else {})
        answer = self._ask("GET", f"{place_of(subject)}/reviews", now, params=asked)
        told = answer.json(dict)
        items = told.get("reviews", [])  # a place without reviews is told as an empty object
        if not isinstance(items, list) or "error" in told:
            raise answer.unreadable("A page has no list of reviews.")
        return items, str(told.get("nextPageToken") or ""), answer

    def _review(self, item: Any, subject: str, source: str) -> Review:
        one = named(item.get("name") or f"{place_of(subject)}/reviews/{named(item['reviewId'])}")
        made, answer = time_of(item["createTime"]), item.get("reviewReply")
        changed = time_of(item["updateTime"]) if item.get("updateTime") else made
        who = item["reviewer"] if isinstance(item.get("reviewer"), dict) else {}
        place, text = one.rpartition("/reviews/")[0], str(item.get("comment") or "")
        post = Post(
            external_id=one,
            kind=PostKind.REVIEW,
            source=source,
            author=writer(one, who.get("displayName"), who.get("profilePhotoUrl")),
            text=text,
            created_at=made,
            edited_at=changed if changed > made else None,
            version=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32],  # without the place's name
            root_id=one,
            url=str((self.facts.get("maps") or {}).get(place) or _WEB),
            subject=str((self.facts.get("places") or {}).get(place) or place),
            rating=stars(_STARS.get(str(item.get("starRating")))),
            grants={"answered": isinstance(answer, dict)},
            raw=item,
        )
        if not isinstance(answer, dict):
            return Review(post, changed)
        at = time_of(answer["updateTime"]) if answer.get("updateTime") else changed
        return Review(post, changed, answer_to(post, answer.get("comment"), at))

    def _look(self, one: str, now: datetime | None) -> Review:
        if not one.startswith("accounts/"):
            raise Gone("This review has no place.", what=one)
        answer = self._ask("GET", one, now)
        told: JSON = answer.json(dict)
        if not told.get("createTime"):
            raise answer.unreadable("It is no review.")
        return self._review({**told, "name": one}, "", "reviews")

    def _write(self, review: Review, text: str, now: datetime | None) -> None:
        path = f"{review.post.external_id}/reply"
        answer = self._ask("PUT", path, now, review.post, json={"comment": text})
        if not isinstance(answer.json(dict).get("comment"), str):
            raise answer.unreadable("It does not say what the answer is now.")

    def _erase(self, review: Review) -> None:
        self._ask("DELETE", f"{review.post.external_id}/reply", None, review.post, accept=(404,)).yes()

    def measure(self, text: str, post: Post | None = None, *, private: bool = False) -> Measure:
        used = len(text.encode("utf-8", "replace"))
        problems = (f"{used - LONGEST} bytes too long.",) if used > LONGEST else ()
        return replace(super().measure(""), used=used, problems=problems)

    # Connecting

    def check(self) -> Check:
        wanted = lines(self.settings.get("places"))
        managed = {} if wanted and all(map(is_path, wanted)) else self._managed()
        called = {path: _called(each) for path, each in managed.items()}
        places = chosen(wanted, called)
        _must_be_there(wanted, places, called)
        for each in places[:5]:
            with looked_up("places", f"There is no place “{each}” that the account manages."):
                self._page(each, "", None)
        return Check(
            # Places come and go, and are named in this way or that; whose they are stays.
            account_id=min(places).partition("/locations/")[0],
            account_name=f"{self.label}: {_names([called.get(each, each) for each in places])}",
            account_url=_WEB,
            server="Business Profile v4",
            scopes=tuple(self.secrets.get("scope", "").split()),
            facts={
                "places": {each: called[each] for each in places if each in called},
                "maps": {each: url for each in places if (url := _map_of(managed.get(each, {})))},
            },
            warnings=self._lacking(),
        )

    def _managed(self) -> dict[str, Mapping[str, Any]]:
        """{place: what is told of it} of all that whoever signed in manages."""
        accounts = self._google("accounts_url", "", ACCOUNTS).rstrip("/")
        places, found = self._google("places_url", "", PLACES).rstrip("/"), dict[str, Mapping[str, Any]]()
        asked = {"readMask": "name,title,storefrontAddress,metadata", "pageSize": "100"}
        for account in self._listed(f"{accounts}/v1/accounts", "accounts", {"pageSize": "20"}):
            own = str(account.get("name") or "")
            if own.startswith("accounts/"):
                for each in self._listed(f"{places}/v1/{quote(own, safe='/')}/locations", "locations", asked):
                    if str(each.get("name") or "").startswith("locations/"):
                        found[f"{own}/{each['name']}"] = each
        return found

    def _listed(self, url: str, what: str, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        token = ""
        for _ in range(ASKED):
            answer = self._call("GET", url, None, params={**asked, **({"pageToken": token} if token else {})})
            told = answer.json(dict)
            items = told.get(what, [])
            if not isinstance(items, list) or "error" in told:
                raise answer.unreadable(f"A page has no list of {what}.")
            yield from (item for item in items if isinstance(item, dict))
            before, token = token, str(told.get("nextPageToken") or "")
            if not token or token == before:
                return


def is_path(line: str) -> bool:
    return line.strip().strip("/").startswith("accounts/")


def chosen(wanted: Sequence[str], called: Mapping[str, str]) -> list[str]:
    """The places that are read: those named, by their path or by what they are called, or all there are. The town
    behind a name may be left out, so that a chain is named once. A name nobody knows stays, to be said when it is
    read."""
    if not wanted:
        return list(called)
    found = dict[str, None]()
    for line in wanted:
        name = line.strip().casefold()
        paths = [path for path, title in called.items() if name in (title.casefold(), _bare(title).casefold())]
        found |= dict.fromkeys(paths or [line.strip().strip("/")])
    return list(found)


def _must_be_there(wanted: Sequence[str], places: Sequence[str], called: Mapping[str, str]) -> None:
    manages = f"The account manages: {_names(list(called.values()), 10)}." if called else "The account manages none."
    for line in wanted:
        if not is_path(line) and not set(chosen([line], called)) & set(called):
            raise Invalid(f"There is no place called “{line}”. {manages}", field="places")
    if not places:
        raise Invalid(f"There is no place whose reviews could be read. {manages}", field="places")
    if not wanted and len(places) > MANY:
        raise Invalid(f"Name the places to read, one a line: they are {len(places)}. {manages}", field="places")


def _called(location: Mapping[str, Any]) -> str:
    """Its name and its town: the places of a chain are all called the same."""
    held = location.get("storefrontAddress")
    town = str(held.get("locality") or "") if isinstance(held, dict) else ""
    title = str(location.get("title") or location["name"])
    return f"{title} ({town})" if town else title


def _map_of(location: Mapping[str, Any]) -> str:
    """Where people see it with its reviews (unverified)."""
    held = location.get("metadata")
    url = str(held.get("mapsUri") or "") if isinstance(held, dict) else ""
    return url if url.startswith("https://") else ""


def _bare(called: str) -> str:
    return called.rpartition(" (")[0] or called


def _names(called: Sequence[str], most: int = 3) -> str:
    more = len(called) - most
    return ", ".join(called[:most]) + (f" and {more} more" if more > 0 else "")


def place_of(line: str) -> str:
    parts = line.strip().strip("/").split("/")
    if len(parts) != 4 or parts[0] != "accounts" or parts[2] != "locations" or not all(parts):
        words = f"“{line}” is not known as a place: test the connection, or write it as accounts/…/locations/…."
        raise Invalid(words, field="places")
    return "/".join(parts)
