"""Reviews of apps in Google Play. The store tells those with text that were written or changed within a week, so what
is older when a channel begins is never seen. Nothing was tried in life."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from django.utils.translation import gettext_lazy

from connectors.answers import Answer
from connectors.base import (
    JSON,
    Check,
    Field,
    Gone,
    Invalid,
    Needs,
    Past,
    Post,
    PostKind,
    Source,
    TextRule,
    Way,
)
from connectors.faults import looked_up
from connectors.google import TOKEN, given_token, judging
from connectors.reviews import Review, Reviews, answer_to, named, stars, time_of, writer
from connectors.signed_tokens import service_account, signed

API, PAGE = "https://androidpublisher.googleapis.com", 100
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
_WEB = "https://play.google.com/store/apps/details"


class GooglePlay(Reviews):
    name = "google_play"
    label = "Google Play reviews"
    needs = Needs(
        way=Way.APP,
        does=gettext_lazy("Reviews with text of the last seven days, with their stars; one public answer to each."),
        apply=gettext_lazy(
            "A service account of a Google Cloud project, invited in the Play Console with the right to answer reviews."
        ),
        cost=gettext_lazy("Free; about 200 readings an hour."),
    )
    form = (
        Field("service_account", "Service account", "The whole JSON file of its key; the account needs the right to "
              "answer reviews in the Play Console", secret=True, account=True),
        Field("apps", "Apps", "Package names, one a line", kind="lines"),
    )  # fmt: skip
    sources = (Source("reviews", "Reviews", 1800, 900, 7200),)
    scopes = (SCOPE,)
    text_rule = TextRule(350)
    subjects = "apps"
    follows = 3  # of 200 reads an hour
    reach = follows_for = timedelta(days=7)
    removable = False
    _held = ""

    def history(self, source: str, cursor: JSON, since: datetime, now: datetime) -> Past:
        return Past(cursor=None, words="Google Play gives the reviews of the last week only.")

    def _token(self) -> str:
        """An hour's access for the life of this object."""
        if not self._held:
            account = service_account(self.secrets.get("service_account", ""))
            base = str(self.settings.get("base_url") or "").rstrip("/")
            claims = {"iss": account["client_email"], "scope": SCOPE, "aud": TOKEN}
            proof = signed(claims, account["private_key"], "RS256", account["private_key_id"])
            asked = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": proof}
            url = str(self.settings.get("token_url") or (f"{base}/token" if base else TOKEN))
            self._held = str(given_token(self.seam, url, asked)["access_token"])
        return self._held

    def _ask(self, method: str, app: str, path: str, now: datetime | None, **more: Any) -> Answer:
        base = str(self.settings.get("base_url") or API).rstrip("/")
        url = f"{base}/androidpublisher/v3/applications/{quote(app, safe='')}/reviews{path}"
        headers = {"Authorization": f"Bearer {self._token()}"}
        return self.seam.answer(method, url, now=now, headers=headers, judge=judging(now, renewable=False), **more)

    def _page(self, subject: str, token: str, now: datetime | None) -> tuple[list[Any], str, Answer]:
        asked = {"maxResults": str(PAGE)} | ({"token": token} if token else {})
        answer = self._ask("GET", subject, "", now, params=asked)
        told = answer.json(dict)
        items, onward = told.get("reviews", []), told.get("tokenPagination")  # no reviews: an empty object
        if not isinstance(items, list) or "error" in told:
            raise answer.unreadable("A page has no list of reviews.")
        return items, str((onward or {}).get("nextPageToken") or "") if isinstance(onward, dict) else "", answer

    def _review(self, item: Any, subject: str, source: str) -> Review:
        said = [each for each in item["comments"] if isinstance(each, dict)]
        user = next((each["userComment"] for each in said if isinstance(each.get("userComment"), dict)), None)
        if user is None:
            raise ValueError("nothing its writer said")
        ours = next((each["developerComment"] for each in said if isinstance(each.get("developerComment"), dict)), None)
        one, changed = named(item["reviewId"]), time_of(user["lastModified"])
        # The store puts a title, where there is one, before the text with a tab between them.
        title, tab, text = str(user.get("text") or "").partition("\t")
        key = f"{subject}/{one}"
        post = Post(
            external_id=key,
            kind=PostKind.REVIEW,
            source=source,
            author=writer(key, item.get("authorName")),
            text=text if tab else title,
            subject=title if tab else "",
            created_at=changed,
            root_id=key,
            lang=str(user.get("reviewerLanguage") or "").replace("_", "-").partition("-")[0].lower()[:8],
            url=f"{_WEB}?{urlencode({'id': subject, 'reviewId': one})}",
            rating=stars(user.get("starRating")),
            grants={"answered": ours is not None},
            raw=item,
        )
        if ours is None:
            return Review(post, changed)
        at = time_of(ours["lastModified"]) if ours.get("lastModified") else changed
        return Review(post, changed, answer_to(post, ours.get("text"), at))

    def _look(self, one: str, now: datetime | None) -> Review:
        app, _, number = one.partition("/")
        if not number:
            raise Gone("This review has no app.", what=one)
        answer = self._ask("GET", app, f"/{quote(number, safe='')}", now)
        told = answer.json(dict)
        if not isinstance(told.get("comments"), list):
            raise answer.unreadable("It is no review.")
        return self._review({**told, "reviewId": number}, app, "reviews")

    def _write(self, review: Review, text: str, now: datetime | None) -> None:
        app, _, number = review.post.external_id.partition("/")
        answer = self._ask("POST", app, f"/{quote(number, safe='')}:reply", now, json={"replyText": text})
        if not isinstance(answer.json(dict).get("result"), dict):
            raise answer.unreadable("It does not say what the answer is now.")

    def check(self) -> Check:
        apps = self._subjects
        if not apps:
            raise Invalid("No app is named.", field="apps")
        for each in apps[:5]:
            with looked_up("apps", f"There is no app “{each}” that the service account may see."):
                self._page(each, "", None)
        account = service_account(self.secrets.get("service_account", ""))
        return Check(
            account_id=account["client_email"],
            account_name=f"{self.label} of {', '.join(apps)}"[:200],
            account_url=f"{_WEB}?{urlencode({'id': apps[0]})}",
            server="Google Play v3",
            scopes=(SCOPE,),
        )
