"""Two hundred conversations, two agents, both press claim at once over HTTP: each conversation has exactly one owner,
and each loser is told who was faster."""

import threading
from collections import Counter

import pytest
from django.db import connections
from django.test import Client

from inbox.models import Conversation, Event
from tests.conftest import make_cast
from tests.waiting import PATIENCE
from tests.world import make_channel, post, store

ITEMS = 200


@pytest.mark.slow
def test_exactly_one_of_two_who_claim_at_once_owns_it(transactional_db):
    cast, channel = make_cast(), make_channel()
    ids = store(channel, *[post(f"case {n}", author=f"c{n}") for n in range(ITEMS)], team=cast.support)
    gate, answers = threading.Barrier(2), {}

    def press(agent):
        client, told = Client(), []
        client.force_login(agent)
        for pk in ids:
            gate.wait(PATIENCE)
            told.append(client.post(f"/conversations/{pk}/claim/", headers={"HX-Request": "true"}))
        answers[agent.name] = told
        connections.close_all()

    threads = [threading.Thread(target=press, args=(agent,)) for agent in (cast.ana, cast.max)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    owners = dict(Conversation.objects.values_list("pk", "agent__name"))
    for place, pk in enumerate(ids):
        told = {name: answers[name][place] for name in answers}
        assert sorted(answer.status_code for answer in told.values()) == [204, 409]
        winner = next(name for name, answer in told.items() if answer.status_code == 204)
        loser = next(answer for answer in told.values() if answer.status_code == 409)
        assert owners[pk] == winner
        assert loser.content.decode().startswith(f"{winner} took this")
    claims = Counter(Event.objects.filter(happening="claimed", echo=False).values_list("conversation_id", flat=True))
    assert set(claims.values()) == {1}
    assert len(claims) == ITEMS
