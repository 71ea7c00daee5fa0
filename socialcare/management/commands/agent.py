"""`manage.py agent add`: an account from the command line, as when nobody can sign in any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inbox.models import Agent, Role, Team
from socialcare import people
from socialcare.people_forms import InviteForm


class Command(BaseCommand):
    help = "Adds an agent and prints the link by which the password is set; “link” makes a new one."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="a new account")
        add.add_argument("email")
        add.add_argument("name")
        add.add_argument("--admin", action="store_true")
        add.add_argument("--reader", action="store_true")
        add.add_argument("--team", default="", help="short name of a team, such as support")
        add.add_argument("--manager", action="store_true", help="manager of that team")
        link = verbs.add_parser("link", help="a new link for an account that is there")
        link.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(self.add(options) if options["verb"] == "add" else self.link(options))
        except people.Refused as refused:
            raise CommandError(str(refused)) from refused

    def add(self, options: dict[str, Any]) -> str:
        team = Team.objects.filter(slug=options["team"]).first()
        if options["team"] and team is None:
            known = ", ".join(Team.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no team “{options['team']}”. Teams: {known}.")
        role = Role.MANAGER if options["manager"] else Role.AGENT
        given = self.checked({"email": options["email"], "name": options["name"], "role": role})
        rights = {"is_admin": options["admin"], "is_reader": options["reader"]}
        agent, link = people.invite(given["email"], given["name"], None, **rights)
        if team:
            agent.join(team, role, by=None)
        return link

    def checked(self, typed: dict[str, Any]) -> dict[str, Any]:
        """By the form of the page, so that the same is refused: nobody could sign in with what it does not take."""
        form = InviteForm(typed)
        if not form.is_valid():
            wrong = [f"{field}: {' '.join(map(str, errors))}" for field, errors in form.errors.items()]
            raise CommandError("\n".join(wrong))
        return form.cleaned_data

    def link(self, options: dict[str, Any]) -> str:
        agent = Agent.objects.filter(email=options["email"].lower()).first()
        if agent is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        return people.new_link(agent, None)
