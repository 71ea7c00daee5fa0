"""Addresses of channels; for admins, all of them."""

from django.urls import path

from connectors.views import channels, connect, hearing

app_name = "connectors"
urlpatterns = [
    path("", channels.channels, name="channels"),
    path("alarm/", channels.alarm_now, name="alarm"),
    path("connect/", connect.networks, name="connect"),
    path("connect/<slug:network>/", connect.keys, name="keys"),
    path("callback/<slug:network>/", connect.callback, name="callback"),
    path("<int:pk>/", channels.channel, name="channel"),
    path("<int:pk>/settings/", channels.settings, name="settings"),
    path("<int:pk>/log/", channels.log, name="log"),
    path("<int:pk>/heard/", hearing.heard, name="heard"),
    path("<int:pk>/listening/", hearing.listening, name="listening"),
    path("<int:pk>/connect/", connect.test, name="test"),
    path("<int:pk>/connect/place/", connect.place, name="place"),
    path("<int:pk>/sign-in/", connect.sign_in, name="sign_in"),
    path("<int:pk>/secrets/", channels.reconnect, name="reconnect"),
    path("<int:pk>/pause/", channels.pause, name="pause"),
    path("<int:pk>/resumption/", channels.resume, name="resume"),
    path("<int:pk>/poll/", channels.poll, name="poll"),
    path("<int:pk>/trial/", channels.test, name="live_test"),
    path("<int:pk>/removal/", channels.removal, name="removal"),
    path("<int:pk>/past/", channels.past, name="past"),
    path("<int:pk>/quarantined/<int:item>/retry/", channels.quarantined, {"verb": "retry"}, name="quarantined_retry"),
    path("<int:pk>/quarantined/<int:item>/drop/", channels.quarantined, {"verb": "drop"}, name="quarantined_drop"),
]
