"""Stored mentions back in the shape networks understand: to ask what may be done with one, to answer it, to mark it
deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.base import (
    Author,
    Connector,
    Deleted,
    Media,
    Post,
    PostKind,
    PostState,
    Standing,
    Visibility,
    Withheld,
)

if TYPE_CHECKING:
    from inbox.models import Mention, Reply


def post_of(mention: Mention) -> Post:
    """The post as it was last read; needs the mention's identity."""
    identity = mention.identity
    return Post(
        external_id=mention.external_id,
        kind=PostKind(mention.kind),
        source=mention.source,
        author=Author(
            external_id=identity.external_id,
            handle=identity.handle,
            name=identity.name,
            url=identity.url,
            avatar_url=identity.avatar_url,
            bot=identity.bot,
            followers=mention.followers,
        ),
        text=mention.text,
        created_at=mention.posted_at,
        edited_at=mention.edited_at,
        version=mention.version,
        lang=mention.language,
        parent_id=mention.parent_id or None,
        url=mention.url,
        media=tuple(Media(**item) for item in mention.media),
        visibility=Visibility(mention.visibility),
        state=PostState(mention.state),
        ours=mention.ours,
        rating=mention.rating,
        history=mention.history,
        grants=mention.grants,
        raw=mention.raw,
    )


def post_of_reply(reply: Reply) -> Post:
    """Our own answer as the post it became; ValueError before the network gave it an id."""
    parent = reply.parent
    if not reply.external_id:
        raise ValueError("the network has not said what this reply is called")
    facts = reply.channel.settings.get("facts") or {}
    return Post(
        external_id=reply.external_id,
        kind=PostKind.DIRECT if reply.kind == "direct" else PostKind.REPLY,
        source="own",
        author=Author(external_id=str(facts.get("account_id") or "ours"), name=reply.channel.name),
        text=reply.text,
        created_at=reply.sent_at or reply.created_at,
        parent_id=parent.external_id if parent else None,
        url=reply.url,
        visibility=Visibility(parent.visibility) if parent else Visibility.PUBLIC,
        ours=True,
    )


def standings(connector: Connector, replies: Sequence[int]) -> dict[int, Standing]:
    """How the network shows these answers of ours; private ones stand where they belong."""
    from inbox.models import Reply

    public = Reply.objects.filter(pk__in=replies, parent__isnull=False).exclude(kind="direct")
    rows = public.select_related("parent__identity")
    return {row.pk: connector.standing(row.text, post_of(row.parent)) for row in rows if row.parent}


def as_it_is_now(mention: Mention, answer: Post | Deleted | Withheld) -> Post:
    """What a refresh says of a stored post, as a post that the journey can store. How it was heard stays: asked for by
    its number it was written to nobody in particular."""
    if isinstance(answer, Post):
        answer = replace(answer, kind=PostKind(mention.kind), source=mention.source)
        known = {"visibility": Visibility(mention.visibility), "grants": mention.grants}
        return answer if answer.whole else replace(answer, **known)
    state = PostState.DELETED if isinstance(answer, Deleted) else PostState.WITHHELD
    return replace(post_of(mention), state=state, version="")
