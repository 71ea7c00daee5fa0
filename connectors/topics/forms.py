"""The form of a topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from connectors.models import Channel, Theme, Topic
from connectors.topics.hiding import Hiding, HidingError
from connectors.topics.query import QueryError, parse, parse_topic
from inbox.foreign import visible
from inbox.models import Team

if TYPE_CHECKING:
    from django.http import QueryDict

    from inbox.models import Agent

HOW = (
    ("listen", gettext_lazy("Only list what it finds")),
    ("queue", gettext_lazy("Put what it finds into the queue")),
)
WHOSE = (("own", gettext_lazy("About us")), ("rival", gettext_lazy("About somebody else, such as a rival")))


class TopicForm(forms.Form):
    """A manager's topic belongs to a team of theirs; an admin's may belong to none."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, validators=[visible])
    query = forms.CharField(
        label=gettext_lazy("Query"),
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "query"}),
        help_text=gettext_lazy(
            "Words, “phrases”, AND, OR, NOT, ( ), NEAR/5, * and ?, author: lang: network: channel: has:link has:image "
            "has:video followers:>1000"
        ),
    )
    how = forms.ChoiceField(label=gettext_lazy("What happens"), choices=HOW, widget=forms.RadioSelect, initial="listen")
    team = forms.ModelChoiceField(
        Team.objects.none(),
        label=gettext_lazy("Team"),
        required=False,
        empty_label=gettext_lazy("none: rules and channels decide"),
        help_text=gettext_lazy("Reads the topic, and gets what no rule places."),
    )
    whose = forms.ChoiceField(label=gettext_lazy("Whose"), choices=WHOSE, widget=forms.RadioSelect, initial="own")
    channels = forms.ModelMultipleChoiceField(
        Channel.objects.none(),
        label=gettext_lazy("Channels"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen: all of them, also those connected later."),
    )
    active = forms.BooleanField(label=gettext_lazy("In force"), required=False, initial=True)
    version = forms.IntegerField(widget=forms.HiddenInput, initial=0, min_value=0)

    def __init__(self, agent: Agent, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept: int | None = None  # the topic that is being changed
        teams, channels = self.fields["team"], self.fields["channels"]
        managed = [team.pk for team in Team.objects.all() if agent.is_admin or agent.manages(team.pk)]
        teams.queryset = Team.objects.filter(pk__in=managed)  # type: ignore[attr-defined]
        teams.required = not agent.is_admin
        channels.queryset = Channel.objects.named_to(agent).order_by("name")  # type: ignore[attr-defined]
        self.fields["query"].widget.attrs["aria-describedby"] = "reads"

    @classmethod
    def of(cls, agent: Agent, topic: Topic) -> TopicForm:
        """The form of a stored topic."""
        stored = {
            "name": topic.name,
            "query": topic.query,
            "how": "queue" if topic.queues else "listen",
            "team": topic.team_id,
            "whose": "rival" if topic.rival else "own",
            "channels": list(topic.channels.values_list("pk", flat=True)),
            "active": topic.active,
            "version": topic.version,
        }
        return cls(agent, initial=stored)

    def clean_query(self) -> str:
        query: str = self.cleaned_data["query"]
        try:
            parse_topic(query)
        except QueryError as error:
            raise ValidationError(str(error)) from error
        return query.strip()

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Topic.objects.filter(name=name).exclude(pk=self.kept or 0).exists():
            raise ValidationError(_("Another topic has this name."))
        return name

    def values(self) -> dict[str, Any]:
        """The fields of the topic, without its channels."""
        given = self.cleaned_data
        return {
            "name": given["name"],
            "query": given["query"],
            "queues": given["how"] == "queue",
            "rival": given["whose"] == "rival",
            "team": given["team"],
            "active": given["active"],
        }


class ThemeForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=40)
    query = forms.CharField(
        label=gettext_lazy("Query"),
        strip=False,
        widget=forms.Textarea(
            attrs={
                "rows": 3,
                "spellcheck": "false",
                "autocomplete": "off",
                "class": "query",
                "aria-describedby": "reads",
            }
        ),
        help_text=gettext_lazy("Written like the query of a topic; it looks only at what the topic found."),
    )
    colour = forms.ChoiceField(
        label=gettext_lazy("Colour"), choices=Theme.Colour.choices, widget=forms.RadioSelect, initial="blue"
    )
    version = forms.IntegerField(widget=forms.HiddenInput, initial=0, min_value=0)

    def __init__(self, theme: Theme, data: QueryDict | None = None) -> None:
        stored = {name: getattr(theme, name) for name in ("name", "query", "colour", "version")}
        super().__init__(data, initial=stored if theme.pk else None)
        self.theme = theme

    def clean_query(self) -> str:
        query: str = self.cleaned_data["query"]
        try:
            parse(query)
        except QueryError as error:
            raise ValidationError(str(error)) from error
        return query.strip()

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Theme.objects.filter(topic=self.theme.topic_id, name=name).exclude(pk=self.theme.pk or 0).exists():
            raise ValidationError(_("Another theme of this topic has this name."))
        return name


class ExclusionForm(forms.Form):
    kind = forms.ChoiceField(label=gettext_lazy("What to hide"), widget=forms.RadioSelect, initial="phrase")
    text = forms.CharField(
        label=gettext_lazy("Text"), widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = sorted(Hiding.kinds().values(), key=lambda kind: kind.place)
        self.fields["kind"].choices = [(kind.name, kind.label) for kind in kinds]  # type: ignore[attr-defined]
        self.hints = [(kind.label, kind.hint) for kind in kinds]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if "kind" in given and "text" in given:
            try:
                given["text"] = Hiding.named(given["kind"]).read(given["text"])
            except HidingError as error:
                self.add_error("text", str(error))
        return given
