"""Pages as a network would give them: 30 % of the posts answer in old conversations, the others begin new ones."""

import itertools
import random
from datetime import timedelta

from benchmarks.data import NOW, Texts
from connectors.base import Author, Page, Post, PostKind

OLD_SHARE = 0.30


class Network:
    """Makes posts that nobody has offered yet. `old` are (conversation, identity) ids to be answered in; each is used
    once, and then one of `answered`."""

    def __init__(self, seed, old, channel=0):
        self.random, self.texts = random.Random(seed), Texts(seed)
        self.drawn = [self.texts.text() for _ in range(1_000)]
        self.old, self.answered, self.seed, self.channel = iter(old), [], seed, channel
        self.numbers = itertools.count(1)

    def post(self):
        number = next(self.numbers)
        text = self.random.choice(self.drawn) + f" {number}"
        at = NOW + timedelta(milliseconds=10 * number)
        if self.random.random() < OLD_SHARE and (known := next(self.old, None)):
            conversation, identity = known
            self.answered.append(known)
            return self._post(number, text, at, f"a{identity}", identity, parent_id=f"m{conversation}")
        return self._post(number, text, at, f"n{self.seed}-{number % 4_000}", number % 4_000)

    def _post(self, number, text, at, author, name, **more):
        return Post(
            external_id=f"p{self.seed}-{number}",
            kind=PostKind.REPLY if more else PostKind.MENTION,
            source="mentions",
            author=Author(external_id=author, handle=f"@{author}", name=f"Author {name}", followers=name % 9973),
            text=text,
            created_at=at,
            lang="en",
            url=f"https://demo.example/p{number}",
            **more,
        )

    def page(self, size):
        return Page(posts=tuple(self.post() for _ in range(size)), cursor={"at": next(self.numbers)}, end=False)


def answerable(channel_id, count, offset=0):
    """(conversation, identity) of put-away conversations of a channel, spread over the whole time."""
    from inbox.models import Conversation

    found = Conversation.objects.filter(channel_id=channel_id, state=4, id__lt=10**9).order_by("id")
    ids = list(found.values_list("id", "identity_id"))
    random.Random(offset).shuffle(ids)
    return ids[:count]


def make_rules(count, teams, seed=7):
    """Rules as people write them: words, words with a fact, and exceptions."""
    from inbox.models import Stream
    from routing.models import VERSION, Rule

    texts, chance = Texts(seed), random.Random(seed)
    Rule.objects.all().delete()
    Rule.objects.bulk_create(
        Rule(name=f"rule {n}", position=n, version=1, **rule_data(texts, chance, teams)) for n in range(count)
    )
    stream, _ = Stream.objects.get_or_create(key=VERSION)
    Stream.objects.filter(pk=stream.pk).update(n=stream.n + 1)


def rule_data(texts, chance, teams):
    """`when`, `then` and `stop` of one rule."""
    words = [texts.rare() for _ in range(chance.randint(2, 6))]
    parts = [{"is": "text_any", "words": words}]
    if chance.random() < 0.3:
        parts.append({"is": "kind", "kinds": ["mention", "reply"]})
    if chance.random() < 0.2:
        parts.append({"none": [{"is": "text_any", "words": [texts.rare(), texts.rare()]}]})
    if chance.random() < 0.2:
        parts.append({"is": "followers_over", "followers": chance.randrange(5_000)})
    then = [{"do": "team", "team": chance.choice(teams)}, {"do": "tag", "tags": ["seen"]}]
    return {"when": {"all": parts}, "then": then, "stop": chance.random() < 0.7}
