"""An Instagram account behind a page: a photograph of ours with comments, media that tag us, mentions, messages."""

from tests.fakes.facebook import Fake as FacebookFake
from tests.fakes.graph import GONE, FakeGraph, refused, stamp
from tests.fakes.server import Reply

ME = {"id": "178", "username": "acme"}
MEDIUM = "17900"


class Fake(FakeGraph):
    name, source = "instagram", "comments"
    tells_edits, spoils = False, True
    scopes = ("instagram_basic", "instagram_manage_comments", "instagram_manage_messages", "pages_show_list",
              "pages_read_engagement", "pages_manage_metadata")  # fmt: skip
    message, talk, talks_of = FacebookFake.message, FacebookFake.talk, FacebookFake.talks_of

    def __init__(self):
        super().__init__()
        medium = {"id": MEDIUM, "caption": "Our new tea", "media_type": "IMAGE", "timestamp": stamp(self.start),
                  "permalink": "https://www.instagram.com/p/x/", "username": "acme", "like_count": 1}  # fmt: skip
        self.media = {MEDIUM: medium}
        self.comments, self.tagged, self.talks, self.hashtags, self.mentioned = {}, [], {}, [], []
        self.privately, self.subscribed = set(), []

    def facts(self):
        return {"account_id": "178", "username": "acme", "page_id": "1"}

    def comment(self, text, username, parent=None, at=None, medium=MEDIUM, **more):
        number, next_at = self.next()
        identity = str(18_000 + number)
        sender = ME if username == "acme" else self.writer(username)
        self.comments[identity] = {
            "id": identity, "text": text, "timestamp": at or stamp(next_at), "username": username, "from": sender,
            "hidden": False, "like_count": 0, "media": {"id": medium},
        } | ({"parent_id": parent} if parent else {}) | more  # fmt: skip
        return identity

    def writer(self, username):
        """Who comments and who writes messages has one number."""
        return {"id": f"9{int.from_bytes(username.encode())}", "username": username}

    def person_of(self, comment):
        return comment["username"]

    def say(self, text, person="carla", parent=None, **more):
        """There is one depth: an answer to an answer stands beside it."""
        top = self.comments[parent].get("parent_id") or parent if parent else None
        return self.comment(text, person, top, **more)

    def close_off(self):
        self.media["17901"] = self.media[MEDIUM] | {"id": "17901", "timestamp": self.now()}
        self.forbid("17901")
        return True

    def above(self, first, second):
        return [first]

    def delete(self, identity):
        del self.comments[identity]

    def spoil(self):
        self.comments["7"] = {"id": "7", "text": "x", "timestamp": "soon", "username": "u", "media": {"id": MEDIUM}}

    def odd(self):
        return self.say(
            "odd", user=None, replies=None, like_count="12", hidden=None, unknown={"a": 1}, **{"from": None}
        )

    def ids(self):
        return {one for one, comment in self.comments.items() if comment["timestamp"] != "soon"}

    def made(self):
        return [comment for comment in self.comments.values() if comment.get("from") is ME]

    # Answers

    def answered(self, method, path, given):
        head, _, edge = path.partition("/")
        if method == "GET":
            return self.read_edge(head, edge, given)
        if edge in ("messages", "subscribed_apps"):
            return FacebookFake.written_to_page(self, edge, given)
        return self.written(method, head, edge, given)

    def read_edge(self, head, edge, given):
        if not head:
            return self.by_ids(given["ids"].split(","), given["fields"])
        if head == "me":
            return Reply(200, {"id": "1", "name": "Acme", "instagram_business_account": {**ME, "name": "Acme"}})
        if head == "ig_hashtag_search":
            return Reply(200, {"data": [{"id": "17843"}]})
        if edge == "subscribed_apps":
            return Reply(200, {"data": self.subscribed})
        if edge == "conversations":
            return Reply(200, self.page(self.talks_of(given), given, "updated_time"))
        if head == "178":
            return self.of_account(edge, given)
        if edge == "recent_media":
            return Reply(200, self.page(self.hashtags, given, "timestamp"))
        if edge in ("comments", "replies"):
            return self.under(head, edge, given)
        if edge == "messages":
            return Reply(200, self.page(self.talks[head], given))
        return Reply(200, self.comments[head]) if head in self.comments else refused(*GONE)

    def by_ids(self, wanted, fields):
        """Media of others are told to their owners alone."""
        known = self.comments | self.media
        elsewhere = {one for one, told in self.comments.items() if told["media"]["id"] == "elsewhere"}
        if not set(wanted) <= set(known) - elsewhere:
            return refused(803)
        if "text" in fields.split(",") and not set(wanted) <= set(self.comments):
            return refused(100)
        return Reply(200, {one: known[one] for one in wanted})

    def of_account(self, edge, given):
        if edge == "media":
            shown = [m | {"comments_count": sum(c["media"]["id"] == one for c in self.comments.values())}
                     for one, m in self.media.items()]  # fmt: skip
            return Reply(200, self.page(shown, given, "timestamp"))
        if edge == "tags":
            return Reply(200, self.page(self.tagged, given, "timestamp"))
        field, _, rest = given["fields"].partition(".")
        identity = rest.partition("(")[2].partition(")")[0]
        known = self.comments if field == "mentioned_comment" else {item["id"]: item for item in self.tagged}
        return Reply(200, {field: known[identity], "id": "178"}) if identity in known else refused(*GONE)

    def under(self, head, edge, given):
        if edge == "replies":
            if head not in self.comments:
                return refused(*GONE)
            return Reply(200, self.page([c for c in self.comments.values() if c.get("parent_id") == head], given,
                                        "timestamp"))  # fmt: skip
        if head not in self.media:
            return refused(*GONE)
        top = [c for c in self.comments.values() if c["media"]["id"] == head and not c.get("parent_id")]
        below = [c for c in self.comments.values() if c.get("parent_id")]
        shown = [c | {"replies": {"data": [r for r in below if r["parent_id"] == c["id"]]}} for c in top]
        shown = [c if c["replies"]["data"] else {n: v for n, v in c.items() if n != "replies"} for c in shown]
        return Reply(200, self.page(shown, given, "timestamp", few=50))

    def written(self, method, head, edge, given):
        if edge == "mentions":
            self.mentioned.append(given)
            made = self.comment(given["message"], "acme", at=self.now(), medium="elsewhere")
            return Reply(200, {"id": made})
        if head not in self.comments:
            return refused(*GONE)
        if edge == "replies":
            return Reply(200, {"id": self.comment(given["message"], "acme", head, self.now())})
        if method == "DELETE":
            self.delete(head)
        else:
            self.comments[head]["hidden"] = given["hide"] == "true"
        return Reply(200, {"success": True})
