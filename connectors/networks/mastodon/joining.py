"""How an account of a Mastodon server joins: the app registers itself at each server, a person signs in there, and the
check reads what that server allows."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from connectors.authorizing import address, proof
from connectors.base import JSON, AuthRevoked, Check, Fault, Grant, Secrets
from connectors.networks.mastodon import uploads
from connectors.networks.mastodon.api import author_of
from connectors.networks.mastodon.reading import Reading
from connectors.networks.mastodon.streams import streams_from

SCOPES = (
    "read:accounts read:statuses read:notifications read:search write:statuses write:favourites write:media "
    "write:mutes write:blocks write:reports"
)

LONG, TRIED, INDEXED = 7, 3, timedelta(hours=1)
"""No search leaves out a word of so many letters as too common; words that are tried; when a post can be found."""
_AROUND = ".,;:!?…()[]\"'„“”‚‘’«»"


class Joining(Reading):
    """Registers no network."""

    def check(self) -> Check:
        answer = self._ask("GET", "/api/v2/instance", accept=(404,))
        if answer.status == 404:
            answer = self._ask("GET", "/api/v1/instance")
        server = answer.json(dict)
        posts = (server.get("configuration") or {}).get("statuses") or {}
        facts: JSON = {
            "longest": posts.get("max_characters") or 500,
            "link": posts.get("characters_reserved_per_url") or 23,
            "media": uploads.facts_of(server.get("configuration") or {}),
            "streaming": streams_from(server),
            "domain": str(server.get("domain") or server.get("uri") or "").rpartition("://")[2].partition("/")[0],
        }
        name = (
            f"{server.get('domain') or server.get('uri') or self._base} ({server.get('version') or 'version unknown'})"
        )
        if not self._token:
            return Check(
                account_name=str(server.get("domain") or self._base), account_url=self._base, server=name, facts=facts
            )
        me = self._ask("GET", "/api/v1/accounts/verify_credentials", judge=_refused_token).json(dict)
        account = author_of(me)
        facts |= {"account_id": account.external_id, "local_id": str(me["id"])}
        if (searches := self._searches(str(me["id"]))) is not None:
            facts["search"] = searches
        return Check(
            account_id=account.external_id,
            account_name=f"@{account.handle}",
            account_url=account.url,
            server=name,
            scopes=self.scopes,
            facts=facts,
            warnings=self._warnings(searches),
        )

    def _searches(self, me: str) -> bool | None:
        """Whether the server searches in posts: most do not, and find nothing without a word. Of words of our own that
        have stood there for a while one has to be found; None where there are too few to say no, or where the server
        refuses to say."""
        path, own = f"/api/v1/accounts/{quote(me, safe='')}/statuses", {"limit": "40", "exclude_reblogs": "true"}
        answer = self._ask("GET", path, params=own, accept=(401, 403, 404, 422))
        posts, _bad = self._mapped(answer.json(list) if answer.status == 200 else [], "context", None)
        words = _telling(post.text for post in posts if posts[-1].created_at - post.created_at > INDEXED)
        for word in words:
            asked = {"type": "statuses", "q": word, "limit": "1"}
            answer = self._ask("GET", "/api/v2/search", params=asked, accept=(400, 401, 403, 404, 422))
            if answer.status != 200:
                return None
            if answer.json(dict).get("statuses"):
                return True
        return False if len(words) > 1 else None

    def _warnings(self, searches: bool | None) -> tuple[str, ...]:
        words = "The server does not search in posts: searches and topics find nothing through it, hashtags do."
        return (*self._filtered(), *((words,) if searches is False else ()))

    def _filtered(self) -> tuple[str, ...]:
        answer = self._ask("GET", "/api/v2/notifications/policy", accept=(401, 403, 404))
        policy = answer.json(dict) if answer.status == 200 else {}
        hides = [
            name[4:].replace("_", " ") for name, how in policy.items() if name.startswith("for_") and how == "filter"
        ]
        return (f"The account filters {', '.join(hides)}; they are read all the same.",) if hides else ()

    def begin(self, redirect_uri: str, state: str) -> Grant:
        registration = {"client_name": "SocialCare", "redirect_uris": redirect_uri, "scopes": SCOPES}
        app = self._ask("POST", "/api/v1/apps", json=registration).json(dict)
        client, (verifier, asked) = app["client_id"], proof()
        kept = Secrets({"client_id": client, "client_secret": app["client_secret"], "code_verifier": verifier})
        url = address(f"{self._base}/oauth/authorize", client, redirect_uri, state, SCOPES.split(), **asked)
        return Grant(url, kept)

    def finish(self, code: str, redirect_uri: str, grant: Secrets) -> Secrets:
        asked = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "scope": SCOPES,
            "client_id": grant["client_id"], "client_secret": grant["client_secret"],
            "code_verifier": grant["code_verifier"],
        }  # fmt: skip
        token = self._ask("POST", "/oauth/token", json=asked, write=False, judge=_refused_token).json(dict)
        if not token.get("access_token"):
            raise AuthRevoked("The server gave no token.")
        # A server that names no rights gave those that it was asked for (RFC 6749, 5.1).
        scope = str(token.get("scope") or SCOPES)
        return grant.replace(access_token=str(token["access_token"]), code_verifier="", scope=scope)


def _telling(texts: Iterable[str]) -> list[str]:
    """Words that a search for whole words finds, each of another text: no names, tags, codes or parts of links."""
    words: list[str] = []
    for text in texts:
        bare = (each.strip(_AROUND).lower() for each in text.split())
        words += [each for each in bare if len(each) >= LONG and each.isalpha() and each not in words][:1]
    return words[:TRIED]


def _refused_token(answer: Any) -> Fault | None:
    """Some servers of this API answer 400 to a bad token."""
    return (
        AuthRevoked("The server does not know the token.", status=answer.status)
        if answer.status in (400, 401)
        else None
    )
