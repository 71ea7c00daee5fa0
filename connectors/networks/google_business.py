"""Reviews of places in Google Maps, through the Business Profile interface, which Google gives on request. Nothing was
tried in life."""

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
from connectors.google import GoogleAccess, judging
from connectors.reviews import Review, Reviews, answer_to, named, stars, time_of, writer

API, PAGE = "https://mybusiness.googleapis.com", 50
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
        Field("places", "Places", "One a line, as accounts/…/locations/…; Google must have approved the project for "
              "the Business Profile API", kind="lines"),
    )  # fmt: skip
    sources = (Source("reviews", "Reviews", 1800, 600, 7200),)
    scopes = (SCOPE,)
    text_rule = TextRule(LONGEST, "bytes")
    subjects = "places"

    def _ask(self, method: str, path: str, now: datetime | None, post: Post | None = None, **more: Any) -> Answer:
        if not self.secrets.get("access_token"):
            raise AuthRevoked("Nobody has signed in with this channel yet.")
        base = str(self.settings.get("base_url") or API).rstrip("/")
        headers = {"Authorization": f"Bearer {self.secrets['access_token']}"}
        judge = judging(now, post, renewable=bool(self.secrets.get("refresh_token")))
        url = f"{base}/v4/{quote(path, safe='/')}"
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
        one, who = (
            named(item.get("name") or f"{place_of(subject)}/reviews/{named(item['reviewId'])}"),
            item.get("reviewer"),
        )
        made, answer = time_of(item["createTime"]), item.get("reviewReply")
        changed = time_of(item["updateTime"]) if item.get("updateTime") else made
        who = who if isinstance(who, dict) else {}
        post = Post(
            external_id=one,
            kind=PostKind.REVIEW,
            source=source,
            author=writer(one, who.get("displayName"), who.get("profilePhotoUrl")),
            text=str(item.get("comment") or ""),
            created_at=made,
            edited_at=changed if changed > made else None,
            root_id=one,
            url=_WEB,
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

    def measure(self, text: str, post: Post | None = None) -> Measure:
        used = len(text.encode("utf-8", "replace"))
        problems = (f"{used - LONGEST} bytes too long.",) if used > LONGEST else ()
        return replace(super().measure(""), used=used, problems=problems)

    def check(self) -> Check:
        places = self._subjects
        if not places:
            raise Invalid("No place is named.", field="places")
        for each in places[:5]:
            self._page(each, "", None)
        return Check(
            account_id=places[0],
            account_name=f"{self.label} of {len(places)} places" if len(places) > 1 else f"{self.label} ({places[0]})",
            account_url=_WEB,
            server="Business Profile v4",
            scopes=tuple(self.secrets.get("scope", "").split()),
            warnings=self._lacking(),
        )


def place_of(line: str) -> str:
    parts = line.strip().strip("/").split("/")
    if len(parts) != 4 or parts[0] != "accounts" or parts[2] != "locations" or not all(parts):
        raise Invalid("A place is written as accounts/…/locations/….", field="places")
    return "/".join(parts)
