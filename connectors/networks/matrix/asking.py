"""Asking a Matrix homeserver: as whom, what of which rooms, and for one message as it stands now."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.answers import Answer
from connectors.base import JSON, AuthExpired, AuthRevoked, Connector, Gone, Post, PostState
from connectors.networks.matrix.api import SAID, SEALED, judging, people_of, post_of, table
from connectors.networks.matrix.place import onward
from connectors.text import lines

NEWEST, SYNC = 20, 40_000_000
"""Events of each room in a sync, and bytes of one, which tells of many rooms at once."""
ASKED_FOR, TOKEN = 50, 1_000
"""Rooms named in one filter; characters of a token."""
STATE = [
    "m.room.member", "m.room.encryption", "m.room.join_rules", "m.room.name", "m.room.canonical_alias", "m.room.create",
    "m.room.tombstone",
]  # fmt: skip
EVENTS = [*SAID, SEALED, "m.room.redaction", *STATE]
MEMBERS = {"lazy_load_members": True, "include_redundant_members": True}
_NONE = {"not_types": ["*"]}


class Asking(Connector):
    """Registers no network."""

    @property
    def _site(self) -> str:
        given = str(self.settings.get("homeserver") or "").strip().rstrip("/")
        return given if "://" in given else f"https://{given}"

    @property
    def _me(self) -> str:
        return str(self.facts.get("user_id") or "")

    @property
    def _chosen(self) -> frozenset[str] | None:
        """Rooms to read, None for all the account is in. One that was named and not found is none."""
        named = lines(self.settings.get("rooms"))
        found = table(self.facts.get("rooms"))
        ids = (str(found.get(each) or each) for each in named)
        # A server refuses a filter with anything else among its rooms.
        fit = (each for each in ids if each.startswith("!"))
        return onward(fit, table(self.facts.get("moved")).items()) if named else None

    def _ask(
        self, method: str, path: str, *, now: datetime | None = None, post: Post | None = None,
        headers: Mapping[str, str] | None = None, **more: Any,
    ) -> Answer:  # fmt: skip
        token, renewable = self.secrets.get("access_token", ""), bool(self.secrets.get("refresh_token"))
        if not token:
            raise (AuthExpired if renewable else AuthRevoked)("There is no access token.")
        signed = {"Authorization": f"Bearer {token}", **(headers or {})}
        base = str(self.facts.get("base") or self._site).rstrip("/")
        return self.seam.answer(
            method, f"{base}/_matrix/{path}", now=now, headers=signed, bucket="matrix",
            judge=lambda answer: judging(answer, now, post, renewable=renewable), **more,
        )  # fmt: skip

    def _sync(self, since: str, now: datetime | None, rooms: Iterable[str] = (), newest: int = NEWEST) -> JSON:
        """What is new in all rooms, or in these."""
        chosen = sorted(rooms) or sorted(self._chosen or ())
        room: JSON = {
            "timeline": {"limit": newest, "types": EVENTS}, "state": {"types": STATE, **MEMBERS},
            "ephemeral": _NONE, "account_data": _NONE,
        }  # fmt: skip
        if chosen and len(chosen) <= ASKED_FOR:
            room["rooms"] = chosen
        asked = {"filter": json.dumps({"presence": _NONE, "account_data": _NONE, "room": room}),
                 "timeout": "0", "set_presence": "offline"}  # fmt: skip
        answer = self._ask("GET", "client/v3/sync", now=now, params=asked | ({"since": since} if since else {}),
                           size=SYNC)  # fmt: skip
        told: JSON = answer.json(dict)
        if not isinstance(told.get("next_batch"), str) or not 0 < len(told["next_batch"]) <= TOKEN:
            raise answer.unreadable("A sync has no place to go on from.")
        return told

    def _one(self, room: str, event: str, now: datetime | None, kind: str, edit: str = "", origin: str = "") -> Post:
        """One message as it stands now, with the name of who wrote it."""
        told, names = self._event(room, event, now)
        if told.get("type") not in (*SAID, SEALED):
            raise Gone("It is no message.", what=event)
        post = post_of(told, room, kind, names, self._me, origin=origin)
        if not edit or post.state is not PostState.LIVE:
            return post
        # Not every server hangs the newest version on a message.
        version, _ = self._event(room, edit, now)
        return post_of(told, room, kind, names, self._me, version, origin)

    def _event(self, room: str, event: str, now: datetime | None) -> tuple[JSON, dict[str, str]]:
        path = f"client/v3/rooms/{quote(room, safe='')}/context/{quote(event, safe='')}"
        asked = {"limit": "0", "filter": json.dumps({"types": ["m.room.member"], **MEMBERS})}
        answer = self._ask("GET", path, now=now, params=asked)
        told = answer.json(dict)
        if not isinstance(told.get("event"), dict):
            raise answer.unreadable("It does not tell the message.")
        state = told.get("state")
        return told["event"], people_of(state if isinstance(state, list) else ())
