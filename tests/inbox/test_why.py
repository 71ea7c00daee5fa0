"""The page that says why a conversation is where it is."""

import pytest

from inbox.models import Conversation
from tests.world import make_channel, write


def traced(cast, sentence, **rule):
    """A conversation given to Support by a rule with this one condition."""
    one = write(make_channel(), "my parcel is late", cast.support)
    tried = {"id": 1, "name": "Parcels", "version": 3, "matched": True, "teams": [cast.support.pk], "stop": False}
    tried |= {"checks": [[sentence, True, "parcel"]]} | rule
    Conversation.objects.filter(pk=one.pk).update(trace={**one.trace, "tried": [tried]})
    return one


def page_of(client, cast, conversation):
    client.force_login(cast.ana)
    return client.get(f"/conversations/{conversation.pk}/trace/").content.decode()


def test_a_condition_that_was_cut_shows_whole_words_and_that_more_is_missing(cast, client):
    words = ", ".join(f"“word number {n}”" for n in range(40))
    sentence = f"the text contains {words}"
    page = page_of(client, cast, traced(cast, sentence[:160]))
    assert "“word number 7” …" in page
    assert "“word number 8" not in page


@pytest.mark.parametrize("stop", [True, False])
def test_a_rule_that_ends_the_asking_says_then_stop(cast, client, stop):
    page = page_of(client, cast, traced(cast, "the text contains “parcel”", stop=stop))
    assert (", then stop" in page) is stop


def test_the_page_has_the_styles_of_the_thread(cast, client):
    assert "css/pages/talk" in page_of(client, cast, traced(cast, "the text contains “parcel”"))


def test_the_words_that_met_a_condition_are_marked_as_they_were_written(cast, client):
    page = page_of(
        client, cast, traced(cast, "the text contains “parcel”", checks=[["x", True, "My \x02Parcel\x03 <b>"]])
    )
    assert "My <mark>Parcel</mark> &lt;b&gt;" in page


def test_an_excerpt_kept_without_marks_is_still_shown(cast, client):
    assert "hx-ignore>parcel</bdi>" in page_of(client, cast, traced(cast, "the text contains “parcel”"))
