"""The set-up tree: channels, topics, rules, teams, people, health, the organisation, its configuration and history."""

from django.urls import include, path
from django.views.generic import RedirectView

from insights.views import health
from socialcare import configuration_views as configuration
from socialcare import history_views as history
from socialcare import people_views as people

urlpatterns = [
    path("", RedirectView.as_view(url="/set-up/rules/"), name="set_up"),
    path("channels/", include("connectors.urls")),
    path("topics/", include("connectors.topics.set_up_urls")),
    path("rules/", include("routing.urls")),
    path("teams/", people.teams, name="teams"),
    path("teams/new/", people.team, name="team_new"),
    path("teams/<int:pk>/", people.team, name="team"),
    path("teams/<int:pk>/members/", people.members, name="team_members"),
    path("teams/<int:pk>/removal/", people.team_removal, name="team_removal"),
    path("agents/", people.agents, name="agents"),
    path("agents/<int:pk>/rights/", people.rights, name="agent_rights"),
    path("agents/<int:pk>/disabling/", people.disabling, name="agent_disabling"),
    path("agents/<int:pk>/invitation/", people.new_link, name="agent_invitation"),
    path("health/", health, name="health"),
    path("organisation/", configuration.organisation, name="organisation"),
    path("configuration/", configuration.configuration, name="configuration"),
    path("configuration/file/", configuration.file, name="configuration_file"),
    path("history/", history.history, name="history"),
    path("history/<int:pk>/restoration/", history.restoration, name="restoration"),
]
