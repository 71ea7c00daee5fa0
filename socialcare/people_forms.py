"""Forms of the pages of teams and people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inbox.foreign import visible
from inbox.models import Agent, Role, Team
from inbox.overtaking import carry_version


class TeamForm(forms.ModelForm):  # type: ignore[type-arg]
    triage = forms.BooleanField(label=gettext_lazy("Gets what no rule places"), required=False)

    class Meta:
        model = Team
        fields = ("name", "purpose", "private")
        labels = {
            "name": gettext_lazy("Name"),
            "purpose": gettext_lazy("What it is for"),
            "private": gettext_lazy("Private"),
        }
        help_texts = {
            "private": gettext_lazy("Only members see its work; for everybody else it does not exist, admins included.")
        }

    def __init__(self, by: Agent, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["triage"] = self.instance.triage
        self.fields["name"].validators.append(visible)
        carry_version(self, self.instance)
        if not by.is_admin:
            del self.fields["private"], self.fields["triage"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if Team.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exclude(name=name).exists():
            raise forms.ValidationError(_("A team is called that already, written in other letters."))
        return name

    def given(self) -> dict[str, Any]:
        typed = {name: value for name, value in self.cleaned_data.items() if name != "version"}
        return {"private": False, "triage": False, **typed}


class InviteForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, validators=[visible])
    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
    team = forms.ModelChoiceField(Team.objects.all(), label=gettext_lazy("Team"), required=False, empty_label="–")
    role = forms.ChoiceField(label=gettext_lazy("Role there"), choices=Role.choices)
    is_reader = forms.BooleanField(
        label=gettext_lazy("Reader"), required=False, help_text=gettext_lazy("Sees figures, not conversations.")
    )
    is_admin = forms.BooleanField(
        label=gettext_lazy("Admin"), required=False, help_text=gettext_lazy("Sets everything up and invites others.")
    )


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("At least 10 characters. A sentence is easy to keep in mind and hard to guess."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, agent: Agent, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent = agent

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        password_validation.validate_password(password, self.agent)
        return password
