"""The one HTTP seam. Everything that leaves this installation goes through a `Seam`, whoever asks: addresses are
checked and pinned, every call ends, answers are bounded, faults are classed, and what is kept of an exchange holds no
secret."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict
from requests_hardened.ip_filter import InvalidIPAddress

from connectors.addresses import Allowed, PinnedAdapter, Refused, calls, named_nobody, refusal
from connectors.answers import KEPT_BYTES, Answer, usual_fault
from connectors.faults import (
    Fault,
    InDoubt,
    Invalid,
    Unavailable,
    Unreadable,
)
from connectors.redaction import redacted
from connectors.text import storable

CONNECT, READ, WHOLE, UPLOAD = 3.0, 10.0, 15.0, 25.0
"""Seconds; one link each of the chain of clocks: connect < read < whole call < a sender's lease."""
API_SIZE = 10_000_000
"""Bytes of an answer, counted after decompression."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset(
    {"auth", "cookies", "headers", "params", "json", "data", "files"}
)  # never sent where a redirect leads


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, without secrets, for the page “what did it answer?”."""

    at: str
    method: str
    url: str
    status: int
    milliseconds: int
    headers: dict[str, str]
    body: str
    fault: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def no_transaction_open() -> None:
    """A network call inside a transaction holds locks for as long as a stranger likes."""
    from django.db import connection

    if connection.in_atomic_block:
        raise RuntimeError("a network call inside a database transaction")


