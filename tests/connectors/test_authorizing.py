"""What it means when a network gives no token: only its plain no asks a person to sign in again."""

from importlib import import_module

import pytest

from connectors.base import AuthRevoked, Secrets, Unavailable
from tests.fakes.server import FakeServer, Reply

PAGE = Reply(403, "<html>Attention required</html>", {"Content-Type": "text/html"})
UNWELL = [
    PAGE,
    Reply(400, "<html>Bad request</html>", {"Content-Type": "text/html"}),
    Reply(401, ""),
    Reply(400, {"error": "temporarily_unavailable"}),
    Reply(403, {"message": "Forbidden"}),
    Reply(400, [17]),
]
NO = [
    Reply(400, {"error": "invalid_grant"}),
    Reply(401, {"error": "invalid_client"}),
    Reply(200, {"error": "invalid_grant"}),
]
SIGNED_IN = ("x", "youtube", "google_business", "linkedin", "reddit")


def renewed(network, reply):
    """What the network's connector makes of this answer to its refresh token."""
    with import_module(f"tests.fakes.{network}").Fake() as fake:
        fake.answer = lambda asked: reply
        secrets = {**fake.secrets, "refresh_token": "a-refresh-token"}
        fake.connector(secrets=secrets).renew(Secrets(secrets))


def mailbox_renewed(reply):
    with import_module("tests.fakes.mail").Fake() as fake, FakeServer(lambda asked: reply) as tokens:
        connector = fake.connector(Secrets({"refresh_token": "a-refresh-token", "client_secret": "s"}))
        connector.settings = {**connector.settings, "token_url": tokens.url}
        connector.renew(connector.secrets)


@pytest.mark.parametrize("reply", UNWELL)
@pytest.mark.parametrize("network", SIGNED_IN)
def test_a_server_that_is_not_well_costs_nobody_a_sign_in(network, reply):
    with pytest.raises(Unavailable):
        renewed(network, reply)


@pytest.mark.parametrize("reply", NO)
@pytest.mark.parametrize("network", SIGNED_IN)
def test_a_plain_no_asks_a_person(network, reply):
    with pytest.raises(AuthRevoked):
        renewed(network, reply)


@pytest.mark.parametrize("reply", UNWELL)
def test_a_mail_provider_that_is_not_well_costs_nobody_a_sign_in(reply):
    with pytest.raises(Unavailable):
        mailbox_renewed(reply)


@pytest.mark.parametrize("reply", NO)
def test_a_mail_provider_s_plain_no_asks_a_person(reply):
    with pytest.raises(AuthRevoked):
        mailbox_renewed(reply)
