"""Every kind of event, one class each: what it carries, the sentence a person reads, and whether it counts as an
answer for somebody who is typing one. Adding a happening is adding a class here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from socialcare.kinds import Kind


class Happening(Kind, scan="inbox.happenings"):
    """`sentence` is filled with the payload and `actor`; `news` marks what somebody who is writing an answer must
    see first; `icon` names a symbol of the sprite; `quiet` ones do not stand in the timeline because a message shows
    them."""

    sentence: ClassVar[str]
    icon: ClassVar[str] = "circle"
    news: ClassVar[bool] = False
    quiet: ClassVar[bool] = False

    def payload(self) -> dict[str, Any]:
        return dict(vars(self))  # fields are plain values

    @classmethod
    def says(cls, actor: str, payload: dict[str, Any]) -> str:
        """The sentence for a person. `actor` is the name of who did it, or “Routing” for the machine."""
        words = {key: "" if value is None else value for key, value in payload.items()}
        return cls.sentence.format(actor=actor or "Routing", **words).strip()

    @classmethod
    def newsworthy(cls) -> list[str]:
        return [name for name, kind in cls.kinds().items() if kind.news]


@dataclass(frozen=True)
class Received(Happening):
    name = "received"
    label = "Message received"
    sentence = "{author} wrote"
    icon, news, quiet = "reply", True, True
    author: str
    mention: int | None = None


@dataclass(frozen=True)
class Reopened(Happening):
    name = "reopened"
    label = "Reopened"
    sentence = "{actor} reopened this{because}"
    icon = "refresh-cw"
    because: str = ""


@dataclass(frozen=True)
class AnswerWanted(Happening):
    name = "answer_wanted"
    label = "Answer wanted"
    sentence = "{actor} wants to answer this, which only the topic “{topic}” found"
    icon = "reply"
    topic: str


@dataclass(frozen=True)
class Edited(Happening):
    name = "edited"
    label = "Message edited"
    sentence = "{author} edited a message"
    icon, news = "pencil", True
    author: str
    mention: int


@dataclass(frozen=True)
class Deleted(Happening):
    name = "deleted"
    label = "Message deleted"
    sentence = "{author} deleted a message on the network"
    icon, news = "trash-2", True
    author: str
    mention: int


@dataclass(frozen=True)
class Withheld(Happening):
    """By the network, a moderator or its author, and not for good: nobody says it was deleted."""

    name = "withheld"
    label = "Message withheld"
    sentence = "The network no longer shows a message of {author}"
    icon, news = "eye-off", True
    author: str
    mention: int


@dataclass(frozen=True)
class ShownAgain(Happening):
    name = "shown_again"
    label = "Message shown again"
    sentence = "The network shows a message of {author} again"
    icon, news = "eye", True
    author: str
    mention: int


@dataclass(frozen=True)
class AnsweredOutside(Happening):
    name = "answered_outside"
    label = "Answered outside"
    sentence = "Answered outside, in the network's own app"
    icon, news, quiet = "external-link", True, True
    mention: int | None = None


@dataclass(frozen=True)
class Routed(Happening):
    name = "routed"
    label = "Routed"
    sentence = "Routing gave this to {team}{because}"
    icon = "workflow"
    team: str
    because: str = ""


@dataclass(frozen=True)
class Claimed(Happening):
    name = "claimed"
    label = "Claimed"
    sentence = "{actor} took this"
    icon, news = "hand", True


@dataclass(frozen=True)
class Released(Happening):
    name = "released"
    label = "Released"
    sentence = "{actor} gave this back to {team}"
    icon, news = "undo-2", True
    team: str


@dataclass(frozen=True)
class Assigned(Happening):
    name = "assigned"
    label = "Assigned"
    sentence = "{actor} gave this to {to}{because}"
    icon, news = "user", True
    to: str
    because: str = ""
    team: int | None = None
    agent: int | None = None


@dataclass(frozen=True)
class Snoozed(Happening):
    name = "snoozed"
    label = "Snoozed"
    sentence = "{actor} set this aside until {until}"
    icon = "timer"
    until: str


@dataclass(frozen=True)
class Woken(Happening):
    name = "woken"
    label = "Back from snooze"
    sentence = "Back because its time has come"
    icon = "timer"


@dataclass(frozen=True)
class Closed(Happening):
    name = "closed"
    label = "Done"
    sentence = "{actor} marked this done"
    icon, news = "check", True


@dataclass(frozen=True)
class Excluded(Happening):
    name = "excluded"
    label = "Excluded"
    sentence = "Put away: every topic that found this excludes it now"
    icon = "eye-off"


@dataclass(frozen=True)
class MarkedSpam(Happening):
    name = "marked_spam"
    label = "Marked as spam"
    sentence = "{actor} marked this as spam"
    icon, news = "shield", True


@dataclass(frozen=True)
class Tagged(Happening):
    name = "tagged"
    label = "Tags changed"
    sentence = "{actor} set the tags: {tags}"
    icon = "tag"
    tags: str


@dataclass(frozen=True)
class Prioritised(Happening):
    name = "prioritised"
    label = "Priority changed"
    sentence = "{actor} set the priority to {priority}"
    icon = "flag"
    priority: int


@dataclass(frozen=True)
class Noted(Happening):
    name = "noted"
    label = "Note"
    sentence = "{actor} wrote a note"
    icon, quiet = "sticky-note", True
    note: int


@dataclass(frozen=True)
class ReplyQueued(Happening):
    name = "reply_queued"
    label = "Reply queued"
    sentence = "{actor} answered"
    icon, news, quiet = "send", True, True
    reply: int


@dataclass(frozen=True)
class ReplyMoved(Happening):
    """A step of the outbox: sending, sent, failed, in doubt, held, undone, dropped."""

    name = "reply_moved"
    label = "Reply's state"
    sentence = "Reply {state}{because}"
    icon, quiet = "send", True
    reply: int
    state: str
    because: str = ""


@dataclass(frozen=True)
class SentAnyway(Happening):
    name = "sent_anyway"
    label = "Sent anyway"
    sentence = "{actor} sent an answer although something newer had been said"
    icon = "triangle-alert"
    reply: int


@dataclass(frozen=True)
class ReplySettled(Happening):
    name = "reply_settled"
    label = "Doubt settled by a person"
    sentence = "{actor} settled a doubtful reply: {verdict}"
    icon = "check"
    reply: int
    verdict: str


@dataclass(frozen=True)
class ActAsked(Happening):
    """Something is to be done on the network to a post that stands there."""

    name = "act_asked"
    label = "Asked of the network"
    sentence = "{actor} asked the network: {verb}"
    icon, quiet = "clock", True
    act: int
    verb: str
    mention: int | None = None
    reply: int | None = None


@dataclass(frozen=True)
class ActDone(Happening):
    name = "act_done"
    label = "Done on the network"
    sentence = "{actor} {what}"
    icon = "check"
    act: int
    what: str
    mention: int | None = None
    reply: int | None = None


@dataclass(frozen=True)
class ActRefused(Happening):
    name = "act_refused"
    label = "Refused by the network"
    sentence = "The network did not {verb}: {reason}"
    icon = "circle-alert"
    act: int
    verb: str
    reason: str
    mention: int | None = None
    reply: int | None = None


@dataclass(frozen=True)
class RightsChanged(Happening):
    name = "rights_changed"
    label = "Rights changed"
    sentence = "{actor} changed the rights of agent {agent}"
    icon = "key-round"
    agent: int
    was: dict[str, Any] | None = None
    now: dict[str, Any] | None = None


@dataclass(frozen=True)
class JoinedTeam(Happening):
    name = "joined_team"
    label = "Joined a team"
    sentence = "{actor} made agent {agent} {role} of team {team}"
    icon = "user-plus"
    agent: int
    team: int
    role: str


@dataclass(frozen=True)
class LeftTeam(Happening):
    name = "left_team"
    label = "Left a team"
    sentence = "{actor} ended agent {agent}'s membership of team {team}"
    icon = "users"
    agent: int
    team: int


@dataclass(frozen=True)
class SetUpChanged(Happening):
    """A change of channels, rules, teams or people, for the admins' stream. `kind` and `key` name what was changed,
    `was` and `now` are its plain values before and after; None: it was not there, or is there no more."""

    name = "set_up_changed"
    label = "Set-up changed"
    sentence = "{actor} {what}"
    icon = "settings"
    what: str
    kind: str = ""
    key: int | None = None
    was: dict[str, Any] | None = None
    now: dict[str, Any] | None = None


@dataclass(frozen=True)
class ChannelMoved(Happening):
    """A channel's health changed: it broke, or it came back. Said once each time."""

    name = "channel_moved"
    label = "Channel's health"
    sentence = "Channel {channel_name}: {words}"
    icon = "radio"
    channel: int
    channel_name: str
    state: str
    words: str


@dataclass(frozen=True)
class Reverted(Happening):
    """Somebody took back what they just did, before anybody else acted."""

    name = "reverted"
    label = "Undone"
    sentence = "{actor} took that back: {what}"
    icon, news = "undo-2", True
    what: str
