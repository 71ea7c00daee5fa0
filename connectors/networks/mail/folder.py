"""Reading a folder in order: where reading stands, what waits behind it, and how much makes a page."""

from datetime import datetime, timedelta
from typing import NamedTuple

from connectors.faults import Unavailable
from connectors.networks.mail.imap import Mailbox, Weight
from connectors.posts import JSON, Gap

WINDOW = timedelta(hours=48)
ITEMS = 50
CUT = 2_000_000
"""Bytes of a page, and of one mail: what comes after them are attachments."""
PATIENCE, WHOLE_PAGE = timedelta(hours=1), timedelta(days=1)
"""So long a mail that the server refuses is waited for, as it may be a bad moment of the server; longer where the
server gives nothing else either."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def place(cursor: JSON | None, validity: int, now: datetime) -> tuple[int | None, tuple[Gap, ...]]:
    """The last UID that was read; None to begin by date."""
    if cursor is None:
        return None, ()
    known, uid = cursor.get("validity"), cursor.get("uid")
    if not isinstance(known, int) or not isinstance(uid, int) or uid < 0:
        return None, (Gap(None, now - WINDOW, "The place where reading stopped could not be used."),)
    if known != validity:
        return None, (Gap(None, now - WINDOW, "The server numbered the folder anew; older mail is not read again."),)
    return uid, ()


def since_of(cursor: JSON | None) -> datetime | None:
    """What is older is history, until all is read that lay there when reading began; None afterwards."""
    try:
        return datetime.fromisoformat(cursor["since"]) if cursor else None
    except (KeyError, TypeError, ValueError):
        return None


def waiting_in(box: Mailbox, last: int | None, following: int, now: datetime) -> list[int]:
    """UIDs to read, the oldest first."""
    if last is None:
        day = now - WINDOW - timedelta(days=1)  # servers compare days, in a zone of their own
        return box.search(f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")
    if 0 < following <= last + 1:
        return []
    # “n+1:*” always gives the last mail, also when it is older.
    return [uid for uid in box.search(f"UID {last + 1}:*") if uid > last]


def newest_in(box: Mailbox, following: int) -> int:
    """The UID before the next one. A server that does not say the next one has to be asked for its last mail: from
    nothing we would read the whole folder."""
    return following - 1 if following > 0 else max(box.search("UID *"), default=0)


def earlier_in(box: Mailbox, since: datetime, below: int) -> list[int]:
    """UIDs of what reached the folder since a time and stands before another, the oldest first."""
    day = since - timedelta(days=1)
    found = box.search(f"SINCE {day.day}-{_MONTHS[day.month - 1]}-{day.year}")
    return [uid for uid in found if uid < below]


def page_before(box: Mailbox, waiting: list[int]) -> tuple[dict[int, Weight], list[int]]:
    """The newest mails that wait with their weight, and the UIDs of those before them."""
    while waiting:
        left, page = CUT, dict[int, Weight]()
        for uid, weight in sorted(box.weights(waiting[-ITEMS:]).items(), reverse=True):
            left -= min(weight.size, CUT)
            if page and left < 0:
                break
            page[uid] = weight
        first = min(page, default=waiting[-ITEMS:][0])
        waiting = [uid for uid in waiting if uid < first]
        if page:
            return page, waiting
    return {}, []


def next_page(box: Mailbox, waiting: list[int]) -> tuple[dict[int, Weight], list[int]]:
    """The mails of the next page with their weight, and the UIDs that wait behind them."""
    while waiting:
        left, page = CUT, dict[int, Weight]()
        for uid, weight in box.weights(waiting[:ITEMS]).items():
            left -= min(weight.size, CUT)
            if page and left < 0:
                return page, [later for later in waiting if later >= uid]
            page[uid] = weight
        waiting = waiting[ITEMS:]
        if page:
            return page, waiting
    return {}, []


class Given(NamedTuple):
    """What the server gives of a page, and what it refuses."""

    bodies: dict[int, bytes]
    weights: dict[int, Weight]
    """Without those that are waited for."""
    held: list[int]
    """UIDs of those that are waited for: reading goes no further."""
    kept: JSON
    """For the cursor: since when it refuses them."""
    fault: Unavailable

    def go_on(self) -> None:
        """After what came was stored."""
        if self.held:
            raise self.fault


def given(box: Mailbox, weights: dict[int, Weight], cursor: JSON | None, now: datetime) -> Given:
    """Some servers have no code for their bad moments: only time tells those from a mail that cannot be read."""
    bodies, refusal = box.messages(list(weights), CUT)
    known = (cursor or {}).get("refused")
    known = known if isinstance(known, dict) else {}
    lacking = [uid for uid in weights if uid not in bodies] if refusal else []
    since = {uid: since_of({"since": known.get(str(uid))}) or now for uid in lacking}
    held = [uid for uid in lacking if now - since[uid] < (PATIENCE if bodies else WHOLE_PAGE)]
    kept = {"refused": {str(uid): at.isoformat() for uid, at in since.items()}} if held else {}
    told = {uid: weight for uid, weight in weights.items() if uid not in held}
    return Given(bodies, told, held, kept, Unavailable(f"It does not give a mail. {refusal.detail if refusal else ''}"))


def kept_of(validity: int, last: int, since: datetime | None, more: JSON) -> JSON:
    return {"validity": validity, "uid": last, **({"since": since.isoformat()} if since else {}), **more}
