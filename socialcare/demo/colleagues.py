"""The people of the demo: who they are, which team they work in, and one password for all, which everybody may know."""

from dataclasses import dataclass

PASSWORD = "everybody may know this"  # noqa: S105  it is printed at every start of the demo
ORGANISATION = "Brand"


@dataclass(frozen=True)
class Member:
    name: str
    is_: str
    """For the list that is printed."""
    agent_of: tuple[str, ...] = ()
    manager_of: tuple[str, ...] = ()
    is_admin: bool = False
    is_reader: bool = False

    @property
    def email(self) -> str:
        return f"{self.name.lower()}@brand.example"


CAST = (
    Member("Ada", "admin, in no team", is_admin=True),
    Member("Ana", "care agent in Support", agent_of=("support",)),
    Member("Max", "manager of Support and of Marketing, which gets what no rule places", (), ("support", "marketing")),
    Member("Pia", "agent in Product", agent_of=("product",)),
    Member("Mona", "agent in Marketing", agent_of=("marketing",)),
    Member("Hugo", "agent in HR, a private team", agent_of=("hr",)),
    Member("Eva", "reader of figures, in no team", is_reader=True),
    Member("Otto", "an account without any right"),
)


def programme() -> str:
    """What the start of the demo prints: who can sign in."""
    rows = [f"    {member.email:<22}{member.name}: {member.is_}" for member in CAST]
    head = f"This is a demo: invented people, invented customers, and one password for all, “{PASSWORD}”."
    return "\n".join(["", head, *rows, ""])
