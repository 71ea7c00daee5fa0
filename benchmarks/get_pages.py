"""What every page that can be read asks of the database it stands on: `python -m benchmarks.get_pages FILE`, in a
process of its own, since each size has its database. Statements and shared buffers are counted, nothing is timed."""

import json
import sys
from pathlib import Path

import django
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver

WITHOUT = ("livez", "readyz", "first-run", "invitation", "hooks", "account", "set-up/channels/callback")
WORD = "every50"  # one of fifty posts has it (see benchmarks.search)


def routes(resolver, before=""):
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, before + str(pattern.pattern))
        else:
            yield before + str(pattern.pattern)


def samples():
    """By the beginning of a route what its places are filled with; the longest beginning counts."""
    from connectors.topics.models import Topic
    from inbox.models import Agent, Conversation, Team
    from routing.models import Rule

    one = Conversation.objects.open().filter(team__slug="support").order_by("-newest_at").first()
    mention = one.mentions.first().pk
    topic = Topic.objects.first().pk
    return {
        "views/": {"slug:slug": "all"},
        "conversations/": {"int:pk": one.pk, "int:mention": mention, "int:place": 0},
        "topics/": {"int:pk": topic, "int:mention": mention},
        "set-up/topics/": {"int:pk": topic},
        "set-up/channels/": {"int:pk": one.channel_id},
        "set-up/rules/": {"int:pk": Rule.objects.first().pk},
        "set-up/teams/": {"int:pk": Team.objects.get(slug="support").pk},
        "set-up/agents/": {"int:pk": Agent.objects.order_by("pk")[1].pk},
        "set-up/channels/connect/": {"slug:network": "demo"},
        "": {},
    }


def addresses():
    """(name, address) of everything there is to be read; the views, orders and questions of the desk one by one."""
    from inbox import desk

    filled, questions = (
        samples(),
        [f"/search/?q={WORD}", "/views/support/", "/views/product/", "/views/all/?language=en"],
    )
    questions += [f"/views/{slug}/?order={order}" for slug, view in desk.View.kinds().items() for order in view.orders]
    yield from ((address, address) for address in questions)
    for route in routes(get_resolver()):
        if route.startswith(WITHOUT) or "^" in route:
            continue
        values = filled[max((start for start in filled if route.startswith(start)), key=len)]
        name = address = f"/{route}"
        for place, value in values.items():
            name = name.replace(f"<{place}>", value if isinstance(value, str) else "…")
            address = address.replace(f"<{place}>", str(value))
        if "<" not in address:
            yield name, address


def prepare():
    """An admin who reads everything, a topic that found every tenth post, and the words of all posts."""
    from benchmarks import posts, search
    from connectors.topics import days
    from connectors.topics.models import Topic
    from inbox.models import Agent, Membership, SearchText, Team

    if not SearchText.objects.exists():
        search.load()
    teams = list(Team.objects.all())
    posts.make_rules(20, [team.pk for team in teams])
    admin = Agent.objects.create(email="growth@acme.example", name="Ada", is_admin=True, password="!")
    Membership.objects.bulk_create(Membership(team=team, agent=admin) for team in teams)
    topic = Topic.objects.create(name="growth", query="every10", team=teams[0])
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            "INSERT INTO connectors_topicmention (topic_id, mention_id, posted_at, read) "
            "SELECT %s, id, posted_at, '' FROM inbox_mention WHERE id %% 10 = 0",
            [topic.pk],
        )
        days.count_due(600, alone=True)  # as the sweep has done by then
        cursor.execute("VACUUM (ANALYZE) connectors_topicmention, inbox_conversation")  # others changed rows before
        cursor.execute("VACUUM (ANALYZE) connectors_findingday, connectors_findingposts, connectors_findingdue")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    return admin


def undo():
    from connectors.topics.models import Topic
    from inbox.models import Agent
    from routing.models import Rule

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE connectors_topicmention CASCADE")
        cursor.execute("TRUNCATE connectors_findingday, connectors_findingposts, connectors_findingdue")
    Topic.objects.filter(name="growth").delete()
    Agent.objects.filter(email="growth@acme.example").delete()
    Rule.objects.all().delete()


def cost_of(client, address):
    """(statements, shared buffers) of an answer that found warm what it needs; None where it is no page. Of two, the
    lesser: now and then one notes that the reader is still here."""
    if client.get(address).status_code != 200:
        return None
    return tuple(map(min, _cost(client, address), _cost(client, address)))


def _cost(client, address):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_statements_reset()")
    with CaptureQueriesContext(connection) as seen:
        client.get(address)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(shared_blks_hit + shared_blks_read) FROM pg_stat_statements "
            "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND query NOT LIKE '%pg_stat_statements%'"
        )
        return len(seen), int(cursor.fetchone()[0] or 0)


def main():
    django.setup()
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(prepare())
    found = {name: cost for name, address in addresses() if (cost := cost_of(client, address))}
    undo()
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
