"""A Mastodon account that searches for topics, and what a page of it costs."""

import pytest

from connectors.base import Connector
from connectors.models import Channel
from tests.fakes.mastodon import Fake
from tests.journey.steps import of_fake


@pytest.fixture(autouse=True, scope="session")
def networks():
    """Importing the libraries of all networks takes long on a busy machine: not within a transaction of a test."""
    Connector.kinds()


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    settings.UNDO_SECONDS = settings.SETTLE_SECONDS = 0


@pytest.fixture
def fake():
    fake = Fake()
    yield fake
    fake.close()


@pytest.fixture
def channel(cast, fake):
    """Without the hashtag of the contract suite, which brings everything."""
    channel = of_fake(fake, team=cast.support)
    Channel.objects.filter(pk=channel.pk).update(settings=channel.settings | {"hashtags": ""})
    channel.refresh_from_db()
    return channel
