"""Who is signed out: a page leads to the sign-in, what a living page asks gets a 401, and nothing is lost by it."""

import pytest

pytestmark = pytest.mark.django_db


def test_a_page_leads_to_the_sign_in(client, cast):
    answer = client.get("/views/all/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


@pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {"Sec-Fetch-Mode": "cors"}])
def test_what_a_living_page_asks_is_refused_plainly(client, cast, headers):
    for path in ("/views/all/?since=team:1=0", "/views/counts/", "/me.css"):
        assert client.get(path, headers=headers).status_code == 401


def test_the_figures_of_health_leave_private_teams_out(cast):
    from django.utils import timezone

    from insights.health import figures
    from tests.world import make_channel, write

    channel = make_channel()
    write(channel, "my parcel", cast.support)
    before = figures(timezone.now())["queue"]
    write(channel, "a colleague was rude", cast.hr, author="ines", ago=9_000)
    after = figures(timezone.now())["queue"]
    assert (before["open"], before["unassigned"]) == (after["open"], after["unassigned"]) == (1, 1)
    assert after["oldest_waiting"] < 60


def test_forms_of_passwords_speak_as_our_other_forms_do_and_say_no_label_twice(client, cast):
    import re

    pages = [client.get(path).content.decode() for path in ("/account/login/", "/account/password/reset/")]
    client.force_login(cast.ana)
    pages += [client.get(path).content.decode() for path in ("/account/password/change/", "/account/reauthenticate/")]
    labels = [re.findall(r'class="field__label" for="[^"]+">([^<]+)<', page) for page in pages]
    assert labels == [
        ["E-mail", "Password"], ["E-mail"], ["Current password", "New password", "New password again"], ["Password"],
    ]  # fmt: skip
    assert not any("placeholder=" in page.partition("<main")[2].partition("</main")[0] for page in pages)


UNUSED = ["email/", "confirm-email/", "confirm-email/abc/", "login/code/confirm/"]


@pytest.mark.parametrize("unused", UNUSED)
def test_pages_of_the_library_that_are_not_used_are_not_there(client, cast, unused):
    client.force_login(cast.ana)
    answer = client.get(f"/account/{unused}")
    assert answer.status_code == 404
    assert "Sign Up" not in answer.content.decode()
