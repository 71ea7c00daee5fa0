"""The documents tell the truth where a machine can check it: targets, commands, environment, links, states."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from connectors.base import Connector
from inbox.models import Reply
from inbox.models.conversation import State
from routing.actions import Action
from routing.conditions import Condition, Post
from socialcare.management.commands.gate import FORBIDDEN

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")] + sorted((ROOT / "docs").glob("*.md"))
CODE = [
    *(
        path
        for app in ("socialcare", "inbox", "routing", "connectors", "insights")
        for path in (ROOT / app).rglob("*.py")
    ),
    ROOT / "docker-compose.yml",
]
OF_MAKE = set(re.findall(r"\$\((?:if \$\()?([A-Z]+)\b", (ROOT / "Makefile").read_text())) | {"SECONDS"}
BOAST = r"\b(seamless|powerful|blazing|cutting[- ]edge|world[- ]class|next[- ]gen|robust|leverag|effortless)"

pytestmark = pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)


@pytest.fixture
def text(document):
    return document.read_text()


def test_make_targets_exist(text):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE))
    assert named <= targets


def test_commands_and_their_first_words_exist(text):
    for command, word in re.findall(r"manage\.py ([a-z_]+)(?: ([a-z]+|--[a-z-]+))?", text):
        found = get_commands()
        assert command in found, command
        known = load_command_class(found[command], command).create_parser("manage.py", command).format_help()
        spoken = word.startswith("--") or command in {"agent", "channel"}
        assert not spoken or word in known, f"{command} {word}"


def test_names_of_the_environment_are_read_somewhere(text):
    code = "\n".join(path.read_text() for path in CODE)
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]{2,})`", row.split("|")[1])}
    named |= set(re.findall(r"\b([A-Z][A-Z_]{3,})=", text)) - OF_MAKE
    missing = {name for name in named if not re.search(rf"\b{name}\b", code)}
    assert not missing


def test_links_lead_somewhere(document, text):
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    for link in (one or other for one, other in links):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = document.parent / path if path else document
        assert target.exists(), link
        headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if anchor else []
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, link


def test_files_named_in_it_exist(text):
    for path in re.findall(
        r"`((?:socialcare|inbox|routing|connectors|insights|tests|static|deploy|benchmarks)/[\w./-]+)`", text
    ):
        assert (ROOT / path).exists(), path


def test_no_forbidden_and_no_boasting_word(text):
    for what, pattern in FORBIDDEN.items():
        assert not re.search(pattern.replace("[[:space:]]", r"\s"), text), what
    assert not re.search(BOAST, text, re.IGNORECASE)


def test_what_the_code_has_of_each_kind_is_told(document, text):
    told = {
        "outbox.md": [f"`{state}` | {state.label}" for state in Reply.State],
        "user.md": [f"| {state.label} |" for state in State],
        "README.md": [network.label for network in Connector.kinds().values()],
    }
    for words in told.get(document.name, []):
        assert words in text, words


def test_the_example_of_a_condition_works(document, text):
    found = re.search(r"```python\n(@dataclass.*?class (\w+)\(Condition\).*?)```", text, re.DOTALL)
    if not found:
        return
    names = vars(__import__("routing.conditions.facts", fromlist=["Condition"])).copy()
    try:
        exec(found[1], names)
        kind = names[found[2]]
        condition = kind.read({"characters": "5"})
        assert kind.read(condition.values()) == condition
        assert Condition.named(kind.name) is kind
        assert "5" in condition.sentence({})
        facts = type("Facts", (), {"text": "longer"})
        assert condition.test(Post(facts, " longer ", set()))
    finally:
        Condition._members.pop("longer_than", None)


def test_conditions_and_actions_are_all_told_to_managers(document, text):
    if document.name != "manager.md":
        return
    said = re.sub(r"\s+", " ", text.lower())
    for kind in [*Condition.kinds().values(), *Action.kinds().values()]:
        for word in set(re.findall(r"\w+", kind.label.lower())) - {
            "is",
            "of",
            "the",
            "by",
            "at",
            "most",
            "has",
            "here",
        }:
            assert word in said, f"{kind.label}: {word}"
