"""Addresses of the set-up of topics, for admins and managers."""

from django.urls import path

from connectors.views import sorting, topics

app_name = "topic_set_up"
urlpatterns = [
    path("", topics.topics, name="topics"),
    path("new/", topics.topic, name="new"),
    path("<int:pk>/", topics.topic, name="topic"),
    path("<int:pk>/removal/", topics.removal, name="removal"),
    path("<int:pk>/themes/", sorting.themes, name="themes"),
    path("<int:pk>/themes/new/", sorting.theme, name="new_theme"),
    path("<int:pk>/themes/<int:theme>/", sorting.theme, name="theme"),
    path("<int:pk>/themes/<int:theme>/removal/", sorting.theme_removal, name="theme_removal"),
    path("<int:pk>/exclusions/", sorting.exclusions, name="exclusions"),
    path("exclusions/", sorting.all_exclusions, name="all_exclusions"),
    path("exclusions/<int:exclusion>/removal/", sorting.exclusion_removal, name="exclusion_removal"),
]
