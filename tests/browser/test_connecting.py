"""Connecting networks to the end, with each kind of credential, as the admin clicks through it."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from connectors.base import Connector
from connectors.listening import listen
from connectors.models import Channel, Topic
from connectors.opening import opened_secrets
from tests.fakes import bluesky, discourse, facebook, mail, mastodon, matrix, telegram
from tests.fakes.consent import Consent
from tests.fakes.google_business import PLACE
from tests.fakes.google_business import Fake as GoogleReviews
from tests.fakes.network import CANARY

pytestmark = pytest.mark.browser


@pytest.fixture
def ada(desk_of, site, settings):
    settings.FETCH_ALLOW = ["127.0.0.1"]
    return desk_of(site.cast.ada)


def values_of(fake):
    """What an admin types: the settings and secrets that the form asks for."""
    known = {**fake.settings(), **fake.secrets}
    return {field.name: known[field.name] for field in Connector.named(fake.name).form if known.get(field.name)}


def told(desk, fake, name, **more):
    """The page of what the network needs. Returns the channel."""
    page, kind, values = desk.page, Connector.named(fake.name), values_of(fake) | more
    page.goto(f"{desk.site.url}/set-up/channels/connect/{kind.name}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"What {kind.label} needs")
    page.get_by_label("Name of the channel").fill(name)
    if any(field.advanced and field.name in values for field in kind.form):
        page.locator("summary").click()
    for field in kind.form:
        if field.name in values:
            write(page.locator(f"form [name={field.name}]"), field, values[field.name])
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Does {name} answer?")
    channel = Channel.objects.get(name=name)
    elsewhere = {key: value for key, value in fake.settings().items() if key not in values}
    Channel.objects.filter(pk=channel.pk).update(settings={**channel.settings, **elsewhere})  # the fake's own address
    desk.abroad.add(urlsplit(fake.server.url).netloc if hasattr(fake, "server") else "")
    return channel


def write(field, about, value):
    if about.kind == "choice":
        field.select_option(str(value))
    else:
        field.fill("\n".join(value) if isinstance(value, list | tuple) else str(value))


def tries(desk, name, sentence):
    desk.page.get_by_role("button", name="Test the connection").click()
    return goes_on(desk, name, sentence)


def goes_on(desk, name, sentence):
    """From a test that went well to the channel."""
    page = desk.page
    expect(page.locator("#trial")).to_contain_text(f"{name}{sentence}")
    page.get_by_role("link", name="Go on").click()
    page.get_by_label("What no rule places goes to").select_option("Support")
    page.get_by_role("button", name="Start listening").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    channel = Channel.objects.get(name=name)
    assert (channel.paused, channel.team) == (False, desk.site.cast.support)
    return channel


def signed_in(desk, link="Allow"):
    page = desk.page
    page.get_by_role("link", name="Go to the network").click()
    page.get_by_role("link", name=link).click()


def test_an_app_password_a_key_a_token_and_a_mailbox_lead_to_a_channel_that_listens(ada):
    page = ada.open("/set-up/channels/connect/")
    for label in ("Bluesky", "Discourse forum", "E-mail", "Matrix", "Telegram"):
        expect(page.get_by_role("link", name=label, exact=True)).to_be_visible()
    for network in (bluesky, discourse, matrix, telegram, mail):
        with network.Fake() as fake:
            told(ada, fake, fake.name)
            tries(ada, fake.name, ": signed in as")
    assert CANARY not in str(list(Channel.objects.values_list("settings", "sealed", "exchanges")))


def test_a_sign_in_that_was_refused_or_came_too_late_says_what_to_do_and_the_next_one_leads_on(ada):
    page = ada.page
    with mastodon.Fake() as fake:
        consent = Consent(fake)
        told(ada, fake, "@brand", access_token="")
        page.get_by_role("button", name="Sign in there").click()
        signed_in(ada, "Refuse")
        expect(page.locator("main [role=alert]")).to_contain_text("No access was given: whoever signed in said no.")
        page.get_by_role("button", name="Sign in again").click()
        consent.gives = "expired"
        signed_in(ada)
        expect(page.locator("main [role=alert]")).to_contain_text("The network did not take the sign-in")
        page.get_by_role("button", name="Sign in again").click()
        consent.gives = consent.code
        signed_in(ada)
        expect(page.get_by_role("heading", level=1)).to_have_text("Does @brand answer?")
        page.go_back()
        page.get_by_role("link", name="Allow").click()  # the same way back once more
        channel = tries(ada, "@brand", ": signed in as")
    assert consent.asked["code_challenge_method"] == "S256"
    assert opened_secrets(channel)["access_token"] == CANARY
    assert CANARY not in str(channel.sealed)


def test_a_role_a_choice_and_rights_that_are_missing_at_a_page_are_named(ada):
    page = ada.page
    with facebook.Fake() as fake:
        Consent(fake)
        fake.pages, fake.scopes = (), ("pages_show_list", "pages_read_engagement")
        told(ada, fake, "Page", access_token="", page="")
        page.get_by_role("button", name="Sign in there").click()
        signed_in(ada)
        expect(page.locator("main [role=alert]")).to_contain_text("Whoever signed in has no role on a page")
        fake.pages = ({"id": "2", "name": "Acme Lyon", "access_token": "other"}, *facebook.Fake.pages)
        page.get_by_role("button", name="Sign in again").click()
        signed_in(ada)
        expect(page.locator("main [role=alert]")).to_contain_text("then sign in again: Acme Lyon, Acme.")
        page.get_by_role("link", name="Look at the settings").click()
        page.get_by_role("textbox", name="Page", exact=True).fill("Acme")
        page.get_by_role("button", name="Save settings").click()
        page.get_by_role("button", name="Sign in there").click()
        signed_in(ada)
        page.get_by_role("button", name="Test the connection").click()
        expect(page.locator("#trial")).to_contain_text("Messages are neither read nor answered: the permission")


def test_signing_in_at_google_leads_over_the_choice_of_places_to_a_channel_that_reads_their_reviews(ada):
    page = ada.page
    with GoogleReviews() as fake:
        Consent(fake)
        fake.places = {PLACE: ("Acme", "Lyon"), "accounts/1/locations/3": ("Acme", "Paris")}
        review = fake.say("The tea was cold", "theo")
        told(ada, fake, "Reviews", access_token="", places=["Bakery"])
        page.get_by_role("button", name="Sign in there").click()
        signed_in(ada)
        page.get_by_role("button", name="Test the connection").click()
        manages = "The account manages: Acme (Lyon), Acme (Paris)."
        expect(page.locator("#trial")).to_contain_text(f"There is no place called “Bakery”. {manages}")
        page.get_by_role("link", name="Change settings").click()
        page.get_by_role("textbox", name="Places").fill("Acme (Lyon)")
        page.get_by_role("button", name="Save settings").click()
        page.get_by_role("button", name="Test again").click()
        expect(page.locator("#trial")).to_contain_text("The tea was cold")
        channel = goes_on(ada, "Reviews", ": signed in as Google reviews: Acme (Lyon)")
        secrets = opened_secrets(channel)
        assert (secrets["access_token"], secrets["refresh_token"]) == (CANARY, f"{CANARY}-again")
        assert listen(channel.pk)
        assert channel.mentions.get().external_id == review
    assert CANARY not in str(channel.sealed)


def test_a_channel_that_breaks_while_the_page_is_open_is_said_at_once_and_moves_nothing(ada):
    page, channel = ada.open("/set-up/teams/"), ada.site.channel
    channel.broken("reconnect", "AuthRevoked", "The network no longer accepts our access.")
    card = page.locator("#alarm")
    expect(card).to_contain_text("@acme: The network no longer accepts our access.")
    card.get_by_role("button", name="Close notice").click()
    expect(card.locator("dialog")).to_be_hidden()
    Topic(name="Tea").rewrite(ada.site.cast.ada, [], query="tea")  # the admins hear of something else
    expect(card).to_be_empty()  # an answer came, and the notice did not come back
    channel.reconnected({}, None)
    expect(card).to_contain_text("The channels are connected again.")
    channel.broken("reconnect", "AuthRevoked", "The network no longer accepts our access.")
    expect(card).to_contain_text("@acme: The network no longer accepts our access.")
    page.get_by_role("link", name="Connect again").click()
    expect(page.locator(".desk__banner")).to_contain_text("@acme: The network no longer accepts our access.")
    expect(card).to_be_empty()
    channel.reconnected({}, None)
    expect(card).to_contain_text("The channels are connected again.")
    card.get_by_role("button", name="Close notice").click()
    expect(card.locator("dialog")).to_be_hidden()
