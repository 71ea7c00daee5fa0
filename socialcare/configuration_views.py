"""The organisation's own page, and its whole set-up as a file: to download, and to bring with a plan before anything is
changed."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from inbox.overtaking import Overtaken, carry_version, overtaken
from inbox.rights import admins_only
from inbox.views.answering import shown
from socialcare import configuration as text_of
from socialcare import people
from socialcare.models import Organisation
from socialcare.pages import Request
from socialcare.people_views import ask_password_again
from socialcare.sections import Unfit
from socialcare.wizard import BrandForm


class FileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("Configuration file"), max_length=200)

    def text(self) -> str:
        """Unfit when it is no text of bearable length."""
        given = self.cleaned_data["file"]
        if given.size > text_of.LONGEST:
            raise Unfit(_("It is larger than two million bytes."))
        try:
            return str(given.read().decode())
        except UnicodeDecodeError as error:
            raise Unfit(_("It is no text.")) from error


@admins_only
def organisation(request: Request) -> HttpResponse:
    form, status = _brand(request.POST or None), 422
    if request.method == "POST" and form.is_valid():
        form, status = _keep(request, form)
        if status == 303:
            messages.info(request, _("Kept."))
            return HttpResponseRedirect("/set-up/organisation/", status=303)
    context = {"form": form, "file_form": FileForm()}
    return shown(request, "set_up/organisation.html", context, status=status if form.errors else 200)


def _brand(data: QueryDict | None) -> BrandForm:
    one = Organisation.shown()
    form = BrandForm(data, initial={"name": one.name, "zone": one.zone, "words": ", ".join(one.brand_words)})
    form.fields["zone"].help_text = _("New people start with it.")
    carry_version(form, one)
    return form


def _keep(request: Request, form: BrandForm) -> tuple[BrandForm, int]:
    """The form to show and with which status; 303: it is kept."""
    given = form.cleaned_data
    plain = {"name": given["name"], "zone": given["zone"], "brand_words": given["words"] or [given["name"]]}
    try:
        Organisation.change(request.user, seen=given["version"], **plain)
    except Overtaken:
        again = overtaken(_brand, request.POST)
        return (again, 409) if again else (form, 303)
    return form, 303


@require_GET
@admins_only
def file(request: Request) -> HttpResponse:
    """Who takes the whole set-up along is told to the other admins."""
    people.told("downloaded the whole set-up as a file", request.user)
    answer = HttpResponse(text_of.as_text(), content_type="application/json")
    answer["Content-Disposition"] = 'attachment; filename="socialcare.json"'
    return answer


@admins_only
def configuration(request: Request) -> HttpResponse:
    """First what a file would do, then the doing of it. It may give rights, so the password is asked for again."""
    if request.method != "POST":
        return HttpResponseRedirect("/set-up/organisation/")
    if text := request.POST.get("text", ""):
        ask_password_again(request)
        try:
            done = text_of.apply(text, request.user)
        except Unfit as unfit:
            return _planned(request, text, str(unfit))
        messages.info(request, _("%(n)d things were made or changed.") % {"n": done})
        return HttpResponseRedirect("/set-up/history/", status=303)
    form, text = FileForm(request.POST, request.FILES), ""
    try:
        text = form.text() if form.is_valid() else ""
    except Unfit as unfit:
        form.add_error("file", str(unfit))
    words = "" if text else str(form.errors.get("file", [_("It is empty.")])[0])
    return _planned(request, text, words)


def _planned(request: Request, text: str, words: str = "") -> HttpResponse:
    plan = text_of.plan(text, request.user) if text else text_of.Plan()
    context = {"plan": plan, "text": text, "words": words}
    return shown(request, "set_up/configuration.html", context, status=422 if words or plan.problems else 200)
