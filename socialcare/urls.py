"""Every URL. What needs no login is marked where it stands; everything else does."""

from django.urls import include, path

urlpatterns = [
    path("first-run/", include("socialcare.first_run_urls")),
    path("", include("inbox.urls")),
    path("account/", include("allauth.account.urls")),
]
