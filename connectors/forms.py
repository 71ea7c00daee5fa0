"""Forms of channels, made from what each network's class says it needs, so that a new network needs no new form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from connectors.base import Connector, Field
from connectors.connecting import unfinished
from connectors.listening_first import DAYS, MOST, may_listen_first
from connectors.models import Channel
from inbox.foreign import visible
from inbox.models import Team
from inbox.overtaking import carry_version

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

KEPT = _("Set. Leave it empty to keep it.")
KEPT_ALONE = _("Set. Leave it empty to keep it; it goes when another key of the account is entered.")


def form_field(field: Field, kept: StrPromise | str = "") -> forms.Field:
    """The Django field of one line of a connector's form. `kept`: what is said instead of its hint where a secret is
    stored already, which is never shown."""
    common: dict[str, Any] = {
        "label": field.label,
        "help_text": kept or field.hint,
        "required": field.required and not kept,
    }
    plain = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
    if field.secret or field.kind == "password":
        widget = forms.PasswordInput(attrs={**plain, "autocomplete": "new-password"})
        return forms.CharField(widget=widget, max_length=8000, **common)
    if field.kind == "number":
        return forms.IntegerField(**common)
    if field.kind == "email":
        return forms.EmailField(widget=forms.EmailInput(attrs=plain), **common)
    if field.kind == "choice":
        return forms.ChoiceField(choices=field.choices, **common)
    if field.kind == "lines":
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 3, **plain}), max_length=8000, **common)
    if field.kind == "url":
        return forms.URLField(assume_scheme="https", max_length=2000, widget=forms.URLInput(attrs=plain), **common)
    return forms.CharField(max_length=500, widget=forms.TextInput(attrs=plain), **common)


def plain_value(field: Field, value: Any) -> Any:
    """What a connector gets in its settings: lists for lines, text and numbers as they are."""
    if field.kind == "lines":
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]
    return value if value is not None else ""


def shown_value(field: Field, value: Any) -> Any:
    return "\n".join(str(line) for line in value) if field.kind == "lines" and isinstance(value, list) else value


class NetworkForm(forms.Form):
    """Settings and secrets of one network. `only_secrets`: for connecting again; `stored`: names of secrets that are
    there already."""

    def __init__(
        self,
        network: type[Connector],
        *args: Any,
        only_secrets: bool = False,
        stored: frozenset[str] = frozenset(),
        settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.network = network
        self.given = [field for field in network.form if field.secret or not only_secrets]
        for field in self.given:
            kept = self._kept(field) if field.secret and field.name in stored and not only_secrets else ""
            self.fields[field.name] = form_field(field, kept)
            if settings and not field.secret and field.name in settings:
                self.initial[field.name] = shown_value(field, settings[field.name])

    def _kept(self, field: Field) -> StrPromise:
        """Of several keys of an account, those that are entered stand alone."""
        several = sum(each.secret and each.account for each in self.given) > 1
        return KEPT_ALONE if field.account and several else KEPT

    def settings(self) -> dict[str, Any]:
        """What was typed, and what the network guesses from it where nothing was."""
        typed = {
            field.name: plain_value(field, self.cleaned_data.get(field.name))
            for field in self.given
            if not field.secret
        }
        return {**typed, **self.network.guessed(typed)}

    def secrets(self) -> dict[str, str]:
        """Only what was typed: an empty secret keeps the stored one."""
        return {
            field.name: str(self.cleaned_data[field.name])
            for field in self.given
            if field.secret and self.cleaned_data.get(field.name)
        }

    @property
    def usual(self) -> list[forms.BoundField]:
        """The lines that everybody fills in."""
        folded = {field.name for field in self.given if field.advanced}
        return [self[name] for name in self.fields if name not in folded]

    @property
    def advanced(self) -> list[forms.BoundField]:
        return [self[field.name] for field in self.given if field.advanced]

    @property
    def folded(self) -> str:
        """What the fold is called."""
        return str(self.network.folded)

    @property
    def unfolded(self) -> bool:
        """Something in the fold is wrong, so that it must be seen."""
        return any(field.name in self.errors for field in self.given if field.advanced)


class ConnectForm(NetworkForm):
    """The same with a name, for a new channel."""

    channel_name = forms.CharField(
        label=_("Name of the channel"),
        max_length=80,
        validators=[visible],
        help_text=_("How your teams will call it, such as @acme."),
    )

    def clean_channel_name(self) -> str:
        name = str(self.cleaned_data["channel_name"]).strip()
        if Channel.objects.filter(name=name).exists():
            raise forms.ValidationError(_("Another channel has this name."))
        return name


class SettingsForm(NetworkForm):
    """What can be changed of a channel that is there."""

    channel_name = forms.CharField(label=_("Name of the channel"), max_length=80, validators=[visible])
    team = forms.ModelChoiceField(
        Team.objects.all(),
        label=_("What no rule places goes to"),
        required=False,
        empty_label=_("The triage team"),
    )
    monthly_cap = forms.DecimalField(
        label=_("At most in a month"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        help_text=_("Reading stops when this is spent and goes on with the next month. Empty: no limit."),
    )
    answers_beyond_cap = forms.BooleanField(
        label=_("Answers leave although the limit is reached"),
        required=False,
        help_text=_("Without it, answers and acts wait for the next month as well, or for a higher limit."),
    )

    def __init__(self, channel: Channel, *args: Any, **kwargs: Any) -> None:
        self.channel = channel
        super().__init__(channel.kind, *args, stored=frozenset(channel.sealed), settings=channel.settings, **kwargs)
        self.initial.update(channel_name=channel.name, team=channel.team_id, monthly_cap=channel.monthly_cap)
        self.initial.update(answers_beyond_cap=channel.answers_beyond_cap)
        carry_version(self, channel)
        if currency := channel.kind.currency:
            self.fields["monthly_cap"].label = _("At most in a month, in %(currency)s") % {"currency": currency}
        elif channel.monthly_cap is None:
            del self.fields["monthly_cap"], self.fields["answers_beyond_cap"]

    def given_values(self) -> dict[str, Any]:
        """For `connecting.change`."""
        data = self.cleaned_data
        money: dict[str, Any] = {
            name: data[name] for name in ("monthly_cap", "answers_beyond_cap") if name in self.fields
        }
        return {"name": data["channel_name"], "settings": self.settings(), "team": data["team"], **money}

    def clean(self) -> dict[str, Any]:
        """Stored secrets go to the address they were given for and to no other."""
        given = super().clean() or {}
        if not self.channel.sealed or not self._address_changed(given):
            return given
        kept = {field.name for field in self.given if field.secret and field.name in self.channel.sealed}
        for name in sorted(kept):
            if not given.get(name):
                self.add_error(name, _("The address changed: enter this again."))
        if self.channel.sealed.keys() - kept:
            self.add_error(None, _("The sign-in belongs to the old address. Connect a new channel for the new one."))
        return given

    def _address_changed(self, given: Mapping[str, Any]) -> bool:
        addresses = [field for field in self.given if field.kind in ("url", "host") and not field.secret]
        return any(
            plain_value(field, given.get(field.name)) != self.channel.settings.get(field.name, "")
            for field in addresses
        )

    def clean_channel_name(self) -> str:
        name = str(self.cleaned_data["channel_name"]).strip()
        if Channel.objects.exclude(pk=self.channel.pk).filter(name=name).exists():
            raise forms.ValidationError(_("Another channel has this name."))
        return name


class ListenFirstForm(forms.Form):
    """For how long a channel only listens. 0: it may answer at once."""

    listen_days = forms.IntegerField(
        label=_("Listen first for"),
        min_value=0,
        max_value=MOST,
        initial=DAYS,
        help_text=_(
            "Everything is read and given to teams from the first minute, and nothing is answered yet: you see who "
            "speaks, about what and when, before anybody replies in your name. An admin may end it at any time; "
            "0 allows replies at once."
        ),
    )


class PlaceForm(ListenFirstForm):
    """Where posts of a new channel go and whether it may answer at once, the last questions before it listens."""

    team = SettingsForm.base_fields["team"]
    field_order = ("team", "listen_days")

    def __init__(self, channel: Channel, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not (unfinished(channel) and may_listen_first(channel.network)):
            del self.fields["listen_days"]
