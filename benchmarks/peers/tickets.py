"""django-helpdesk with as many tickets as we have conversations, in its own Python (see `setup`). Answers each line it
reads with what a page of its list cost, as JSON: `python tickets.py <database url> <tickets>`."""

import json
import sys
import time
from urllib.parse import parse_qs, unquote, urlsplit

import django
from django.conf import settings

OPEN, CLOSED, PAGE = 1, 4, 50
APPS = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles", "sites", "humanize")
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
# 4 % are open, most of them among the newest; written by 600,000 people.
TICKETS = """
    INSERT INTO helpdesk_ticket (title, queue_id, created, modified, submitter_email, status, on_hold, description,
                                 priority, secret_key, assigned_to_id)
    SELECT 'ticket ' || n, 1 + n %% 4, at, at, 'a' || n %% 600000 || '@customers.example',
           CASE WHEN random() < CASE WHEN n > %(count)s * 0.97 THEN 0.40 ELSE 0.03 END
                THEN %(open)s ELSE %(closed)s END,
           false, repeat('word ', 30), 1 + n %% 5, md5(n::text), CASE WHEN n %% 2 = 0 THEN 1 END
      FROM (SELECT n, timestamptz '2026-11-20' - (%(count)s - n) * interval '30 seconds' AS at
              FROM generate_series(1, %(count)s) n) t"""


def configure(url):
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname or ""])[0]
    settings.configure(
        SECRET_KEY="only-for-benchmarks",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPS), "rest_framework", "helpdesk"],
        MIDDLEWARE=MIDDLEWARE,
        ROOT_URLCONF=__name__,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.strip("/"),
                "USER": unquote(parts.username or ""),
                "PASSWORD": unquote(parts.password or ""),
                "HOST": host,
                "PORT": parts.port or "",
                "CONN_MAX_AGE": 600,
            }
        },
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        SITE_ID=1,
        STATIC_URL="/static/",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        HELPDESK_TEAMS_MODE_ENABLED=False,
        HELPDESK_TEAMS_MODEL="auth.User",
        HELPDESK_TEAMS_MIGRATION_DEPENDENCIES=[],
        HELPDESK_KBITEM_TEAM_GETTER=lambda item: None,
    )
    django.setup()


def fill(count):
    """Its own tables, and a person who reads all four queues."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from helpdesk.models import Queue

    call_command("migrate", verbosity=0, skip_checks=True)
    reader = User.objects.create(username="reader", is_staff=True, is_superuser=True)
    for number in range(4):
        Queue.objects.create(title=f"queue {number}", slug=f"queue{number}")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '512MB'")
        cursor.execute("SELECT indexdef, indexname FROM pg_indexes WHERE tablename = 'helpdesk_ticket'")
        indexes = [(made, name) for made, name in cursor.fetchall() if not name.endswith("pkey")]
        for _, name in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(TICKETS, {"count": count, "open": OPEN, "closed": CLOSED})
        for made, _ in indexes:
            cursor.execute(made)
        cursor.execute("SET session_replication_role = origin; RESET maintenance_work_mem")
        cursor.execute("VACUUM (ANALYZE) helpdesk_ticket")
    return reader


def lister(reader):
    """A function that asks for the first page of open tickets, newest first, and gives its ids."""
    from django.test import Client
    from helpdesk.query import query_to_base64

    client = Client()
    client.force_login(reader)
    asked = query_to_base64({"filtering": {"status__in": [OPEN]}, "sorting": "created", "sortreverse": True})
    address = f"/helpdesk/datatables_ticket_list/{asked}"

    def ask():
        answer = client.get(address, {"draw": 1, "start": 0, "length": PAGE})
        return [ticket["id"] for ticket in answer.json()["data"]]

    return ask


def right():
    from helpdesk.models import Ticket

    return list(Ticket.objects.filter(status=OPEN).order_by("-created").values_list("id", flat=True)[:PAGE])


def main():
    configure(sys.argv[1])
    ask = lister(fill(int(sys.argv[2])))
    expected = right()
    ask()
    print(json.dumps({"version": version()}), flush=True)
    for _ in sys.stdin:
        started, cpu = time.perf_counter(), time.process_time()
        ids = ask()
        took = {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}
        print(json.dumps({**took, "right": ids == expected}), flush=True)


def version():
    from importlib.metadata import version

    return version("django-helpdesk")


def __getattr__(name):
    """Its addresses: we are its URLconf, and they can be made only when it is set up."""
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import include, path

    return [path("helpdesk/", include("helpdesk.urls"))]


if __name__ == "__main__":
    main()
