"""What a first visit of the desk costs on the wire: exactly the files its page names, joined and compressed as
production serves them; and how large its answers are."""

import gzip
import re
from pathlib import Path

import pytest
from django import conf
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from inbox.models import Agent
from socialcare import bundles
from tests.world import make_channel, write

KILO = 1_000
ALIVE = {"HX-Request": "true"}


def joined(folder):
    files = {**conf.settings.STORAGES, "staticfiles": {"BACKEND": "socialcare.bundles.Bundled"}}
    return override_settings(STATIC_ROOT=str(folder), STORAGES=files, BUNDLED=True)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """Before any test begins a transaction: it takes longer than one may idle."""
    folder = tmp_path_factory.mktemp("static")
    with joined(folder):
        call_command("collectstatic", interactive=False, verbosity=0)
    return folder


@pytest.fixture
def production(collected):
    """Static files as production has them."""
    with joined(collected):
        yield collected


@pytest.fixture
def ana(cast, client):
    client.force_login(cast.ana)
    return client


def weight(folder, addresses, ending):
    return sum(Path(folder, address.removeprefix("/static/") + ending).stat().st_size for address in addresses)


@pytest.mark.django_db
def test_the_first_load_of_a_conversation_is_small(cast, production, ana):
    one = write(make_channel(), "my parcel is late", cast.support)
    html = ana.get(f"/conversations/{one.pk}/").content.decode()
    scripts = re.findall(r'<script[^>]* src="(/static/[^"]+)"', html)
    sheets = re.findall(r'<link rel="stylesheet" href="(/static/[^"]+)"', html)
    sprites = set(re.findall(r'<use href="(/static/[^"#]+)', html))
    assert 1 <= len(scripts) <= 3
    assert 1 <= len(sheets) <= 3
    assert weight(production, scripts, ".br") <= 30 * KILO
    assert weight(production, sheets, ".gz") <= 15 * KILO
    assert weight(production, sprites, ".br") <= 4 * KILO
    named = [*scripts, *sheets, *sprites]
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", address) for address in named)  # kept by browsers for ever


def test_the_bundles_hold_what_the_pages_of_development_name(production):
    for bundle in bundles.LISTED:
        text = (production / bundle).read_text(encoding="utf-8")
        assert len(bundles.names(bundle)) > 10
        for name in bundles.names(bundle):
            told = Path("static", name).read_text(encoding="utf-8").rstrip().splitlines()[-1]
            assert told in text
    elements = {Path(name).stem for name in bundles.names("js/all.js")}
    assert elements == {path.stem for path in Path("static/js").glob("*.js")}


@pytest.mark.django_db
def test_pages_and_answers_are_small_on_the_wire(cast, production, ana):
    channel = make_channel()
    with connection.cursor() as cursor:  # a row names its number again and again, so it is measured with a long one
        cursor.execute("SELECT setval(pg_get_serial_sequence('inbox_conversation', 'id'), 12345678)")
    words = "my parcel is late and nobody answers me, this is the third time I write, tell me where it is {}"
    rows = [write(channel, words.format(n), cast.support, author=f"a{n}", ago=n) for n in range(55)]
    page = ana.get("/views/support/").content
    mark = re.search(rb'mark="([^"]+)"', page)[1].decode()
    assert page.count(b'<div role="row" class="row"') == 50
    assert len(gzip.compress(page)) <= 30 * KILO
    colleague = Agent.objects.create_user("max.again@acme.example", "Max")  # numbered as people are, not as copies
    colleague.join(cast.support, "agent", by=None)
    for one in rows[:3]:
        one.claim(colleague)
    answer = ana.get("/views/support/", {"since": mark}, headers=ALIVE).content
    assert answer.count(b'<div role="row" class="row"') == 3
    assert len(gzip.compress(answer)) <= 3 * KILO
    whole = re.findall(rb'<div role="row" class="row".*?</a></span></div>', answer, re.DOTALL)
    assert max(map(len, whole)) <= KILO


def test_no_text_in_an_element_goes_over_a_line_so_that_its_room_may_be_taken():
    for file in Path("static/js").glob("*.js"):
        assert not [line for line in file.read_text().splitlines() if line.count("`") % 2], file
