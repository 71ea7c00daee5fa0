"""The cast and the servers. Ana (care agent, Support), Max (manager, Support), Hugo (HR, private), Pia (Product),
Mona (Marketing, which is triage), Ada (admin without a team), Eva (reader), Otto (an account without any right)."""

from types import SimpleNamespace

import pytest
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.test import TransactionTestCase
from django.test.signals import setting_changed
from whitenoise.middleware import WhiteNoiseMiddleware

from tests import servers, template
from tests.copied import KEPT, Copied, filled, put_back_left, remember_left

PASSWORD = "a long enough password"
HOMES = {"browser": ("tests/browser/",), "chaos": ("tests/chaos/", "tests/ground/")}  # where .ci/test looks for them


@receiver(setting_changed)
def forget_what_names_files(*, setting, **_more):
    """What is kept as HTML names static files as this process finds them: outside of tests that never changes."""
    from inbox.templatetags import care, kept, rows

    if setting == "STORAGES":
        for keeping in (care.icon, kept._made_part, rows._glyph, rows._kept):
            keeping.cache_clear()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """A test with one of these marks that stands elsewhere would never run."""
    for item in items:
        for mark in item.iter_markers():
            if not item.nodeid.startswith(HOMES.get(mark.name, "")):
                raise pytest.UsageError(f"{item.nodeid} is marked {mark.name}, so it belongs into {HOMES[mark.name]}")


@pytest.hookimpl(trylast=True, specname="pytest_collection_modifyitems")
def pytest_begin_with_the_longest(items):
    """The drills take a minute and more each. Two at a time are given to each process: they begin, one in each."""
    drills = [item for item in items if item.nodeid.startswith("tests/chaos/")]
    others = [item for item in items if not item.nodeid.startswith("tests/chaos/")]
    for place, drill in enumerate(drills):
        others.insert(2 * place, drill)
    items[:] = others


def make_cast():
    """Teams and people; needs a database. Everybody signs in with `PASSWORD`."""
    from inbox.models import Agent, Role, Team

    teams = {
        "marketing": Team.objects.create(name="Marketing", slug="marketing", triage=True, position=4),
        "support": Team.objects.create(name="Support", slug="support", position=1),
        "product": Team.objects.create(name="Product", slug="product", position=2),
        "hr": Team.objects.create(name="HR", slug="hr", private=True, position=3),
    }
    people = {
        "ana": ("Ana", "support", Role.AGENT),
        "max": ("Max", "support", Role.MANAGER),
        "hugo": ("Hugo", "hr", Role.AGENT),
        "pia": ("Pia", "product", Role.AGENT),
        "mona": ("Mona", "marketing", Role.AGENT),
        "ada": ("Ada", None, None),
        "eva": ("Eva", None, None),
        "otto": ("Otto", None, None),
    }
    agents = {}
    for key, (name, team, role) in people.items():
        rights = {"is_admin": key == "ada", "is_reader": key == "eva"}
        agents[key] = Agent.objects.create_user(f"{key}@acme.example", name, PASSWORD, **rights)
        if team:
            agents[key].join(teams[team], role, by=None)
        agents[key] = Agent.objects.get(pk=agents[key].pk)
    agents["max"].join(teams["marketing"], Role.MANAGER, by=None)
    return SimpleNamespace(**teams, **{key: Agent.objects.get(pk=agent.pk) for key, agent in agents.items()})


copied_cast = Copied(make_cast)


@pytest.fixture
def cast(db):
    return copied_cast()


def emptied(case):
    """Takes out what the test left by DELETE, and writes what the migrations left. Django's own way truncates every
    table, filled or not, which makes files anew for each, and writes the permissions again: fifteen times as long for
    the few rows of a test."""
    for name in case._databases_names(include_mirrors=False):
        connection = connections[name]
        with transaction.atomic(using=name), connection.cursor() as cursor:
            tables = sorted(set(connection.introspection.table_names(cursor)) - KEPT)
            for table in filled(cursor, tables):
                cursor.execute(f'DELETE FROM "{table}"')  # all constraints are deferred to the end
            put_back_left(cursor)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        remember_left(cursor)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, django_db_blocker):
    """Processes that share a server of this run share the work of making the tables."""
    if servers.SHARES:
        with django_db_blocker.unblock():
            template.use()


@pytest.fixture(autouse=True, scope="session")
def short_cleaning():
    TransactionTestCase._fixture_teardown = emptied


@pytest.fixture(autouse=True, scope="session")
def patient_connections():
    """A test stands in one transaction from its first row to its last, and computes in between as long as the machine
    takes; no limit of the application is about that."""

    def wait(connection, **_):
        with connection.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 0")

    connection_created.connect(wait)
    yield
    connection_created.disconnect(wait)


@pytest.fixture(autouse=True, scope="session")
def static_files_looked_at_once():
    """Each test's client builds the middleware anew, and this one opens every static file when it is built."""
    look, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def once(self):
        place = self.static_prefix, self.static_root
        if place not in found:
            look(self)
            found[place] = self.files
        self.files = dict(found[place])

    WhiteNoiseMiddleware.add_files_from_finders = once


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    """What a process keeps for some seconds is of the test before, and must not end in the middle of this one."""
    from connectors import alarm
    from socialcare import pages

    for module, kept in ((alarm, alarm.is_calm), (pages, pages._organisation)):
        monkeypatch.setattr(module, "KEPT", 1e9)
        kept.cache_clear()
