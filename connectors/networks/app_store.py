"""Reviews of apps in Apple's App Store, through App Store Connect. A review that was edited is told with its old date,
so the list is read again each day. Nothing was tried in life."""

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    AuthRevoked,
    Check,
    Fault,
    Field,
    Gone,
    Invalid,
    Needs,
    PolicyRefused,
    Post,
    PostKind,
    Rate,
    Source,
    TextRule,
    Way,
)
from connectors.faults import looked_up
from connectors.reviews import Review, Reviews, answer_to, named, stars, time_of, writer
from connectors.signed_tokens import signed
from connectors.text import read_json

API, PAGE = "https://api.appstoreconnect.apple.com", 200
LONGEST = 5_970
"""Characters of an answer (unverified)."""
_WEB = "https://appstoreconnect.apple.com/apps"
_RATE = re.compile(r"user-hour-(lim|rem):(\d{1,9})")


class AppStore(Reviews):
    name = "app_store"
    label = "App Store reviews"
    needs = Needs(
        way=Way.APP,
        does=gettext_lazy(
            "Reviews with stars, title and country; one public answer to each, which Apple shows within a day."
        ),
        apply=gettext_lazy(
            "A key of App Store Connect with the role “Customer Support”, made by an administrator of the account."
        ),
        cost=gettext_lazy("Free, with the developer account you have; 3,600 requests an hour."),
    )
    form = (
        Field("issuer_id", "Issuer ID", "In App Store Connect under Users and Access, Integrations", account=True),
        Field("key_id", "Key ID", "Of a key with the role “Customer Support”"),
        Field("private_key", "Private key", "What the file AuthKey_….p8 holds", secret=True, account=True),
        Field("apps", "Apps", "Their Apple numbers, one a line", kind="lines"),
    )
    sources = (Source("reviews", "Reviews", 1800, 900, 7200),)
    text_rule = TextRule(LONGEST)
    lag = 60.0
    subjects = "apps"
    _held = ""

    def _ask(self, method: str, path: str, now: datetime | None, post: Post | None = None, **more: Any) -> Answer:
        if not self._held:
            claims = {"iss": str(self.settings.get("issuer_id") or "").strip(), "aud": "appstoreconnect-v1"}
            key_id = str(self.settings.get("key_id") or "").strip()
            self._held = signed(claims, self.secrets.get("private_key", ""), "ES256", key_id)

        def judge(answer: Answer) -> Fault | None:
            return _meaning(answer, post)

        url = f"{str(self.settings.get('base_url') or API).rstrip('/')}/v1/{quote(path, safe='/')}"
        headers = {"Authorization": f"Bearer {self._held}"}
        answer = self.seam.answer(method, url, now=now, headers=headers, judge=judge, bucket="app_store", **more)
        if now is not None:
            answer.rates = rates(answer, now)
        return answer

    def _page(self, subject: str, token: str, now: datetime | None) -> tuple[list[Any], str, Answer]:
        asked = {"limit": str(PAGE), "sort": "-createdDate", "include": "response"} | (
            {"cursor": token} if token else {}
        )
        answer = self._ask("GET", f"apps/{subject}/customerReviews", now, params=asked)
        told = answer.json(dict)
        if not isinstance(told.get("data"), list):
            raise answer.unreadable("A page has no list of reviews.")
        links = told.get("links")
        onward = parse_qs(urlsplit(str(links.get("next") or "")).query) if isinstance(links, dict) else {}
        items = [_with_answer(each, told.get("included")) for each in told["data"]]
        return items, onward.get("cursor", [""])[0], answer

    def _review(self, item: Any, subject: str, source: str) -> Review:
        one, told = named(item["id"]), item["attributes"]
        made, answer = time_of(told["createdDate"]), item.get("answer")
        said = answer.get("attributes") if isinstance(answer, dict) else None
        post = Post(
            external_id=one,
            kind=PostKind.REVIEW,
            source=source,
            author=writer(one, told.get("reviewerNickname")),
            text=str(told.get("body") or ""),
            subject=str(told.get("title") or ""),
            created_at=made,
            root_id=one,
            url=f"{_WEB}/{subject}" if subject else _WEB,
            rating=stars(told.get("rating")),
            grants={"answered": isinstance(said, dict), "territory": str(told.get("territory") or "")},
            raw=item,
        )
        if not isinstance(said, dict):
            return Review(post, made)
        at = time_of(said["lastModifiedDate"]) if said.get("lastModifiedDate") else made
        return Review(post, made, answer_to(post, said.get("responseBody"), at), str(answer.get("id") or ""))

    def _look(self, one: str, now: datetime | None) -> Review:
        answer = self._ask("GET", f"customerReviews/{one}", now, params={"include": "response"})
        told = answer.json(dict)
        if not isinstance(told.get("data"), dict):
            raise answer.unreadable("It is no review.")
        return self._review(_with_answer(told["data"], told.get("included")), "", "reviews")

    def _write(self, review: Review, text: str, now: datetime | None) -> None:
        to = {"review": {"data": {"type": "customerReviews", "id": review.post.external_id}}}
        new = {"type": "customerReviewResponses", "attributes": {"responseBody": text}, "relationships": to}
        answer = self._ask("POST", "customerReviewResponses", now, review.post, json={"data": new})
        if not isinstance(answer.json(dict).get("data"), dict):
            raise answer.unreadable("It does not say what the answer is now.")

    def _erase(self, review: Review) -> None:
        self._ask("DELETE", f"customerReviewResponses/{review.answer_id}", None, review.post, accept=(404,)).yes()

    def check(self) -> Check:
        apps = self._subjects
        if not apps:
            raise Invalid("No app is named.", field="apps")
        names = []
        for each in apps[:5]:
            with looked_up("apps", f"There is no app “{each}” in this account."):
                told = self._ask("GET", f"apps/{each}", None, params={"fields[apps]": "name"}).json(dict).get("data")
            about = told.get("attributes") if isinstance(told, dict) else None
            names.append(str((about or {}).get("name") or each) if isinstance(about, dict) else each)
        return Check(
            account_id=str(self.settings.get("issuer_id") or ""),
            account_name=f"{self.label} of {', '.join(names)}"[:200],
            account_url=f"{_WEB}/{apps[0]}",
            server="App Store Connect v1",
        )


