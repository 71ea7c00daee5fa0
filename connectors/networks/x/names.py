"""What X calls the parameters and fields of a request: as in all it has written, or as it has announced to call them.
Nobody can say which the live service takes."""

from collections.abc import Mapping
from typing import Any

_NEW = {
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
    "edit_history_tweet_ids": "edit_history_post_ids",
}


def renamed(params: Mapping[str, Any]) -> dict[str, Any]:
    """A request in the names X has announced. What people search for stays as it is."""
    return {
        {"tweet.fields": "post.fields"}.get(name, name): _new(value) if names_fields(name) else value
        for name, value in params.items()
    }


def names_fields(parameter: str) -> bool:
    return parameter == "expansions" or parameter.endswith(".fields")


def _new(value: str) -> str:
    for old, new in _NEW.items():
        value = value.replace(old, new)
    return value
