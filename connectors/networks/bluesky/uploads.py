"""The files of an answer on Bluesky: blobs that belong to nobody until a record names them. Pictures go to the
account's server; a video goes to the network's video service, which works on it and puts it there in our name."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connectors.base import (
    JSON,
    Fault,
    Invalid,
    MediaRule,
    Medium,
    Outgoing,
    Unavailable,
    Unreadable,
    Uploaded,
)
from connectors.http import UPLOAD
from connectors.text import read_json

if TYPE_CHECKING:
    from connectors.http import Seam

RULE = MediaRule(
    types=frozenset({"image/jpeg", "image/png", "image/webp", "video/mp4"}),
    most=4,
    sizes={"image": 2_000_000, "video": 100_000_000},
    description=2_000,
    alone=frozenset({"video"}),
    refused={"animation": "It would stand still there."},
)
SERVICE = "https://video.bsky.app"
JOB, LOOK, LASTS = "job:", 3.0, 1_800
"""How the token of a video that is worked on begins; seconds between two questions whether it is done, and those in
which the service may put it on the account's server."""

type Ask = Callable[..., Any]


def step(ask: Ask, medium: Medium) -> Uploaded:
    body = {"data": medium.read(), "content_type": medium.type}
    answer = ask("POST", "com.atproto.repo.uploadBlob", write=False, whole=UPLOAD, **body)
    return Uploaded(_blob(answer.json(dict)))


def embed(media: Sequence[Medium]) -> JSON:
    """What a record says of its files."""
    if media[0].kind == "video":
        (medium,) = media
        video = {"alt": medium.description, "video": read_json(medium.token)}
        return {"$type": "app.bsky.embed.video", **video, **_shape(medium)}
    return {"$type": "app.bsky.embed.images", "images": [_image(medium) for medium in media]}


def _image(medium: Medium) -> JSON:
    return {"alt": medium.description, "image": read_json(medium.token), **_shape(medium)}


def _shape(medium: Medium) -> JSON:
    if medium.width and medium.height:
        return {"aspectRatio": {"width": medium.width, "height": medium.height}}
    return {}


def _blob(told: Mapping[str, Any]) -> str:
    blob = told.get("blob")
    if not isinstance(blob, dict) or not blob.get("ref"):
        raise Unreadable("The answer to a file has no reference.")
    return json.dumps(blob)


class Video:
    """`ask`: of the account's own server, which vouches for us to the service."""

    def __init__(self, ask: Ask, seam: "Seam", service: str, me: str) -> None:
        self.ask, self.seam, self.me = ask, seam, me
        self.service = f"{service.rstrip('/')}/xrpc"

    def step(self, medium: Medium, outgoing: Outgoing, so_far: str) -> Uploaded:
        """Hands it in, or asks whether the service is done with it."""
        if so_far.startswith(JOB):
            asked = {"jobId": so_far.removeprefix(JOB)}
            answer = self._call("GET", "getJobStatus", medium, params=asked)
        else:
            answer = self._call(
                "POST",
                "uploadVideo",
                medium,
                params={"did": self.me, "name": f"{medium.key}.mp4"},
                data=medium.read(),
                headers={"Authorization": f"Bearer {self._voucher(outgoing)}", "Content-Type": medium.type},
                whole=UPLOAD,
                accept=(409,),  # it has this very video already, and says as which job
            )
        return _state(medium, answer.json(dict))

    def _call(self, method: str, name: str, medium: Medium, **request: Any) -> Any:
        def judge(answer: Any) -> Fault | None:
            """Whatever it says of our voucher says nothing of the account's session."""
            if answer.status == 401:
                return Unavailable("The video service did not take what the server vouched for.", status=401)
            if answer.status in (400, 403, 413):
                words = f"The video service of Bluesky does not take “{medium.name}”."
                return Invalid(words, field="media", status=answer.status)
            return None

        url = f"{self.service}/app.bsky.video.{name}"
        return self.seam.answer(method, url, write=False, bucket="bluesky:video", judge=judge, **request)

    def _voucher(self, outgoing: Outgoing) -> str:
        """A token with which the service may put one blob on the account's server, and nothing else."""
        ends = int(outgoing.sending_at.timestamp()) + LASTS
        asked = {"aud": f"did:web:{self._host()}", "lxm": "com.atproto.repo.uploadBlob", "exp": str(ends)}
        token = str(self.ask("GET", "com.atproto.server.getServiceAuth", params=asked).json(dict).get("token") or "")
        if not token:
            raise Unreadable("The server vouched for nothing.")
        self.seam.hidden = (*self.seam.hidden, token)
        return token

    def _host(self) -> str:
        """Where the account lives; the server we talk to may stand before many others."""
        answer = self.ask("GET", "com.atproto.server.getSession")
        document = answer.json(dict).get("didDoc")
        services = document.get("service") if isinstance(document, dict) else None
        for each in services if isinstance(services, list) else ():
            if isinstance(each, dict) and str(each.get("id")).endswith("#atproto_pds"):
                return _named(str(each.get("serviceEndpoint")))
        return _named(answer.url)


def _named(url: str) -> str:
    """As servers name themselves: without the port."""
    return urlsplit(url).hostname or ""


def _state(medium: Medium, told: Mapping[str, Any]) -> Uploaded:
    job = told.get("jobStatus")
    job = job if isinstance(job, dict) else told
    if job.get("blob"):
        return Uploaded(_blob(job))
    if job.get("state") == "JOB_STATE_FAILED":
        raise Invalid(f"Bluesky can do nothing with “{medium.name}”.", field="media")
    if not job.get("jobId"):
        raise Unreadable("The answer to a video names no job.")
    return Uploaded(f"{JOB}{job['jobId']}", whole=False, wait=LOOK)
