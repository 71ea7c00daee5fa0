"""Addresses of what topics found, for agents."""

from django.urls import path

from connectors.views import topic_posts

app_name = "topics"
urlpatterns = [
    path("", topic_posts.topics, name="topics"),
    path("share-of-voice/", topic_posts.share_of_voice, name="voice"),
    path("answers/<int:mention>/", topic_posts.answer, name="answer"),
    path("excluded/", topic_posts.excluded, name="all_excluded"),
    path("<int:pk>/", topic_posts.posts, name="posts"),
    path("<int:pk>/excluded/", topic_posts.excluded, name="excluded"),
    path("<int:pk>/mentions/<int:mention>/restoration/", topic_posts.restoration, name="restoration"),
    path("<int:pk>/mentions/<int:mention>/conversation/", topic_posts.conversation, name="conversation"),
]
