"""What an organisation is told before it connects a network, and how little it has to fill in."""

import pytest

from connectors.base import Connector, Way
from connectors.forms import ConnectForm, SettingsForm
from connectors.models import Channel
from connectors.networks.mail.guess import servers

NETWORKS = sorted(Connector.kinds())


@pytest.fixture
def ada(cast, client):
    client.force_login(cast.ada)
    return client


def mail(**more):
    return ConnectForm(Connector.named("mail"), {"channel_name": "Mail", "password": "pw", **more})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_says_what_it_needs_in_whole_sentences(name):
    needs = Connector.named(name).needs
    said = [str(words) for words in (needs.does, needs.apply, needs.cost)]
    assert all(words[0].isupper() and words.endswith(".") for words in said), said
    assert bool(needs.approval) or needs.way is not Way.APPROVAL


def test_the_chooser_tells_for_each_network_what_it_does_and_costs_and_whether_somebody_must_agree(ada):
    text = ada.get("/set-up/channels/connect/").content.decode()
    for kind in Connector.kinds().values():
        assert f"/set-up/channels/connect/{kind.name}/" in text
    assert "an own mention $0.001" in text
    assert "Meta reviews the app" in text
    assert text.index("Ready in minutes") < text.index("After the network has approved your app")


def test_the_first_step_says_what_to_apply_for_before_it_asks_for_anything(ada):
    text = ada.get("/set-up/channels/connect/linkedin/").content.decode()
    assert text.index("What to apply for") < text.index('name="client_id"')
    assert "Community Management API" in text
    assert "reckon with weeks" in text


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_rarely_needed_is_folded_away_and_may_stay_empty(name):
    kind = Connector.named(name)
    assert not [field.name for field in kind.form if field.advanced and field.required and field.kind != "choice"]
    assert len([field for field in kind.form if not field.advanced]) <= 5


def test_address_and_password_are_enough_for_mail(db):
    form = mail(address="support@acme.example")
    assert form.is_valid(), form.errors
    chosen = form.settings()
    assert (chosen["imap_host"], chosen["smtp_host"]) == ("imap.acme.example", "smtp.acme.example")
    assert chosen["filed_by"] == "us"


@pytest.mark.parametrize(
    ("address", "imap", "smtp", "port", "filed_by"),
    [
        ("Help@Gmail.com", "imap.gmail.com", "smtp.gmail.com", None, "provider"),
        ("help@outlook.com", "outlook.office365.com", "smtp.office365.com", 587, "provider"),
        ("help@acme.onmicrosoft.com", "outlook.office365.com", "smtp.office365.com", 587, "provider"),
        ("help@icloud.com", "imap.mail.me.com", "smtp.mail.me.com", 587, "us"),
        ("help@gmail.com.acme.example", "imap.gmail.com.acme.example", "smtp.gmail.com.acme.example", None, "us"),
    ],
)
def test_the_servers_of_a_provider_are_known_from_the_address(address, imap, smtp, port, filed_by):
    found = servers({"address": address})
    assert (found["imap_host"], found["smtp_host"], found["filed_by"]) == (imap, smtp, filed_by)
    assert found.get("smtp_port") == port


def test_what_somebody_filled_in_is_not_guessed_over(db):
    form = mail(address="support@gmail.com", imap_host="mail.acme.example", smtp_host="out.acme.example", filed_by="us")
    assert form.is_valid(), form.errors
    chosen = form.settings()
    assert (chosen["imap_host"], chosen["smtp_host"], chosen["filed_by"]) == (
        "mail.acme.example", "out.acme.example", "us",
    )  # fmt: skip
    assert not chosen["smtp_port"]


def test_what_is_no_address_is_refused_at_the_form(db):
    assert "address" in mail(address="support").errors


def test_the_fold_opens_when_something_in_it_is_wrong(ada):
    given = {"channel_name": "Mail", "address": "support@acme.example", "password": "pw"}
    page = ada.get("/set-up/channels/connect/mail/").content.decode()
    assert "Servers and folders" in page
    assert '<details class="fold">' in page
    wrong = ada.post("/set-up/channels/connect/mail/", {**given, "imap_port": "many"})
    assert wrong.status_code == 422
    assert '<details class="fold" open>' in wrong.content.decode()


def test_the_test_says_where_the_password_would_go(ada):
    given = {"channel_name": "Mail", "address": "support@gmial.example", "password": "pw"}
    page = ada.post("/set-up/channels/connect/mail/", given, follow=True).content.decode()
    assert "It goes to imap.gmial.example, smtp.gmial.example." in page


def test_a_host_that_is_guessed_anew_does_not_get_the_stored_password(cast, ada):
    given = {"channel_name": "Mail", "address": "support@acme.example", "password": "pw"}
    ada.post("/set-up/channels/connect/mail/", given)
    form = SettingsForm(Channel.objects.get(), {"channel_name": "Mail", "address": "support@other.example"})
    assert "password" in form.errors
