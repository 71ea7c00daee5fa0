"""The gallery and what its frame links to; enough to try the elements without a database."""

from django.urls import include, path

urlpatterns = [
    path("gallery/", include("socialcare.gallery")),
    path("desk/", include("inbox.urls")),  # names for the frame's links; nothing here asks for them
    path("account/", include("allauth.account.urls")),
]
