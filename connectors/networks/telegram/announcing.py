"""Messages at once, for an installation that Telegram cannot reach: a question that it keeps until somebody writes.
What it answers only has the queue read: this question confirms nothing, so nothing it was told can get lost."""

from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.answers import Answer, usual_fault
from connectors.base import Fault, Source
from connectors.frames import Frame
from connectors.networks.telegram.api import refusal
from connectors.networks.telegram.reading import ASKED, LIMIT, TOKEN, Reading
from connectors.streams import Question, Stream

HELD = 30
"""Seconds for which a question is kept; Telegram keeps none for longer than fifty."""
FIRST = 1
"""The lowest number there is: whoever asks from here on confirms nothing. The number that reading asks from is always
another one, which matters: who asks for the same twice within some seconds is kept waiting, and would end this."""
SOON, LAST_PAUSE = 1.0, 30.0
"""Seconds until what was announced is usually read and confirmed, and most seconds between two questions."""
TAKEN = 4.0
"""Seconds for which whoever took our place is left alone: reading is kept waiting for three at most, and is not to be
ended by this question."""


class Announced(Reading):
    """Registers no network."""

    def streams(self, sources: Sequence[Source]) -> tuple[Stream, ...]:
        name = next((source.name for source in sources), None)
        if name is None or not TOKEN.fullmatch(self._token):
            return ()

        def news(event: str, _data: str) -> tuple[str, ...]:
            return (name,) if event == "updates" else ()

        return (Stream(self._base, news, {"token": self._token}, asking=lambda: LongPoll(self._token)),)


class LongPoll:
    """One question after another, and what was announced last."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.newest: int | None = None
        self.pause = SOON
        self.undisturbed = False

    def question(self) -> Question:
        given = {"offset": FIRST, "timeout": HELD, "limit": LIMIT, "allowed_updates": ASKED}
        return Question(f"/bot{self.token}/getUpdates", given, HELD)

    def answered(self, answer: Answer, seconds: float) -> tuple[list[Frame], float]:
        """The same updates come again until they are read and confirmed; they are announced once."""
        fault = _fault(answer)
        if fault is not None and fault.status == 409 and self.undisturbed:
            self.undisturbed = False  # once may be reading; twice is somebody else, or an address elsewhere
            return [], TAKEN
        if fault is not None:
            raise fault
        numbers = _numbers(answer)
        self.undisturbed = True
        if not numbers and seconds >= HELD / 2:
            self.pause = SOON
            return [], 0.0
        if not numbers or max(numbers) == self.newest:
            self.pause = min(self.pause * 2, LAST_PAUSE)
            return [], self.pause
        self.newest, self.pause = max(numbers), SOON
        return [Frame("updates", str(self.newest))], SOON


def _fault(answer: Answer) -> Fault | None:
    refused = not 200 <= answer.status < 300
    return refusal(answer) or (usual_fault(answer, datetime.now(UTC), "telegram") if refused else None)


def _numbers(answer: Answer) -> list[int]:
    """Of the updates that wait to be read."""
    told = answer.json(dict)
    items = told.get("result")
    if told.get("ok") is not True or not isinstance(items, list):
        raise answer.unreadable("The updates are no list.")
    found = (item.get("update_id") for item in items if isinstance(item, dict))
    return [number for number in found if isinstance(number, int)]