class Seam(requests.Session):
    """A requests session that libraries can be handed, and `answer()` for our own calls. Not shared between threads.

    `hidden`: secret values that must not show anywhere. `guarded`: only what the owner opened is spoken to without
    encryption, as always where there are secrets. `allow`: hosts and CIDRs the owner opens although they are private.
    `rewrite`: origin → origin, so that a local server can stand in for a network. `record` gets each Exchange.
    `last` is the newest exchange's answer or fault: some libraries lose both. `wrote`: the newest answer to a write."""

    def __init__(
        self,
        *,
        hidden: Iterable[str] = (),
        guarded: bool = False,
        allow: Iterable[str] = (),
        rewrite: Mapping[str, str] | None = None,
        user_agent: str = "SocialCare",
        record: Callable[[Exchange], None] | None = None,
        guard: Callable[[], None] = no_transaction_open,
        size: int = API_SIZE,
        whole: float = WHOLE,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.headers.update({"User-Agent": user_agent, "Accept-Encoding": "gzip, deflate"})
        secrets = tuple(hidden)
        self.hidden = tuple(value for value in secrets if len(value) >= 6)
        self.guarded = guarded or any(secrets)
        self.allowed, self.rewrite = Allowed.parse(allow), dict(rewrite or {})
        self.record, self.guard, self.size, self.whole = record, guard, size, whole
        self.count = 0
        self.last: Answer | None = None
        self.last_fault: Fault | None = None
        self.wrote: Answer | None = None
        for scheme in ("https://", "http://"):
            self.mount(scheme, PinnedAdapter(scheme == "https://", self.allowed, self.guarded))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Every request of ours and of the libraries comes through here. Raises a Fault where no whole answer came."""
        self.guard()
        write, size = kwargs.pop("write", request.method not in _READING), kwargs.pop("size", self.size)
        whole = kwargs.pop("whole", self.whole)
        self._rewritten(request)
        self.last, self.last_fault, self.count = None, None, self.count + 1
        # Libraries set their own timeouts and follow redirects by themselves; both are decided here.
        kwargs.update(timeout=(CONNECT, READ), allow_redirects=False, stream=True, proxies={})
        started, at = time.monotonic(), datetime.now(UTC)
        try:
            response = self._whole(request, kwargs, write, size, whole)
        except Fault as fault:
            self.last_fault = fault
            self._keep(request, None, started, at, fault)
            raise
        self.last = Answer(response.status_code, response.headers, response.content, response.url or "", write)
        self.wrote = self.last if write else self.wrote
        self._keep(request, response, started, at, None)
        return response

    def answer(
        self,
        method: str,
        url: str,
        *,
        now: datetime | None = None,
        write: bool | None = None,
        follow: int = 0,
        size: int | None = None,
        whole: float | None = None,
        bucket: str = "",
        accept: Iterable[int] = (),
        judge: Callable[[Answer], Fault | None] | None = None,
        **request: Any,
    ) -> Answer:
        """One call. A status that is neither 2xx nor in `accept` is raised as the Fault `judge` names, else as the
        usual one. `whole`: seconds it may take with all its redirects, if not the usual. `follow`: redirects
        followed, each checked anew and without our credentials; a 3xx beyond is Unavailable."""
        if follow and (method not in _READING if write is None else write):
            raise ValueError("a write follows no redirect: its body would go to another host")
        asked, permanent, now = url, True, now or datetime.now(UTC)
        how = {name: value for name, value in {"write": write, "size": size}.items() if value is not None}
        ends = time.monotonic() + (self.whole if whole is None else whole)
        for _ in range(follow + 1):
            left = max(0.0, ends - time.monotonic())
            answer = self._once(method, asked, now, {**how, "whole": left}, bucket, request)
            if answer.status not in {301, 302, 303, 307, 308} or not answer.headers.get("Location"):
                break
            permanent = permanent and answer.status in {301, 308}
            if not follow:
                break
            asked = _next_address(asked, answer.headers["Location"])
            request = {name: value for name, value in request.items() if name not in _OURS}
            self.cookies.clear()
        answer.moved_to = asked if permanent and asked != url else ""
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        raise (judge and judge(answer)) or usual_fault(answer, now, bucket)

    def outcome(self, bucket: str = "", judge: Callable[[Answer], Fault | None] | None = None) -> Answer:
        """What came of a library's call, read here because libraries lose the body or the class of a fault: the
        answer if its status is 2xx, else the Fault."""
        if self.last_fault is not None:
            raise self.last_fault
        if self.last is None:
            raise RuntimeError("the library made no call")
        answer, now = self.last, datetime.now(UTC)
        answer.tell(bucket, now)
        if 200 <= answer.status < 300:
            return answer
        raise (judge and judge(answer)) or usual_fault(answer, now, bucket)

    def _once(
        self, method: str, url: str, now: datetime, how: dict[str, Any], bucket: str, request: dict[str, Any]
    ) -> Answer:
        try:
            prepared = self.prepare_request(requests.Request(method, url, **request))
        except (requests.RequestException, ValueError) as error:
            raise Invalid("The address cannot be used.", field="url") from error
        self.send(prepared, **how)
        answer = self.last
        if answer is None:
            raise RuntimeError("a call without an answer or a fault")
        answer.tell(bucket, now)
        return answer

    def _whole(
        self, request: requests.PreparedRequest, kwargs: dict[str, Any], write: bool, size: int, whole: float
    ) -> requests.Response:
        with calls.open(whole) as call:
            try:
                response = super().send(request, **kwargs)
                self._read(response, write, size)
            except Fault:
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise _transport_fault(error, write, call.begun, call.ended_by_us) from error
            if call.ended_by_us:
                raise _late(write)
        return response

    def _read(self, response: requests.Response, write: bool, size: int) -> None:
        """The body, decompressed and bounded; what is too large is not read to its end."""
        parts: list[bytes] = []
        left = size
        try:
            for part in response.raw.stream(65_536, decode_content=True):
                left -= len(part)
                if left < 0:
                    why = f"It is larger than {size // 1_000_000} MB."
                    raise (InDoubt if write else Unreadable)(why, what="size", status=response.status_code)
                parts.append(part)
        finally:
            response.raw.close()
        response._content = b"".join(parts)
        response._content_consumed = True  # type: ignore[attr-defined]

    def _rewritten(self, request: requests.PreparedRequest) -> None:
        parts = urlsplit(request.url or "")
        if stand_in := self.rewrite.get(f"{parts.scheme}://{parts.netloc}"):
            new = urlsplit(stand_in)
            path = new.path.rstrip("/") + parts.path
            request.url = urlunsplit((new.scheme, new.netloc, path, parts.query, ""))

    def _keep(
        self,
        request: requests.PreparedRequest,
        response: requests.Response | None,
        started: float,
        at: datetime,
        fault: Fault | None,
    ) -> None:
        if self.record is None:
            return
        body = _excerpt(response) if response is not None else ""
        headers = _telling(response.headers) if response is not None else {}
        exchange = Exchange(
            at=at.isoformat(timespec="seconds"),
            method=request.method or "",
            url=redacted(storable(request.url or ""), self.hidden)[:KEPT_BYTES],
            status=response.status_code if response is not None else 0,
            milliseconds=round((time.monotonic() - started) * 1000),
            headers={name: redacted(storable(value), self.hidden)[:500] for name, value in headers.items()},
            body=redacted(storable(body), self.hidden),
            fault=str(fault or ""),
        )
        self.record(exchange)


def _excerpt(response: requests.Response) -> str:
    """What admins may see of an answer. JSON of a success holds what people wrote, perhaps to a private team, and is
    not kept; a refusal, or a page where JSON was due, is what the log is for."""
    if response.ok and "json" in response.headers.get("Content-Type", "").lower():
        return ""
    return response.content[:KEPT_BYTES].decode("utf-8", "replace")


def _transport_fault(error: Exception, write: bool, begun: bool, ended_by_us: bool) -> Fault:
    """A write whose request may have left the machine is in doubt; everything else may simply be tried again."""
    if isinstance(error, Refused | InvalidIPAddress):
        return refusal(error)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | UnicodeError):
        return Invalid("The address cannot be used.", field="url")
    if ended_by_us:
        return _late(write and begun)
    if isinstance(error, urllib3.exceptions.DecodeError):
        return (InDoubt if write else Unreadable)("Its compression is broken.")
    kind = type(error).__name__
    if write and begun:
        return InDoubt(f"The connection broke before an answer came ({kind}).")
    if isinstance(error, requests.exceptions.SSLError):
        return Unavailable("The encrypted connection could not be made.")
    if named_nobody(error):
        return Unavailable("No server of that name was found.")
    return Unavailable(f"The connection failed ({kind}).")


def _late(doubtful: bool) -> Fault:
    return (InDoubt if doubtful else Unavailable)("The answer did not end in time.")


def _next_address(asked: str, location: str) -> str:
    parts = urlsplit(urljoin(asked, location))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


_TOLD = (
    "date", "retry-after", "content-type", "x-request-id", "x-fb-trace-id", "facebook-api-version", "etag", "location",
)  # fmt: skip


def _telling(headers: CaseInsensitiveDict[str]) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in _TOLD or "ratelimit" in name.lower().replace("-", "")
    }
