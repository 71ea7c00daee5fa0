"""Addresses of rules, for admins and managers."""

from django.urls import path

from routing import views

app_name = "routing"
urlpatterns = [
    path("", views.rules, name="rules"),
    path("new/", views.rule, name="new"),
    path("<int:pk>/", views.rule, name="rule"),
    path("<int:pk>/place/", views.place, name="place"),
    path("<int:pk>/removal/", views.removal, name="removal"),
    path("<int:pk>/versions/<int:number>/restoration/", views.restoration, name="restoration"),
]
