"""What a network says of a post when it is asked again, and what is known of it already."""

from dataclasses import replace
from datetime import UTC, datetime

from connectors.base import Author, Post, PostKind, Visibility
from connectors.stored import as_it_is_now
from inbox.models import Mention

POST = Post(external_id="1", kind=PostKind.COMMENT, source="refresh", author=Author(external_id="a"), text="corrected",
            created_at=datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip


def test_what_a_network_leaves_out_when_asked_by_number_stays():
    held = Mention(kind="result", source="search:tea", visibility="held", grants={"can_reply": False})
    now = as_it_is_now(held, replace(POST, whole=False))
    assert (now.text, now.visibility, now.grants) == ("corrected", Visibility.HELD, {"can_reply": False})


def test_what_a_network_says_in_full_holds():
    held = Mention(kind="result", source="search:tea", visibility="held", grants={"can_reply": False})
    now = as_it_is_now(held, POST)
    assert (now.visibility, now.grants) == (Visibility.PUBLIC, {})


def test_how_it_was_heard_stays():
    now = as_it_is_now(Mention(kind="result", source="search:tea"), POST)
    assert (now.kind, now.source) == (PostKind.RESULT, "search:tea")
