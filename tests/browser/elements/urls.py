"""The gallery and what its frame links to; enough to try the elements without a database."""

from django.urls import include, path

urlpatterns = [path("gallery/", include("socialcare.gallery")), path("account/", include("allauth.account.urls"))]
