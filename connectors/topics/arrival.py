"""The topics of one channel during one poll: what its network is asked for them, which of them a post that arrives
belongs to, and whether it is work or only to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from django.db import connection

from connectors.base import Connector, Post, PostKind, Source
from connectors.models import Channel, Topic
from connectors.topics.matching import Subject, TopicSet
from connectors.topics.query import QueryError, parse
from connectors.topics.sorting import Sorted, Sorting
from inbox.arrival import Asked, Place
from inbox.language import language_of
from inbox.models import Conversation, Mention
from inbox.models.arrays import array
from inbox.models.conversation import State

log = structlog.get_logger(__name__)
# What stands there already is sorted anew when its mention is of another version. In the order in which everybody locks
# findings.
_AGAIN = """
    UPDATE connectors_topicmention f SET is_sorted = false
      FROM (SELECT w.id FROM connectors_topicmention w JOIN inbox_mention m ON m.id = w.mention_id
             WHERE m.channel_id = %s AND m.external_id = ANY(%s::text[]) AND w.read <> '' AND w.read <> m.version
             ORDER BY w.topic_id, w.mention_id FOR NO KEY UPDATE OF w) e
     WHERE f.id = e.id AND f.is_sorted"""
_BIND = f"""
    WITH again AS ({_AGAIN})
    INSERT INTO connectors_topicmention (topic_id, mention_id, posted_at, themes, hidden_by_id, read, is_sorted)
    SELECT t.id, m.id, m.posted_at, g.themes::bigint[], g.hidden_by, m.version,
           g.sort_version = t.sort_version AND g.version = m.version
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
           AS g(topic_id, external_id, themes, hidden_by, sort_version, version)
      JOIN connectors_topic t ON t.id = g.topic_id
      JOIN inbox_mention m ON m.channel_id = %s AND m.external_id = g.external_id
     ORDER BY t.id, m.id FOR KEY SHARE OF t
    ON CONFLICT (topic_id, mention_id) DO NOTHING"""  # noqa: S608  nothing of it comes from outside


@dataclass(frozen=True)
class Found(Asked):
    """With how the post is sorted, topic by topic, by themes and exclusions as they were at those versions."""

    sorted: Mapping[int, Sorted] = field(default_factory=dict)
    versions: Mapping[int, int] = field(default_factory=dict)


@lru_cache(maxsize=32)
def _compiled(queries: tuple[tuple[int, str], ...]) -> TopicSet:
    """The queries that can be read. Only what is good is stored, so that another one is a change of the language."""
    trees = {}
    for key, query in queries:
        try:
            trees[key] = parse(query)
        except QueryError as error:
            log.warning("a topic cannot be read and finds nothing", topic=key, reason=str(error))
    return TopicSet(trees)


def subject_of(post: Post, channel: Channel) -> Subject:
    """A post that just arrived, as queries see it."""
    author = post.author
    return Subject(
        text=f"{post.subject}\n{post.text}" if post.subject else post.text,
        network=channel.network,
        channel=channel.name,
        handle=author.handle,
        name=author.name,
        languages=frozenset(filter(None, (post.lang, language_of(post.text, post.lang)))),
        followers=author.followers,
        media=frozenset(item.kind for item in post.media),
        url=post.url,
    )


def bind_topics(place: Place, posts: Sequence[Post]) -> None:
    """Notes which topics found which of these mentions, and how each is sorted, in the transaction that stores them;
    one statement. A second one for posts that were edited: only it sees findings that somebody stored while the first
    one waited for them, and those of topics that would find the post no more."""
    rows = sorted(row for post in posts for row in _rows(post, place.asked.get(post.external_id)))
    edited = array([post.external_id for post in posts if post.edited_at])
    with connection.cursor() as cursor:
        if rows:
            topics, keys, *more = (array(column) for column in zip(*rows, strict=True))
            cursor.execute(_BIND, (place.channel_id, keys, topics, keys, *more, place.channel_id))
        if edited != "{}":
            cursor.execute(_AGAIN, (place.channel_id, edited))


def _rows(post: Post, asked: Asked | None) -> list[tuple[Any, ...]]:
    if not isinstance(asked, Found):
        return []
    return [
        (topic, post.external_id, each.literal, each.hidden_by, asked.versions[topic], post.version)
        for topic, each in asked.sorted.items()
    ]


@dataclass
class Topics:
    """`topics` by id, of those that cover the channel; `searches`: the names of sources that exist for them alone."""

    channel: Channel
    topics: Mapping[int, Topic]
    set: TopicSet
    sorting: Sorting
    searches: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, channel: Channel) -> Topics:
        covering = Topic.objects.covering(channel).with_sorting().order_by("pk")
        found = {topic.pk: topic for topic in covering}
        queries = tuple((pk, topic.query) for pk, topic in found.items())
        return cls(channel, found, _compiled(queries), Sorting(found.values()))

    @property
    def names(self) -> dict[str, str]:
        """Of topics and themes, for traces, which everybody reads who reads the conversation: those of no private
        team."""
        topics = {f"topic:{pk}": topic.name for pk, topic in self.topics.items() if not topic.is_private}
        return {**topics, **self.sorting.names}

    def sources(self, connector: Connector) -> tuple[Source, ...]:
        """What the channel listens to: what is set for it, and the searches its topics need."""
        own = connector.listening()
        texts: dict[str, None] = {}
        if connector.can_search:
            natives = [native for tree in self.set.trees.values() if (native := connector.search_query(tree))]
            texts = dict.fromkeys(text for native in natives for text in native.texts)
        named = {source.name for source in own}
        searches = tuple(each for each in connector.searching(tuple(texts)) if each.name not in named) if texts else ()
        self.searches = frozenset(each.name for each in searches)
        return (*own, *searches)

    def look_at(self, posts: Sequence[Post], source: str) -> tuple[list[Post], Mapping[str, Asked]]:
        """The posts of a page that are to be stored, and which topics asked for them. What a search finds is stored
        when it matches as we read the query, or is stored already; what was written to us is taken out of the merely
        read, if it was found there before."""
        searched = source in self.searches
        if not self.topics or not posts:
            return list(posts), {}
        asked = self.asked_of(posts, searched=searched)
        if searched:
            posts = self._kept(posts, asked)
        else:
            self._promote([post.external_id for post in posts if _addressed(post) and not post.history])
        return [self._dated(post, asked.get(post.external_id), searched) for post in posts], asked

    def asked_of(self, posts: Sequence[Post], *, searched: bool = False) -> dict[str, Asked]:
        found = {post.external_id: self._asked(post, searched) for post in posts if not post.ours}
        return {key: asked for key, asked in found.items() if asked.topics}

    def _asked(self, post: Post, searched: bool) -> Found:
        """What every topic that found it hides is only listened to, whatever the rules say."""
        subject = subject_of(post, self.channel)
        keys = self.set.matching(subject)
        if not keys:
            return Found()
        found = self.sorting.of(subject, keys)
        shown = [self.topics[pk] for pk in keys if found[pk].hidden_by is None]
        teams = [topic.team_id for topic in sorted(shown, key=lambda topic: not topic.queues) if topic.team_id]
        quiet = (searched or not _addressed(post)) and not any(topic.queues for topic in shown)
        themes = {theme for topic in shown for theme in found[topic.pk].themes}
        return Found(
            topics=tuple(keys),
            team_id=teams[0] if teams else None,
            listen_only=quiet,
            hidden=quiet and not shown,
            shown=tuple(topic.pk for topic in shown),
            themes=tuple(sorted(themes)),
            sorted=found,
            versions=self.sorting.versions,
        )

    def _kept(self, posts: Sequence[Post], asked: Mapping[str, Asked]) -> list[Post]:
        strange = [post.external_id for post in posts if post.external_id not in asked]
        if not strange:
            return list(posts)
        held = Mention.objects.filter(channel=self.channel, external_id__in=strange)
        known = {*asked, *held.values_list("external_id", flat=True)}
        return [post for post in posts if post.external_id in known]

    def _promote(self, ids: Sequence[str]) -> None:
        """Runs before the page is stored: when this dies, the page comes again."""
        heard = Conversation.objects.filter(state=State.HEARD, trace__listen_only=True)
        written = Mention.objects.filter(channel=self.channel, external_id__in=ids, history=False)
        for conversation in heard.filter(pk__in=written.values("conversation_id")) if ids else ():
            conversation.reopen(None, "it was written to us")

    def _dated(self, post: Post, asked: Asked | None, searched: bool) -> Post:
        """What stood there before the topic was made is history."""
        if not searched or asked is None or post.history:
            return post
        return replace(post, history=post.created_at < self._since(asked))

    def _since(self, asked: Asked) -> datetime:
        return min(self.topics[pk].since for pk in asked.topics)


def _addressed(post: Post) -> bool:
    """Whether the post came because it was written to us, and not because it holds a word."""
    return post.kind not in (PostKind.RESULT, PostKind.ARTICLE)
