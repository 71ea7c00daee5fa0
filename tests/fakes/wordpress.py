"""The comments of a WordPress site as its interface tells them: held ones for who may moderate, times without a zone,
equal text of one author under one comment refused."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from html import escape
from itertools import count

from tests.fakes.network import CANARY, FAULTS, FakeNetwork
from tests.fakes.server import Reply

ME, USER, ARTICLE = 7, "care", 11


def told(status, code):
    return Reply(status, {"code": code, "message": "übersetzt", "data": {"status": status}})


class Fake(FakeNetwork):
    name, source = "wordpress", "comments"
    secrets = {"app_password": CANARY}

    def __init__(self):
        super().__init__()
        self.comments, self.open, self.able = {}, True, True
        self.numbers = count(1)  # none is given twice, whatever was deleted
        self.pretty, self.before = False, {}

    def settings(self):
        return {"site": self.server.url, "user": USER}

    def facts(self):
        return {"root": f"{self.server.url}/?rest_route=/", "user_id": str(ME), "moderates": True}

    def fault(self, name):
        told_so = {
            "401": told(401, "rest_forbidden_context"),
            "403": told(403, "rest_forbidden"),
            "404": told(404, "rest_comment_invalid_id"),
            "422": told(400, "rest_invalid_param"),
        }
        return told_so.get(name, FAULTS[name])

    # People

    def _keep(self, text, who, parent, status, at, **more):
        number = next(self.numbers)
        self.comments[number] = {
            "id": number, "post": ARTICLE, "parent": int(parent or 0), "author": 0, "author_url": "",
            "author_ip": "203.0.113.9", "author_user_agent": "x",
            "date": "never read", "date_gmt": at.replace(tzinfo=None).isoformat(timespec="seconds"),
            "content": {"raw": text, "rendered": f"<p>{escape(text)}</p>"}, "status": status, "type": "comment",
            "link": f"{self.server.url}/?p={ARTICLE}#comment-{number}",
        } | who | more  # fmt: skip
        return str(number)

    def say(self, text, person="carla", parent=None, status="approved", **more):
        _, at = self.next()
        guest = {"author_name": person.title(), "author_email": f"{person}@acme.example"}
        return self._keep(text, guest, parent, status, at, **more)

    def edit(self, identity, text):
        self.comments[int(identity)]["content"] = {"raw": text, "rendered": f"<p>{text}</p>"}

    def delete(self, identity):
        del self.comments[int(identity)]

    def spoil(self):
        self.say("x", post=None)

    def odd(self):
        odd = {"parent": "0", "post": str(ARTICLE), "author_avatar_urls": None, "meta": [{"a": 1}], "author_url": None}
        return self.say("odd", author_name=None, **odd)

    def ids(self):
        return {str(number) for number, one in self.comments.items() if one["post"] and one["author"] != ME}

    def texts(self):
        return [str(one) for one in self.made() if one["status"] != "trash"]

    def made(self):
        return [one for one in self.comments.values() if one["author"] == ME]

    # The site

    def answer(self, asked):
        path = asked.one("rest_route") or asked.path.removeprefix("/wp-json")
        if not asked.one("rest_route") and not asked.path.startswith("/wp-json"):
            root = f"{self.server.url}/wp-json/" if self.pretty else f"{self.server.url}/index.php?rest_route=/"
            return Reply(200, "<html>", {"Link": f'<{root}>; rel="https://api.w.org/", <x>; rel=shortlink'})
        given = asked.headers.get("authorization")
        if given and given != f"Basic {b64encode(f'{USER}:{CANARY}'.encode()).decode()}":
            return told(401, "incorrect_password")
        if path.rstrip("/") == "":
            return Reply(200, {"name": "Acme &amp; Co"})
        if path == "/wp/v2/users/me":
            able = {"capabilities": {"moderate_comments": self.able}}
            return Reply(200, {"id": ME, "name": "Care"} | able) if given else told(401, "rest_not_logged_in")
        if not path.startswith("/wp/v2/comments"):
            return told(404, "rest_no_route")
        number = path.removeprefix("/wp/v2/comments").strip("/")
        return self._one(asked, int(number), given) if number else self._many(asked, given)

    def _many(self, asked, given):
        if asked.method == "POST":
            return self._post(asked.json()) if given else told(401, "rest_comment_login_required")
        moderates = given and self.able
        if not moderates and (asked.one("context") == "edit" or asked.one("status")):
            return told(401, "rest_forbidden_context")
        shown = {"all": ("approved", "hold"), "": ("approved",)}.get(asked.one("status", ""), (asked.one("status"),))
        found = [one for one in self.comments.values() if one["status"] in shown]
        if not self.stuck:
            found = self._filtered(asked, found)
        found.sort(key=lambda one: (one["date_gmt"] or "", one["id"]), reverse=asked.one("order") == "desc")
        size, page = int(asked.one("per_page")), int(asked.one("page", "1"))
        shown = found[:size] if self.stuck else found[(page - 1) * size : page * size]
        pages = 99 if self.stuck else -(-len(found) // size)
        body = [one if moderates else _public(one) for one in shown]
        return Reply(200, body, {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)})

    def _filtered(self, asked, found):
        for name, key in (("post", "post"), ("parent", "parent"), ("author", "author")):
            if wanted := asked.one(name):
                found = [one for one in found if str(one[key]) == wanted]
        if wanted := asked.one("include"):
            found = [one for one in found if str(one["id"]) in wanted.split(",")]
        for name, keep in (("after", lambda at, edge: at > edge), ("before", lambda at, edge: at < edge)):
            if edge := asked.one(name):
                assert edge.endswith("Z"), "without its zone the site reads a time in its own"
                found = [one for one in found if keep(one["date_gmt"], edge[:-1])]
        return found

    def _one(self, asked, number, given):
        one = self.comments.get(number)
        if one is None:
            return told(404, "rest_comment_invalid_id")
        if asked.method == "GET":
            hidden = one["status"] != "approved" and not (given and self.able)
            return told(401, "rest_cannot_read") if hidden else Reply(200, one)
        if asked.method == "DELETE":
            if one["status"] == "trash":
                return told(410, "rest_already_trashed")
            one["status"] = "trash"
            return Reply(200, one)
        changed = asked.json()
        if changed.get("status") == one["status"]:
            return told(500, "rest_comment_failed_edit")
        if status := changed.get("status"):
            self._stand(number, one, status)
        if "content" in changed:
            self.edit(number, changed["content"])
        return Reply(200, one)

    def _stand(self, number, one, status):
        """What is brought back is what it was before, or held where the site itself put it away; also what lay nowhere
        of the kind."""
        if status in ("unspam", "untrash"):
            one["status"] = self.before.pop(number, "hold")
            return
        if status in ("spam", "trash"):
            self.before[number] = one["status"]
        one["status"] = status

    def _post(self, given):
        if not self.open:
            return told(403, "rest_comment_closed")
        for one in self.made():
            if (one["content"]["raw"], one["parent"]) == (given["content"], given["parent"]):
                return told(409, "comment_duplicate")
        me = {"author": ME, "author_name": "Care", "author_email": "care@acme.example"}
        number = self._keep(given["content"], me, given["parent"], "approved", datetime.now(UTC))
        self.comments[int(number)]["content"]["rendered"] = f"<p>{given['content']}</p>"
        return Reply(201, self.comments[int(number)])


def _public(one):
    one = json.loads(json.dumps(one))
    del one["content"]["raw"], one["author_ip"], one["author_user_agent"]
    one.pop("author_email", None)
    return one
