"""Who the account is, how its session goes on, which rooms it is in, and what an admin has to know of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.answers import Answer
from connectors.base import JSON, AuthRevoked, Check, Fault, Invalid, Secrets, Unavailable, Unreadable
from connectors.networks.matrix.api import judging, table, told_by
from connectors.networks.matrix.asking import TOKEN
from connectors.networks.matrix.moving import moves_in
from connectors.networks.matrix.place import kind_of, onward, state_in
from connectors.networks.matrix.reading import Reading
from connectors.text import lines

NO = frozenset(
    {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNAUTHORIZED", "M_FORBIDDEN", "M_USER_DEACTIVATED", "M_USER_LOCKED",
     "M_UNRECOGNIZED", "M_NOT_FOUND", "M_BAD_JSON", "M_MISSING_PARAM", "M_INVALID_PARAM"}
)  # fmt: skip
"""Words with which a server says that it renews nothing."""
NAMED, FOLLOWED = 5, 100
"""Rooms that one warning names; rooms that were named of which it is kept what they became."""


class Joining(Reading):
    """Registers no network."""

    def check(self) -> Check:
        self.facts = {**self.facts, "base": self._found()}
        me = self._ask("GET", "client/v3/account/whoami").json(dict)
        user = me.get("user_id")
        if not isinstance(user, str) or not user.startswith("@"):
            raise Unreadable("The answer does not say whose access token this is.")
        facts: JSON = {"base": self.facts["base"], "user_id": user, "account_id": user}
        facts |= {"rooms": self._resolved(), "largest": self._largest()}
        moved = [list(each) for each in table(self.facts.get("moved")).items()]
        self.facts = facts
        rooms = table(self._sync_on("", None, moved, newest=1).get("rooms"))
        self.facts = facts = {**facts, "moved": self._lasting(moved)}
        return Check(
            account_id=user,
            account_name=user,
            account_url=f"https://matrix.to/#/{quote(user, safe='@:')}",
            server=urlsplit(facts["base"]).netloc,
            facts=facts,
            warnings=tuple(self._warnings(table(rooms.get("join")), table(rooms.get("invite")))),
        )

    def _found(self) -> str:
        """Where the server is: people know the name in their addresses, which often only says where to look."""
        if not self._site.removeprefix("https://").removeprefix("http://"):
            raise Invalid("The homeserver is missing.", field="homeserver")
        answer = self.seam.answer("GET", f"{self._site}/.well-known/matrix/client", accept=range(300, 500))
        told = table(told_by(answer).get("m.homeserver")).get("base_url") if answer.status == 200 else ""
        return leads_to(self._site, told)

    def renew(self, secrets: Secrets) -> Secrets:
        """The next access token of the session. Until it is used, the refresh token that was given for it stays good,
        so that an answer which is lost costs nothing."""
        token = secrets.get("refresh_token", "")
        if not token:
            raise AuthRevoked("There is no refresh token, so that a person has to sign in.")
        base = str(self.facts.get("base") or self._found()).rstrip("/")
        answer = self.seam.answer("POST", f"{base}/_matrix/client/v3/refresh", json={"refresh_token": token},
                                  write=False, bucket="matrix", judge=_not_renewed)  # fmt: skip
        told = answer.json(dict)
        access, again = told.get("access_token"), told.get("refresh_token") or token
        if not isinstance(access, str) or not access or not isinstance(again, str):
            raise answer.unreadable("There is no access token in it.")
        self.seam.hidden = (*self.seam.hidden, access, again)
        ends = told.get("expires_in_ms")  # without it, it does not end
        lasts = str(ends / 1000) if isinstance(ends, int | float) and ends > 0 else ""
        return secrets.replace(access_token=access, refresh_token=again, expires_in=lasts)

    def _resolved(self) -> dict[str, str]:
        """The rooms that were named by an address, as what they are called in truth."""
        found = dict[str, str]()
        for each in lines(self.settings.get("rooms")):
            if each.startswith("#"):
                path = f"client/v3/directory/room/{quote(each, safe='')}"
                room = self._ask("GET", path, accept=(400, 404)).json(dict).get("room_id")
                found |= {each: room} if isinstance(room, str) else {}
        return found

    def _lasting(self, moved: Iterable[Sequence[str]]) -> dict[str, str]:
        """What became of rooms that were named: the account may have left the old ones, and nobody else knows."""
        steps = [(old, new) for old, new in moved if old in (self._reads(moved) or ())]
        return dict(steps[-FOLLOWED:])

    def _largest(self) -> int:
        """Bytes of a file the server takes, 0 where it does not say."""
        answer = self._ask("GET", "client/v1/media/config", accept=(400, 404, 405))
        size = answer.json(dict).get("m.upload.size") if answer.status == 200 else 0
        return size if isinstance(size, int) else 0

    def _warnings(self, joined: Mapping[str, Any], invited: Mapping[str, Any]) -> Iterator[str]:
        chosen, moved = self._chosen, {move.old: move.new for move in moves_in({"rooms": {"join": joined}})}
        known = {str(each) for each in joined} | {str(each) for each in invited}
        steps, resolved = table(self.facts.get("moved")).items(), table(self.facts.get("rooms"))
        missing = [each for each in lines(self.settings.get("rooms"))
                   if known.isdisjoint(onward([str(resolved.get(each) or each)], steps))]  # fmt: skip
        if missing:
            yield f"The account is not in these rooms, so that nothing of them is read: {_short(missing)}."
        read = {room: table(told) for room, told in joined.items() if chosen is None or room in chosen}
        if sealed := [_name(room, told) for room, told in read.items() if "x" in kind_of("", told)]:
            yield f"Encrypted rooms cannot be read or answered here: {_short(sealed)}."
        if lost := [_name(old, joined[old]) for old, new in moved.items() if new not in known]:
            yield f"These rooms were upgraded, and the account is not in what they became: {_short(lost)}."
        waiting = [room for room in invited if chosen is None or room in chosen]
        taken = {*self._wanted(invited, chosen), *self._continuing(invited, chosen, moved.values())}
        waiting = [room for room in waiting if room not in taken]
        if waiting:
            names = [_name(room, table(table(invited[room]).get("invite_state"))) for room in waiting]
            yield f"Invitations wait for a person to accept them in a Matrix app: {_short(names)}."


def _not_renewed(answer: Answer) -> Fault | None:
    """A plain no; whatever else comes is a server that is not well, or somebody who stands before it, and is asked
    again."""
    if answer.status in (400, 401, 403, 404, 405):
        plain = told_by(answer).get("errcode") in NO
        words = "The server does not go on with this session." if plain else "The server does not say why it refuses."
        return (AuthRevoked if plain else Unavailable)(words, status=answer.status)
    return judging(answer, None)


def leads_to(site: str, told: Any) -> str:
    """Where a name says its server is. The token goes there, so never without encryption when the name has it."""
    try:
        own, there = urlsplit(site), urlsplit(told if isinstance(told, str) and len(told) < TOKEN else "")
    except ValueError:
        return site
    usable = there.scheme == "https" or (there.scheme, own.scheme) == ("http", "http")
    return there.geturl().rstrip("/") if usable and there.netloc and "@" not in there.netloc else site


def _name(room: str, told: Mapping[str, Any]) -> str:
    """What people call a room, as far as it is told: its name, its address, or who else is in it."""
    events = told.get("events")
    state = state_in(told) if not isinstance(events, list) else state_in({"state": {"events": events}})
    said = {event.get("type"): table(event.get("content")) for event in state}
    heroes = table(told.get("summary")).get("m.heroes")
    others = heroes if isinstance(heroes, list) else [event.get("sender") for event in state]
    names = (said.get("m.room.name", {}).get("name"), said.get("m.room.canonical_alias", {}).get("alias"), *others)
    return str(next(filter(None, names), room))[:60]


def _short(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
