"""A Discourse forum with one topic of ours, answers that name what they answer by its number, private messages, and
refusals that do not say what they are about."""

import json
import re
from datetime import UTC, datetime
from html import escape
from itertools import count

from connectors.faults import AuthRevoked
from tests.fakes.network import CANARY, FAULTS, FakeNetwork
from tests.fakes.server import Reply, parts_of

ME, USER, TOPIC, PRIVATE = 7, "care", 40, 41


def no(status, kind, **more):
    return Reply(status, {"errors": ["texte traduit"], "error_type": kind} | more)


class Fake(FakeNetwork):
    name, source = "discourse", "posts"
    secrets = {"api_key": CANARY}
    takes_files, uploads = True, ("/uploads.json",)
    read_faults = {"403": {AuthRevoked}}

    def __init__(self):
        super().__init__()
        self.files, self.extensions = {}, "jpg|jpeg|png|gif|mp4"
        self.posts, self.notes, self.closed, self.page = {}, [], False, 50
        self.searches, self.hits = True, 50
        self.numbers = count(1000)  # none is given twice, whatever was deleted
        self.keep("Our new tea", "care", None, self.start, user_id=ME)

    def settings(self):
        return {"site": self.server.url, "user": USER}

    def facts(self):
        return {
            "user_id": str(ME),
            "least": 5,
            "least_private": 2,
            "most": 1_000,
            "media": {"videos": ["mp4"], "image": 4_194_304, "video": 8_388_608},
        }

    def fault(self, name):
        told = {
            "429": lambda: no(429, "rate_limit"),
            "429 with wait": lambda: no(429, "rate_limit", extras={"wait_seconds": 40, "time_left": "traduit"}),
            "401": lambda: Reply(401, {"errors": ["x"]}),
            "403": lambda: no(403, "invalid_access"),
            "404": lambda: no(404, "not_found"),
            "422": lambda: Reply(422, {"action": "create_post", "errors": ["texte traduit"]}),
        }
        return told[name]() if name in told else FAULTS[name]

    def above(self, first, second):
        return [second]

    # People

    def keep(self, text, username, parent, at, topic=TOPIC, **more):
        number = 1 + max((each["post_number"] for each in self.posts.values() if each["topic_id"] == topic), default=0)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        identity = next(self.numbers)
        above = int(parent.partition("/")[2]) if parent else None
        self.posts[identity] = {
            "id": identity, "name": username.title(), "username": username, "created_at": stamp, "updated_at": stamp,
            "avatar_template": f"/letter_avatar/{username}/{{size}}/1.png", "cooked": f"<p>{escape(text)}</p>",
            "raw": text, "post_number": number, "post_type": 1, "posts_count": 9, "reply_count": 0, "quote_count": 0,
            "reply_to_post_number": above, "incoming_link_count": 0, "reads": 1, "readers_count": 1, "score": 0.2,
            "yours": username == USER, "topic_id": topic, "topic_slug": "our-tea", "topic_title": "Our tea",
            "topic_html_title": "Our tea", "category_id": 3, "display_username": username.title(),
            "primary_group_name": None, "flair_name": None, "flair_url": None, "flair_bg_color": None,
            "flair_color": None, "flair_group_id": None, "badges_granted": [], "version": 1, "can_edit": False,
            "can_delete": False, "can_recover": False, "can_see_hidden_post": False, "can_wiki": False,
            "user_title": None, "bookmarked": False, "moderator": False, "admin": False, "staff": False,
            "actions_summary": [{"id": each, "can_act": username != USER} for each in (2, 4)],
            "user_id": 100 + sum(map(ord, username)),
            "hidden": False, "trust_level": 1, "deleted_at": None, "user_deleted": False, "edit_reason": None,
            "can_view_edit_history": True, "wiki": False, "excerpt": "", "truncated": False, "reviewable_id": None,
            "reviewable_score_count": 0, "reviewable_score_pending_count": 0,
            "post_url": f"/t/our-tea/{topic}/{number}",
        } | more  # fmt: skip
        return f"{topic}/{number}"

    def say(self, text, person="carla", parent=None, topic=TOPIC, **more):
        _, at = self.next()
        return self.keep(text, person, parent, at, topic, **more)

    def tell(self, identity, kind):
        """The forum notifies us of a post."""
        post = self.at(identity)
        data = {"topic_title": "Our tea", "original_post_id": post["id"], "original_username": post["username"]}
        self.notes.append({
            "id": 5000 + len(self.notes), "user_id": ME, "notification_type": kind, "read": False, "slug": "our-tea",
            "created_at": post["created_at"], "post_number": post["post_number"], "topic_id": post["topic_id"],
            "data": data,
        })  # fmt: skip
        return identity

    def at(self, identity):
        topic, _, number = identity.partition("/")
        named = (int(topic), int(number))
        return next((each for each in self.posts.values() if (each["topic_id"], each["post_number"]) == named), None)

    def edit(self, identity, text):
        self.at(identity).update(raw=text, cooked=f"<p>{escape(text)}</p>", version=2,
                                 updated_at=datetime.now(UTC).isoformat())  # fmt: skip

    def delete(self, identity):
        del self.posts[self.at(identity)["id"]]

    def close_off(self):
        """Of a topic that was closed to us since we were told of it."""
        self.source = "notifications"
        self.say = lambda text, **more: self.tell(Fake.say(self, text, **more), 6)
        self.forbid(str(self.at(self.say("closed since"))["id"]))
        return True

    def spoil(self):
        self.say("x", created_at="soon")

    def odd(self):
        return self.say("odd", name=None, reply_to_post_number="1", actions_summary=None, topic_title=None, unknown=[1],
                        updated_at=None, version="1")  # fmt: skip

    def ids(self):
        return {f"{each['topic_id']}/{each['post_number']}" for each in self.posts.values()
                if each["created_at"] != "soon" and each["topic_id"] == TOPIC}  # fmt: skip

    def texts(self):
        return [str(one) for one in self.made() if not one["deleted_at"]]

    def made(self):
        return [each for each in self.posts.values() if each["user_id"] == ME and each["post_number"] > 1]

    # The forum

    def answer(self, asked):
        if (asked.headers.get("api-key"), asked.headers.get("api-username")) != (CANARY, USER):
            return no(403, "invalid_access")
        path = asked.path.removesuffix(".json").strip("/").split("/")
        if asked.method != "GET":
            return self.written(asked, path)
        if path[0] == "notifications":
            told = {"notifications": self.notes[::-1][:30], "total_rows_notifications": len(self.notes)}
            return Reply(200, told | {"seen_notification_id": 1, "load_more_notifications": "/notifications?offset=60"})
        if path == ["site", "settings"]:
            takes = {
                "authorized_extensions": self.extensions,
                "max_attachment_size_kb": 8192,
                "max_image_size_kb": 4096,
            }
            lengths = {"min_post_length": 5, "min_personal_message_post_length": 2, "max_post_length": 1_000}
            return Reply(200, takes | lengths | {"title": "Our tea"}) if self.extensions else no(404, "not_found")
        if path[0] == "u":
            return Reply(200, {"user_badges": [], "user": {"id": ME, "username": USER, "name": "Care"}})
        if path[0] == "t":
            return self.topic(asked, int(path[1]), len(path) > 2)
        if path == ["search"]:
            return self.searched(asked.one("q"), int(asked.one("page", "1")))
        if path == ["posts"]:
            return self.latest(int(asked.one("before", "0")))
        post = self.at("/".join(path[2:])) if path[1] == "by_number" else self.posts.get(int(path[1]))
        return Reply(200, self.single(post)) if post else no(404, "not_found")

    def latest(self, before):
        """Pages are cut by ids: what is private leaves holes."""
        if self.stuck:
            return Reply(200, {"latest_posts": [self.listed(each) for each in list(self.posts.values())[:3]]})
        top = before or max(self.posts, default=0)
        found = [each for one, each in self.posts.items() if top - self.page < one <= top and each["topic_id"] == TOPIC]
        return Reply(200, {"latest_posts": [self.listed(each) for each in found[::-1]]})

    def searched(self, asked, page):
        """Words below three letters, categories and people in what was asked narrow it, as in a forum; other forms of
        a word will do. A post is told without its author's number and its text."""
        if self.searches is False:
            return no(403, "invalid_access")
        words, _, order = asked.rpartition(" ")
        assert (order, words[:1] in ("#", "@")) == ("order:latest", False)
        found, error = [], "Too short" if len(words) < 3 else None
        for each in list(self.posts.values())[::-1]:
            said = each["raw"].lower()
            parts = [phrase or word.rstrip("s") for phrase, word in re.findall(r'"(.*?)"|(\S+)', words.lower())]
            if not error and each["topic_id"] != PRIVATE and all(part in said for part in parts):
                found.append(each)
        shown = found[(page - 1) * self.hits : page * self.hits]
        more = True if len(found) > page * self.hits else None
        lists = {name: [] for name in ("users", "categories", "tags", "groups")}
        about = {name: [] for name in ("post_ids", "user_ids", "category_ids", "tag_ids", "group_ids")}
        about |= {"term": words, "search_log_id": 1, "can_create_topic": True, "error": error}
        about |= {"more_posts": None, "more_users": None, "more_categories": None}
        about |= {"more_full_page_results": str(more).lower() if more else None}
        return Reply(200, lists | {"posts": [self.hit(each) for each in shown], "grouped_search_result": about})

    @staticmethod
    def hit(post):
        names = ("id", "name", "username", "avatar_template", "created_at", "post_number", "topic_id")
        return {name: post[name] for name in names} | {"like_count": 0, "blurb": post["raw"][:20]}

    @staticmethod
    def listed(post):
        return post

    @staticmethod
    def single(post):
        lacking = ("topic_title", "topic_html_title", "excerpt", "truncated", "badges_granted", "category_id")
        return {name: value for name, value in post.items() if name not in lacking}

    def topic(self, asked, topic, chosen):
        ids = [one for one, each in self.posts.items() if each["topic_id"] == topic]
        shown = [int(each) for each in asked.many("post_ids[]")] if chosen else ids[:20]
        posts = [self.single(self.posts[one]) for one in shown if one in self.posts]
        kind = "private_message" if topic == PRIVATE else "regular"
        stream = {"posts": posts} | ({} if chosen else {"stream": ids})
        category = next((self.posts[one]["category_id"] for one in ids), None)
        return Reply(200, {"post_stream": stream, "id": topic, "archetype": kind, "category_id": category})

    def attached(self, made):
        named = re.findall(r"!\[(.*?)\|(?:24x18|video)\]\((.*?)\)", made["raw"])
        return [(self.files[address], said) for said, address in named]

    def written(self, asked, path):
        if path == ["uploads"]:
            address = f"upload://{len(self.files)}.jpg"
            self.files[address] = parts_of(asked)["file"]
            return Reply(200, {"short_url": address, "id": len(self.files)})
        given = json.loads(asked.body or b"{}")
        if path[0] == "post_actions":
            return self.liked(asked, given, path)
        if asked.method == "POST":
            return self.created(given)
        post = self.posts.get(int(path[1]))
        if post is None:
            return no(404, "not_found")
        if asked.method == "DELETE":
            post["deleted_at"] = datetime.now(UTC).isoformat()
            return Reply(200, "")
        self.edit(f"{post['topic_id']}/{post['post_number']}", given["post"]["raw"])
        return Reply(200, {"post": self.single(post)})

    def created(self, given):
        if self.closed:
            return no(403, "invalid_access")
        if any(each["raw"] == given["raw"] for each in self.made()) or len(given["raw"]) < 5:
            return self.fault("422")
        assert isinstance(given["reply_to_post_number"], int)
        parent = f"{given['topic_id']}/{given['reply_to_post_number']}"
        one = self.keep(given["raw"], USER, parent, datetime.now(UTC), given["topic_id"], user_id=ME, can_edit=True)
        return Reply(200, self.single(self.at(one)) | {"badges_granted": [], "draft_sequence": 1})

    def liked(self, asked, given, path):
        post, kind = self.posts[int(given.get("id") or path[1])], given.get("post_action_type_id", 2)
        one = next(each for each in post["actions_summary"] if each["id"] == kind)
        if one.get("acted") is (asked.method == "POST"):
            return no(403, "invalid_access")
        one |= {"acted": asked.method == "POST", "can_act": asked.method != "POST"}
        return Reply(200, self.single(post))
