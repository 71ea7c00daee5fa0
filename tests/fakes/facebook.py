"""A Facebook page: one post of ours with comments under it, posts of visitors, conversations, recommendations."""

import json
from datetime import UTC, datetime

from tests.fakes.graph import GONE, FakeGraph, refused, stamp
from tests.fakes.server import Reply

PAGE = {"id": "1", "name": "Acme"}
OURS = "1_555"


class Fake(FakeGraph):
    name, source = "facebook", "comments"
    takes_files, uploads, spoils = True, ("/v26.0/1/photos",), True
    scopes = ("pages_show_list", "pages_read_engagement", "pages_read_user_content", "pages_manage_engagement",
              "pages_manage_metadata", "pages_messaging")  # fmt: skip

    def __init__(self):
        super().__init__()
        self.photos = {}
        post = {"id": OURS, "message": "Our new tea is here", "created_time": stamp(self.start), "from": PAGE,
                "permalink_url": "https://www.facebook.com/1/posts/555", "status_type": "added_photos"}  # fmt: skip
        self.posts, self.comments, self.talks, self.ratings = {OURS: post}, {}, {}, []
        self.blocked, self.privately, self.subscribed = [], set(), []

    def facts(self):
        return {"account_id": "1", "page_id": "1"}

    def comment(self, text, sender, parent=None, at=None, under=OURS, **more):
        number, next_at = self.next()
        identity = f"{under.split('_')[-1]}_{9000 + number}"
        self.comments[identity] = {
            "id": identity, "message": text, "from": sender, "created_time": at or stamp(next_at),
            "permalink_url": f"https://www.facebook.com/1/posts/555?comment_id={9000 + number}", "comment_count": 0,
            "like_count": 0, "can_comment": True, "can_hide": sender is not PAGE, "can_like": True, "can_remove": True,
            "can_reply_privately": sender is not PAGE, "is_hidden": False, "is_private": False, "user_likes": False,
        } | ({"parent": {"id": parent.split("_")[-1]}} if parent else {}) | more  # fmt: skip
        return identity

    def say(self, text, person="carla", parent=None, **more):
        return self.comment(text, {"id": f"u-{person}", "name": person.title()}, parent, **more)

    def edit(self, identity, text):
        self.comments[identity]["message"] = text

    def delete(self, identity):
        del self.comments[identity]

    def spoil(self):
        self.comments["555_7"] = {"id": "555_7", "message": "x", "created_time": "soon", "from": {"id": "u"}}

    def odd(self):
        return self.say("odd", attachment=None, message_tags=None, parent=None, unknown={"a": [1]}, like_count="12",
                        can_hide=None, **{"from": None})  # fmt: skip

    def ids(self):
        return {one for one, comment in self.comments.items() if comment["created_time"] != "soon"}

    def made(self):
        return [comment for comment in self.comments.values() if comment.get("from") is PAGE]

    def attached(self, made):
        return [self.photos[made["hung"]]]

    def close_off(self):
        self.posts["1_700"] = self.posts[OURS] | {"id": "1_700", "created_time": self.now()}
        self.forbid("1_700")
        return True

    def visit(self, text, person="carla", edge="visitor_posts"):
        number, at = self.next()
        identity = f"{1 if edge == 'visitor_posts' else 77}_{7000 + number}"
        self.posts[identity] = {
            "id": identity, "message": text, "created_time": stamp(at), "from": {"id": f"u-{person}", "name": person},
            "permalink_url": f"https://www.facebook.com/1/posts/{7000 + number}", "edge": edge, "is_hidden": False,
            "likes": {"data": [], "summary": {"total_count": 0, "can_like": True, "has_liked": False}},
        }  # fmt: skip
        return identity

    def writer(self, person):
        """Who writes messages has another number there than who comments."""
        return {"id": f"p-{person}", "name": person.title()}

    def message(self, text, person="carla", ours=False, at=None):
        number, next_at = self.next()
        us, them = PAGE, self.writer(person)
        message = {"id": f"m_{number}", "message": text, "from": us if ours else them,
                   "to": {"data": [them if ours else us]}, "created_time": at or stamp(next_at)}  # fmt: skip
        self.talks.setdefault(f"t_{person}", []).append(message)
        return message["id"]

    # Answers

    def answered(self, method, path, given):
        head, _, edge = path.partition("/")
        if method == "GET":
            return self.read_edge(head, edge, given)
        if head == "1":
            return self.written_to_page(edge, given)
        return self.written(method, head, edge, given)

    def read_edge(self, head, edge, given):
        if not head:
            wanted = given["ids"].split(",")
            known = self.comments | self.posts
            if not set(wanted) <= set(known):
                return refused(803)
            foreign = self.posts if "can_remove" in given["fields"] else self.comments
            return refused(100) if set(wanted) & set(foreign) else Reply(200, {one: known[one] for one in wanted})
        if head == "me":
            return Reply(200, {**PAGE, "link": "https://www.facebook.com/1"}, {"facebook-api-version": "v26.0"})
        if head == "1":
            return Reply(200, self.edge_of_page(edge, given))
        if edge == "comments":
            return self.under(head, given)
        if edge == "messages":
            return Reply(200, self.page(self.talks[head], given))
        return self.one(head, given.get("fields", ""))

    def edge_of_page(self, edge, given):
        if edge == "feed":
            since = stamp(datetime.fromtimestamp(int(given["since"]), UTC))
            posts = [post for post in self.posts.values() if post.get("edge") != "tagged"]  # they stand elsewhere
            shown = [self.with_news(post) for post in posts if post["created_time"] >= since]
            return self.whole(sorted(shown, key=lambda post: post["created_time"]), given)
        if edge == "conversations":
            return self.page(self.talks_of(given), given, "updated_time")
        if edge == "ratings":
            return self.whole(self.ratings, given)
        if edge == "subscribed_apps":
            return {"data": self.subscribed}
        return self.page([post for post in self.posts.values() if post.get("edge") == edge], given)

    def with_news(self, post):
        times = [c["created_time"] for one, c in self.comments.items() if one.split("_")[0] == post["id"].split("_")[1]]
        return post | {"updated_time": max([post["created_time"], *(time for time in times if time != "soon")])}

    def talks_of(self, given):
        user, talks = given.get("user_id"), self.talks.items()
        named = {one: self.writer(one.removeprefix("t_"))["id"] for one in self.talks}
        return [self.talk(one, messages) for one, messages in talks if user in (None, named[one])]

    def talk(self, identity, messages):
        newest = max(message["created_time"] for message in messages)
        return {"id": identity, "updated_time": newest, "participants": {"data": [PAGE]},
                "messages": self.page(messages, {"limit": 20})}  # fmt: skip

    def under(self, head, given):
        if head in self.posts:
            number = head.split("_")[1]
            return Reply(200, self.page([c for one, c in self.comments.items() if one.split("_")[0] == number], given))
        if head not in self.comments:
            return refused(*GONE)
        below, found = {head.split("_")[1]}, []
        for comment in sorted(self.comments.values(), key=lambda each: each["created_time"]):
            if (comment.get("parent") or {"id": ""})["id"].rpartition("_")[2] in below:
                below.add(comment["id"].split("_")[1])
                found.append(comment)
        return Reply(200, self.page(found, given))

    def one(self, head, fields):
        if head not in self.comments:
            return refused(*GONE)
        if "private_reply_conversation" in fields:
            talk = f"t_{self.comments[head]['from']['id'].removeprefix('u-')}"
            held = {"private_reply_conversation": self.talk(talk, self.talks[talk])} if head in self.privately else {}
            return Reply(200, {"id": head, **held})
        if "comments." in fields:
            return Reply(200, self.comments[head] | {"comments": self.under(head, {"limit": 100}).body})

        def above(comment):
            number = (comment.get("parent") or {}).get("id")
            parent = self.comments.get(f"555_{number}")
            return comment | ({"parent": above(parent)} if parent else {})

        return Reply(200, above(self.comments[head]))

    def written_to_page(self, edge, given):
        if edge == "photos":
            assert given["published"] == "false"
            identity = str(8000 + len(self.photos))
            self.photos[identity] = given["source"], given.get("alt_text_custom")
            return Reply(200, {"id": identity})
        if edge == "subscribed_apps":
            self.subscribed = [{"id": "app-1", "subscribed_fields": given["subscribed_fields"].split(",")}]
            return Reply(200, {"success": True})
        if edge == "blocked":
            self.blocked.append(given["user"])
            return Reply(200, {given["user"]: True})
        recipient, text = json.loads(given["recipient"]), json.loads(given["message"])["text"]
        if "comment_id" in recipient:
            if recipient["comment_id"] in self.privately:
                return refused(10, 2534014)
            self.privately.add(recipient["comment_id"])
            person = self.person_of(self.comments[recipient["comment_id"]])
        else:
            person = next(one[2:] for one in self.talks if self.writer(one[2:])["id"] == recipient["id"])
        identity = self.message(text, person, ours=True, at=self.now())
        return Reply(200, {"recipient_id": self.writer(person)["id"], "message_id": identity})

    def person_of(self, comment):
        return comment["from"]["id"].removeprefix("u-")

    def written(self, method, head, edge, given):
        known = self.comments if head in self.comments else self.posts
        if head not in known:
            return refused(*GONE)
        if edge == "comments":
            parent = head if known is self.comments else None
            under = head.split("_")[0] if parent else head
            made = self.comment(given["message"], PAGE, parent, self.now(), under=f"x_{under}" if parent else head)
            self.comments[made]["hung"] = given.get("attachment_id")
            return Reply(200, {"id": made, "permalink_url": self.comments[made]["permalink_url"]})
        if edge == "likes" and "likes" in known[head]:
            known[head]["likes"]["summary"]["has_liked"] = method == "POST"
        elif edge == "likes":
            known[head]["user_likes"] = method == "POST"
        elif method == "DELETE":
            del known[head]
        else:
            known[head] |= {"is_hidden": given["is_hidden"] == "true"} if "is_hidden" in given else given
        return Reply(200, {"success": True})
