"""What an answer may carry besides its words: the files, the rule of the item they are to hang from, and the steps that
bring them to the network before the one request that names them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
NAMES = {
    "image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WebP", "video/mp4": "MP4",
    "video/quicktime": "QuickTime", "application/pdf": "PDF", "text/plain": "text", "text/csv": "CSV",
}  # fmt: skip
MANY = {"image": "pictures", "animation": "moving pictures", "video": "videos", "file": "files"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """One file that leaves with an answer. `kind`: image, animation, video or file; `type` is what it is, whatever its
    name says. `read` gives its bytes, the same each time; `address` one under which a network that takes no bytes may
    fetch them for a while, another each time. `token`: what the network calls it, once it is there."""

    key: str
    kind: str
    type: str
    size: int
    name: str
    read: Callable[[], bytes] = field(repr=False)
    address: Callable[[], str] = field(default=str, repr=False)
    description: str = ""
    width: int | None = None
    height: int | None = None
    token: str = ""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One step is done. `token`: what to go on with, and in the end what the file is called there. Not `whole`: there
    is another step, not before `wait` seconds."""

    token: str
    whole: bool = True
    wait: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaRule:
    """What may hang from an answer to one item. `types`: those taken; none at all where `reason` says why. `refused`:
    why a kind is not taken where others are. `most`: how many. `sizes`: bytes of each, by kind; `total`: of all.
    `pixels` and `side`: of a picture. `description`: characters of a text for who cannot see it, None where the network
    has none. `alone`: kinds that leave with no other file. `text`: what fits beside files, in UTF-16, where that is
    less than the network takes else."""

    types: frozenset[str] = frozenset()
    most: int = 4
    sizes: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None
    pixels: int | None = None
    side: int | None = None
    description: int | None = None
    alone: frozenset[str] = frozenset()
    text: int | None = None
    reason: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)

    def problems(self, media: Sequence[Medium], label: str, text: str = "") -> tuple[str, ...]:
        """Why these may not leave together, in sentences; none when they may."""
        if not media:
            return ()
        if not self.types:
            return (self.reason or f"{label} takes no files with an answer.",)
        found = [problem for medium in media for problem in self._of_one(medium, label)]
        if len(media) > self.most:
            found.append(f"{label} takes {counted(self.most)} with an answer; these are {len(media)}.")
        together = next((one.kind for one in media if one.kind in self.alone), "")
        if len(media) > 1 and together:
            found.append(f"{label} takes {MANY[together]} alone only, with no other file.")
        over = len(text.encode("utf-16-le", "surrogatepass")) // 2 - self.text if self.text is not None else 0
        if over > 0:
            found.append(f"Beside a file {label} takes {self.text} characters; this is {over} too long.")
        size = sum(medium.size for medium in media)
        if self.total is not None and size > self.total:
            found.append(f"Together too large: {megabytes(size)} of at most {megabytes(self.total)}.")
        return tuple(found)

    def _of_one(self, medium: Medium, label: str) -> Iterable[str]:
        limit = self.sizes.get(medium.kind)
        if medium.type not in self.types:
            kind = NAMES.get(medium.type, medium.type)
            moving = "moving " if medium.kind == "animation" else ""
            why = self.refused.get(medium.kind, "")
            yield f"“{medium.name}”: {label} takes no {moving}{kind} with an answer.{why and f' {why}'}"
        elif limit is not None and medium.size > limit:
            yield f"“{medium.name}” is too large: {megabytes(medium.size)} of at most {megabytes(limit)}."
        elif self._too_wide(medium):
            yield f"“{medium.name}” has too many pixels for {label}: {medium.width} × {medium.height}."
        if self.description is not None and len(medium.description) > self.description:
            over = len(medium.description) - self.description
            yield f"The description of “{medium.name}” is {over} characters too long."

    def _too_wide(self, medium: Medium) -> bool:
        width, height = medium.width or 0, medium.height or 0
        if medium.kind not in ("image", "animation"):
            return False
        return (self.pixels is not None and width * height > self.pixels) or (
            self.side is not None and max(width, height) > self.side
        )


def counted(number: int) -> str:
    words = {1: "one file", 2: "two files", 3: "three files", 4: "four files"}
    return words.get(number, f"{number} files")


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{max(1, round(size / 1_000))} kB"
