"""The journey of one post at a time through Django's models: the same rows, counters, numbers and events, a transaction
a post."""

from functools import cache

from django.db import transaction
from django.db.models import F

from inbox import happenings
from inbox.arrival import Place
from inbox.language import language_of
from inbox.models import Conversation, Event, Identity, Mention, Person, Stream, Tally
from inbox.models.page_conversation import shown
from inbox.models.page_facts import facts_of
from routing import engine


@cache
def rules():
    return engine.current()


def receive_one(channel, post, rule_set):
    """Stores a post and what follows from it."""
    with transaction.atomic():
        identity = _identity(channel, post.author)
        parent = Mention.objects.filter(channel=channel, external_id=post.parent_id).first() if post.parent_id else None
        key = parent.conversation.thread_key if parent else f"bench:{post.external_id}"
        conversation = Conversation.objects.select_for_update().filter(thread_key=key, identity=identity).first()
        if conversation is None:
            conversation, told = _begin(channel, post, identity, key, rule_set)
        else:
            told = _go_on(conversation, post)
        mention = _mention(channel, post, identity, conversation)
        if mention is None:
            return False
        for place, what in enumerate(told):
            _event(conversation, what, conversation.seen_seq - len(told) + 1 + place)
    return True


def _identity(channel, author):
    found = Identity.objects.filter(network=channel.network, external_id=author.external_id).first()
    facts = {"handle": author.handle, "name": author.name, "url": author.url, "followers": author.followers}
    if found is None:
        person = Person.objects.create(id=_next_identity(), name=author.name)
        return Identity.objects.create(
            id=person.pk, network=channel.network, external_id=author.external_id, person=person, **facts
        )
    if any(getattr(found, name) != value for name, value in facts.items()):
        Identity.objects.filter(pk=found.pk).update(**facts)
    return found


def _next_identity():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('inbox_identity', 'id'))")
        return cursor.fetchone()[0]


def _begin(channel, post, identity, key, rule_set):
    place = Place(channel.pk, channel.network, "bench", post.created_at, str)
    decision = rule_set.decide(facts_of(place, [post]))
    conversation = Conversation.objects.create(
        channel=channel,
        thread_key=key,
        identity=identity,
        team_id=decision.team_id,
        agent_id=decision.agent_id,
        priority=decision.priority,
        rank=-decision.priority,
        tags=sorted(decision.tags),
        excerpt=shown(post.text),
        language=language_of(post.text, post.lang),
        newest_at=post.created_at,
        waiting_since=post.created_at,
        seen_seq=2,
        inbound_seq=1,
        trace=dict(decision.trace),
    )
    _count(conversation, 1)
    routed = happenings.Routed(team=decision.trace["team"], because=decision.trace["because"])
    return conversation, [happenings.Received(post.author.name), routed]


def _go_on(conversation, post):
    _count(conversation, -1)
    reopens = conversation.state in (3, 4)
    told = [happenings.Reopened()] if reopens else []
    told.append(happenings.Received(post.author.name))
    conversation.state, conversation.waiting_since = 0, post.created_at
    conversation.newest_at, conversation.excerpt = post.created_at, shown(post.text)
    conversation.seen_seq += len(told)
    conversation.inbound_seq, conversation.closed_at, conversation.snoozed_until = conversation.seen_seq, None, None
    conversation.save()
    _count(conversation, 1)
    return told


def _mention(channel, post, identity, conversation):
    mention, made = Mention.objects.get_or_create(
        channel=channel,
        external_id=post.external_id,
        defaults={
            "conversation": conversation,
            "identity": identity,
            "kind": post.kind,
            "source": post.source,
            "text": post.text,
            "posted_at": post.created_at,
            "version": post.version,
            "language": language_of(post.text, post.lang),
            "parent_id": post.parent_id or "",
            "url": post.url,
            "followers": post.author.followers,
        },
    )
    return mention if made else None


def _count(conversation, step):
    owner = f"agent:{conversation.agent_id}" if conversation.agent_id else f"team:{conversation.team_id}:free"
    for scope in (f"team:{conversation.team_id}", owner):
        changed = Tally.objects.filter(scope=scope, state=conversation.state).update(n=F("n") + step)
        if not changed:
            Tally.objects.create(scope=scope, state=conversation.state, n=step)


def _event(conversation, happening, seq):
    streams = [f"team:{conversation.team_id}"] + ([f"agent:{conversation.agent_id}"] if conversation.agent_id else [])
    for place, key in enumerate(streams):
        Stream.objects.get_or_create(key=key)
        Stream.objects.filter(key=key).update(n=F("n") + 1)
        number = Stream.objects.get(key=key).n
        Event.objects.create(
            stream=key,
            number=number,
            happening=happening.name,
            conversation=conversation,
            seq=seq,
            payload=happening.payload(),
            echo=place > 0,
        )