def _with_answer(item: Any, included: Any) -> Any:
    """The review with the answer that came beside it."""
    if not isinstance(item, dict):
        return item
    number: Any = item
    for name in ("relationships", "response", "data", "id"):
        number = number.get(name) if isinstance(number, dict) else None
    beside = [each for each in included if isinstance(each, dict)] if isinstance(included, list) else []
    found = [each for each in beside if number is not None and each.get("id") == number]
    kept = {name: item.get(name) for name in ("type", "id", "attributes")}
    return kept | ({"answer": found[0]} if found else {})


def _meaning(answer: Answer, post: Post | None) -> Fault | None:
    """By the code; what it leaves open, by the status. A conflict is never a text that is there already: an answer
    replaces the one before."""
    try:
        errors = read_json(answer.content).get("errors")
        code = str(errors[0]["code"])
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        code = ""
    status, detail = answer.status, f"Apple's code is {code}."
    if status == 401:
        return AuthRevoked("Apple does not accept the key.", status=status)
    if status == 409 and code.startswith("ENTITY_ERROR"):
        return Invalid(detail, field="text", status=status)
    if status == 409:
        return PolicyRefused(detail, rule=code, url=post.url if post else "", status=status)
    return Gone(detail, what=post.external_id if post else "", status=status) if code == "NOT_FOUND" else None


def rates(answer: Answer, now: datetime) -> tuple[Rate, ...]:
    """Apple counts the requests of a sliding hour; when one of them falls out of it is not told."""
    told = dict(_RATE.findall(answer.headers.get("x-rate-limit", "")))
    if len(told) < 2:
        return answer.rates
    return (Rate("app_store", int(told["lim"]), int(told["rem"]), now + timedelta(hours=1)),)
