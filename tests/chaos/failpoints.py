"""Dies once at every named place between two side effects of the journey, and looks whether anything was lost or
doubled. The work is done by `sweep` alone, so that each place is reached for sure; the process that died is started
again."""

import io
from uuid import uuid4

from PIL import Image

from tests.chaos.checks import lost_and_double, waiting, wrong_numbers
from tests.chaos.drill import settled
from tests.chaos.house import House, wait_until
from tests.fakes.network import MADE
from tests.waiting import PATIENCE

RENEWING = "bluesky"
"""A network with access that ends, for what happens to that."""


def names():
    from inbox.failpoints import NAMES

    return sorted(NAMES)


def run(wanted=None):
    """{failpoint: "ok" or what went wrong}."""
    from django.db import connections

    result = {}
    with House(7, ("demo", RENEWING)) as house:
        for number, name in enumerate(wanted or names()):
            result[name] = _one(house, name, number)
            connections.close_all()
        house.keep = any(words != "ok" for words in result.values())
    return result


def _one(house, name, number):
    from django.db import connections

    demo, renewing = house.sides
    side = renewing if name.startswith("renew.") else demo
    if side is renewing:
        side.fake.expire()
    _let_customers_write(side, number)
    house.child_environment = {"SWEEP_INTERVAL": "0.1", "SWEEP_LATE": "0"}
    outwards = name.startswith(("reply.", "settle."))
    armed = {"FAILPOINTS": f"{name}=kill"}
    house.start("sweep", **({} if outwards else armed))
    if outwards:
        if not wait_until(lambda: stored(number), PATIENCE, 0.05):
            return "the posts did not arrive"
        house.kill("sweep")
        _answer(house, name, number)
        house.start("sweep", **armed)
    died = wait_until(lambda: house.is_dead("sweep"), PATIENCE, 0.05)
    house.kill("sweep")
    _forget_claims()
    side.fake.unheard = True  # whoever had an answer of the network is dead
    house.start("sweep")
    done = wait_until(lambda: stored(number) and searchable(number) and settled(side), PATIENCE, 0.05)
    house.kill("sweep")
    connections.close_all()
    wrong = lost_and_double(side) | wrong_numbers()
    if not died:
        return "never reached"
    if any(wrong.values()) or not done or waiting():
        return f"wrong: { {what: items[:3] for what, items in wrong.items() if items} or 'not settled' }"
    return "ok"


def _let_customers_write(side, number):
    from connectors.models import Channel, Source

    for place in range(3):
        text = f"where is my order {number}-{place}?"
        side.said[side.fake.say(text, f"Customer {number}-{place}")] = text
    past = "2026-01-01T00:00Z"
    Channel.objects.update(next_poll_at=past, refresh_at=past, polling_until=None)
    Source.objects.update(next_at=past)


def _answer(house, name, number):
    """An answer whose own post no poll will bring back, so that the settler has to look."""
    from connectors.models import Channel
    from inbox.models import Conversation

    Channel.objects.update(next_poll_at="2100-01-01T00:00Z", polling_until=None)
    if name.startswith("settle."):
        house.sides[0].fake.order(MADE, writing=True)
    conversation = Conversation.objects.get(mentions__text=f"where is my order {number}-0?")
    words = f"answer {number} of ours"
    files = [_picture(house.cast.mona, conversation)] if name == "reply.after_upload" else []
    parent = conversation.last_inbound()
    conversation.reply(house.cast.mona, words, uuid4(), 0, parent=parent, anyway=True, files=files)


def _picture(agent, conversation):
    """The key of a picture in the agent's draft."""
    from inbox.files import judged
    from inbox.models import Attachment

    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(drawn, "PNG")
    return Attachment.add(agent, conversation, "reply", judged(drawn.getvalue(), "red.png")).key


def _forget_claims():
    """A dead worker's claim and leases run out by themselves, after 75 and 30 s; the drill waits for that, here it
    would only cost time."""
    from connectors.models import Channel
    from inbox.models import Reply

    Channel.objects.update(polling_until=None, renewing_until=None)
    Reply.objects.filter(state="sending").update(lease_until="2026-01-01T00:00Z")
    Reply.objects.filter(state="in_doubt").update(not_before="2026-01-01T00:00Z")


def stored(number):
    return said(number).count() == 3


def searchable(number):
    """Whether the words of what was said are taken up, and nothing is waiting for it."""
    from inbox.models import SearchDue, SearchText

    found = SearchText.objects.filter(kind=1, row_id__in=said(number).values("pk"))
    return found.count() == 3 and not SearchDue.objects.exists()


def said(number):
    from inbox.models import Mention

    return Mention.objects.filter(text__in={f"where is my order {number}-{place}?" for place in range(3)})
