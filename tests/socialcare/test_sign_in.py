"""Who is signed out: a page leads to the sign-in, what a living page asks gets a 401, and nothing is lost by it."""

from datetime import timedelta

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db


def test_a_page_leads_to_the_sign_in(client, cast):
    answer = client.get("/views/all/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/login/")


def test_a_session_that_is_over_leads_to_the_sign_in_and_is_never_used_again(client, cast):
    client.force_login(cast.ana)
    over = client.cookies["sessionid"].value
    assert client.get("/views/all/").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_session SET expire_date = now() WHERE session_key = %s", [over])
    assert client.get("/views/all/").status_code == 302
    client.force_login(cast.max)
    assert client.cookies["sessionid"].value != over


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
    assert write(channel, "mine", cast.product, author="rob", ago=900).claim(cast.pia)
    assert write(channel, "done", cast.product, author="theo", ago=9_000).close(cast.pia)
    queue = figures(timezone.now())["queue"]
    assert (queue["open"], queue["unassigned"]) == (2, 1)
    assert 900 <= queue["oldest_waiting"] < 9_000


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


def refused(client, agent="ana", times=1, **how):
    """Whether the last of so many wrong passwords was not even looked at."""
    for n in range(times):
        form = {"login": f"{agent}@acme.example", "password": f"not the password {n}"}
        answer = client.post("/account/login/", form, **how)
    return "Too many failed login attempts" in answer.content.decode()


@pytest.mark.parametrize("host", ["testserver:81", "testserver.", "TESTSERVER", "127.0.0.1:9000"])
def test_an_account_is_one_account_for_the_limit_whatever_host_it_is_asked_for(client, cast, host, settings):
    settings.ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
    assert not refused(client, times=5)
    assert refused(client, REMOTE_ADDR="203.0.113.9")
    assert refused(client, REMOTE_ADDR="203.0.113.9", headers={"Host": host})
    assert not refused(client, "max", REMOTE_ADDR="203.0.113.9", headers={"Host": host})


def test_a_limit_is_not_pushed_out_by_what_else_is_kept(client, cast):
    from django.core.cache import cache

    assert not refused(client, times=5)
    for n in range(310):
        cache.add(f"once:{n:064x}", "/views/all/", 3600)
    assert refused(client, REMOTE_ADDR="203.0.113.9")


def test_what_is_over_is_forgotten_and_nothing_else(cast):
    from django.contrib.sessions.models import Session
    from django.core.cache import cache
    from django.utils import timezone

    from inbox.kept import forget_over

    now, hour = timezone.now(), timedelta(hours=1)
    for name, ends in (("over", now - hour), ("long_over", now - 2 * hour), ("of_use", now + hour)):
        cache.set(name, name, (ends - now).total_seconds())
        Session.objects.create(session_key=name, session_data="", expire_date=ends)

    def kept():
        with connection.cursor() as cursor:
            cursor.execute("SELECT cache_key FROM cache ORDER BY expires")
            names = [key.rpartition(":")[2] for (key,) in cursor.fetchall()]
        return names, list(Session.objects.order_by("expire_date").values_list("pk", flat=True))

    assert forget_over(now, most=1)
    assert kept() == (["over", "of_use"], ["over", "of_use"])
    assert not forget_over(now, most=5)
    assert kept() == (["of_use"], ["of_use"])


@pytest.mark.parametrize("email", ["ada@acme.example", "nobody@acme.example"])
def test_a_mail_for_a_new_password_leads_to_the_public_address_alone(client, cast, email, settings, mailoutbox):
    settings.PUBLIC_URL, settings.ALLOWED_HOSTS = "https://care.example", ["care.example", "testserver"]
    client.post("/account/password/reset/", {"email": email}, headers={"Host": "testserver:6666"})
    (mail,) = mailoutbox
    assert "testserver" not in mail.subject + mail.body
    assert ":6666" not in mail.subject + mail.body
    assert mail.subject.startswith("[care.example] ")
    links = [word for word in mail.body.split() if word.startswith("http")]
    assert [link.partition("/key/")[0] for link in links] == (
        ["https://care.example/account/password/reset"] if email.startswith("ada") else []
    )


def test_the_link_of_a_mail_for_a_new_password_opens_its_form(client, cast, settings, mailoutbox):
    settings.PUBLIC_URL = "http://testserver"
    client.post("/account/password/reset/", {"email": "ada@acme.example"})
    link = next(word for word in mailoutbox[0].body.split() if word.startswith("http"))
    page = client.get(link, follow=True)
    assert 'name="password1"' in page.content.decode()
