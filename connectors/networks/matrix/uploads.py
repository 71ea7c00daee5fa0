"""Files of an answer. They are brought to the server before, which shows nobody what no message names."""

from connectors.base import JSON, MediaRule, Medium, Outgoing, Post, Unreadable, Uploaded
from connectors.http import UPLOAD
from connectors.media import NAMES
from connectors.networks.matrix.joining import Joining

LARGEST = 8_000_000
_KINDS = {"image": "m.image", "animation": "m.image", "video": "m.video"}


class Uploading(Joining):
    """Registers no network."""

    def media_rule(self, post: Post, *, private: bool = False) -> MediaRule:
        largest = min(int(self.facts.get("largest") or LARGEST), LARGEST)
        return MediaRule(types=frozenset(NAMES), most=1, sizes=dict.fromkeys((*_KINDS, "file"), largest))

    def upload(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        asked, kind = {"filename": medium.name}, {"Content-Type": medium.type}
        answer = self._ask("POST", "media/v3/upload", params=asked, headers=kind, data=medium.read(), write=False,
                           whole=UPLOAD)  # fmt: skip
        address = answer.json(dict).get("content_uri")
        if not isinstance(address, str) or not address.startswith("mxc://"):
            raise Unreadable("The answer to a file has no address.")
        return Uploaded(address)


def file_part(medium: Medium, words: str) -> JSON:
    """The part of a message that is its file; its words are the file's caption."""
    info: JSON = {"mimetype": medium.type, "size": medium.size}
    if medium.width and medium.height:
        info |= {"w": medium.width, "h": medium.height}
    kind = _KINDS.get(medium.kind, "m.file")
    return {"msgtype": kind, "body": words, "filename": medium.name, "url": medium.token, "info": info}
