"""Every URL. What needs no login is marked where it stands; everything else does."""

from django.urls import include, path

urlpatterns = [
    path("account/", include("allauth.account.urls")),
]
