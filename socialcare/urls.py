"""Every URL. What needs no login is marked where it stands; everything else does."""

from django.conf import settings
from django.urls import include, path

from connectors.views.hooks import deletion, hook
from insights.views import livez, readyz, reports
from socialcare.accounts import absent
from socialcare.notices import notices
from socialcare.own_account import time_zone
from socialcare.people_views import invitation

handler400 = "socialcare.pages.unreadable"
handler500 = "socialcare.away.failed"
UNUSED = ("email/", "confirm-email/", "confirm-email/<path:key>", "login/code/confirm/")

urlpatterns = [
    path("livez", livez, name="livez"),  # no login
    path("readyz", readyz, name="readyz"),  # no login
    path("first-run/", include("socialcare.first_run_urls")),  # no login, but the link or an admin
    path("invitation/<str:token>/", invitation, name="invitation"),  # no login, but the link
    path("hooks/<str:path>/", hook, name="hook"),  # no login, but a signature
    path("deletions/<str:code>/", deletion, name="deletion"),  # no login, but a confirmation code
    path("topics/", include("connectors.topics.urls")),
    path("notices/", notices, name="notices"),
    path("reports/", reports, name="reports"),
    path("set-up/", include("socialcare.set_up_urls")),
    path("", include("inbox.urls")),
    # Addresses are confirmed by the admin who invites, and codes by mail are not offered: these pages are nobody's.
    *(path(f"account/{unused}", absent) for unused in UNUSED),
    path("account/time-zone/", time_zone, name="time_zone"),
    path("account/", include("allauth.account.urls")),
]
if settings.DEBUG or settings.TESTING:
    urlpatterns.append(path("gallery/", include("socialcare.gallery")))
