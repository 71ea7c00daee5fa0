"""Addresses of the set-up of topics, for admins and managers."""

from django.urls import path

from connectors.views import topics

app_name = "topic_set_up"
urlpatterns = [
    path("", topics.topics, name="topics"),
    path("new/", topics.topic, name="new"),
    path("<int:pk>/", topics.topic, name="topic"),
    path("<int:pk>/removal/", topics.removal, name="removal"),
]
