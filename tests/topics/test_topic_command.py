"""`manage.py topic`: the same as on the pages, for scripts."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from connectors.models import Topic
from tests import world


def run(*words):
    out = StringIO()
    call_command("topic", *words, stdout=out)
    return out.getvalue()


def test_a_topic_is_added_and_listed(cast):
    channel = world.make_channel("@acme")
    words = ("--team", "support", "--channel", "@acme", "--queue", "--rival")
    assert "“Kettles” listens." in run("add", "Kettles", "kettle OR pot", *words)
    one = Topic.objects.get()
    assert (one.team, one.queues, one.rival, list(one.channels.all())) == (cast.support, True, True, [channel])
    assert run("list").split() == ["Kettles", "queue", "support", "0", "kettle", "OR", "pot"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "Kettles", "kettle ("), "Character 9"),
        (("add", "Kettles", "kettle", "--team", "nobody"), "no team “nobody”"),
        (("add", "Kettles", "kettle", "--channel", "nowhere"), "no channel “nowhere”"),
        (("add", "", "kettle"), "name: This field is required."),
        (("add", "n" * 81, "kettle"), "name: Ensure this value has at most 80 characters"),
        (("test", "NOT kettle"), "also say what to look for"),
    ],
)
def test_what_cannot_be_is_refused_in_words(cast, words, said):
    with pytest.raises(CommandError, match=said):
        run(*words)
    assert not Topic.objects.exists()


def test_a_name_is_used_once(cast):
    run("add", "Kettles", "kettle")
    with pytest.raises(CommandError, match="already"):
        run("add", "Kettles", "pot")


def test_a_query_is_tried_on_texts(cast):
    world.make_channel("Blog", "feed")
    said = run("test", "kettle NEAR/2 leaks", "my kettle leaks", "it leaks, my old red kettle")
    assert "reads: kettle NEAR/2 leaks" in said
    assert "Blog: - (has no search" in said
    assert "matches: my kettle leaks\nno match: it leaks" in said
