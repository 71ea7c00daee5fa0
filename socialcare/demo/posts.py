"""What is said on the demo network, and what will be."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

type JSON = dict[str, Any]


@dataclass
class Said:
    """A post. `change` is the number of its latest change; a poll asks for what changed since the number it holds."""

    id: str
    author: JSON
    text: str
    lang: str
    created_at: str
    change: int
    reply_to: str | None = None
    root: str = ""
    edited_at: str | None = None
    deleted: bool = False
    hidden: bool = False
    liked: bool = False
    topic: str = ""
    key: str = ""
    media: list[JSON] = field(default_factory=list)

    @property
    def number(self) -> int:
        return int(self.id[1:])

    def shown(self) -> JSON:
        shown = asdict(self)
        for inner in ("topic", "key"):
            del shown[inner]
        if self.deleted:
            shown.update(text="", author={"id": self.author["id"]})
        return shown


@dataclass(order=True)
class Plan:
    """Something that will happen."""

    at: datetime
    number: int
    what: str = field(compare=False)
    post: str = field(compare=False, default="")
