"""The wizard's addresses; none needs a login, each checks the link or the admin itself."""

from django.urls import path

from socialcare import wizard

urlpatterns = [
    path("", wizard.step, name="first_run"),
    path("open/<str:token>/", wizard.open_link, name="first_run_open"),
    path("<slug:name>/", wizard.step, name="first_run_step"),
]
