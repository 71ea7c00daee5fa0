"""The desk's pages: what stands on them, for whom, and at what cost."""

import pytest

from tests.world import answer, make_channel, post, store, write


@pytest.fixture
def channel(cast):
    return make_channel()


def test_the_queue_shows_a_teams_open_conversations(cast, channel, client):
    write(channel, "my parcel is late", cast.support)
    client.force_login(cast.ana)
    assert client.get("/").headers["Location"] == "/views/all/"
    page = client.get("/views/all/").content.decode()
    assert "my parcel is late" in page
    assert "Carla" in page


def test_a_conversation_shows_its_thread_composer_and_person(cast, channel, client):
    conversation = write(channel, "my parcel is late", cast.support)
    answer(channel, conversation, "still late")
    client.force_login(cast.ana)
    page = client.get(f"/conversations/{conversation.pk}/?view=all").content.decode()
    assert "still late" in page
    assert 'id="reply-form"' in page
    print(page)
