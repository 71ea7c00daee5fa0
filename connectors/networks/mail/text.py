"""What somebody wrote in a mail, apart from what they quoted and from their signature. Mail programs agree on no mark
for either, so each pattern here is one that programs really use; where none fits, nothing is taken away."""

import re
from dataclasses import dataclass

from connectors.text import plain

_WROTE = (
    "wrote writes schrieb escribió écrit écrivait scritto schreef escreveu napisał skrev kirjoitti написал написала "
    "пишет пише napsal yazdı írta"
).replace(" ", "|")
_BEGINS = "On|Am|Le|El|Il|Op|Em|Den|Dne|W dniu|Dnia|Dňa|Den|På|Στις|\\d{1,4}[./-]\\d{1,2}"
_HEADS = (
    "From Von De Da Van Från Fra От Sent Gesendet Envoyé Enviado Inviato Verzonden Date Datum Data Fecha Дата To An À "
    "Para A Aan Till Til Кому Subject Betreff Objet Asunto Oggetto Onderwerp Assunto Ämne Emne Тема Отправлено Cc "
    "Reply-To"
).replace(" ", "|")
_ORIGINAL = (
    "original message|original appointment|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|"
    "message d['’]origine|message original|mensaje original|messaggio originale|oorspronkelijk bericht|"
    "mensagem original|исходное сообщение|пересылаемое сообщение|reply message"
)
_ATTRIBUTION = re.compile(rf"^.{{0,300}}\b(?:{_WROTE})\b.{{0,120}}[:：]\s*$", re.IGNORECASE)
_STARTED = re.compile(rf"^\W{{0,3}}(?:{_BEGINS})\b.{{0,200}}\d")
_SAID = re.compile(r"\d.{0,200}@[^@]{1,100}[:：]\s*$")
_SAYS_WHO = re.compile(r"\d|@")
_SEPARATOR = re.compile(rf"^\W{{0,3}}[-_*]{{2,60}}\s{{0,3}}(?:{_ORIGINAL})\b.{{0,40}}$", re.IGNORECASE)
_HEADER = re.compile(rf"^[\s>*]{{0,4}}(?:{_HEADS})\s?\*?\s?[:：]", re.IGNORECASE)
_QUOTED = re.compile(r"^\s{0,3}>")
_SIGNED = re.compile(r"^\s{0,2}(?:--|––|—)\s{0,2}$")
_DEVICE = re.compile(
    r"^\W{0,3}(?:Sent (?:from|via|with|on)|Get Outlook for|Von mein\w+ .{1,40} gesendet|Gesendet (?:von|mit)|"
    r"Envoyé (?:de|depuis|avec)|Enviado (?:desde|do|de)|Inviato d|Verzonden vanaf|Skickat från|Отправлено )",
    re.IGNORECASE,
)
_LONGEST_SIGNATURE, _DEVICE_LINE = 15, 120
MOST_LINES = 20_000
"""Of a text that is looked at for quotes; nobody types more."""
_HTML_QUOTE = re.compile(
    r"<blockquote\b|<(?:div|hr|span|table|p|a)\b[^<>]{0,500}?"
    r"(?:class=[\"']?(?:gmail_quote|gmail_extra|yahoo_quoted|moz-cite-prefix|OutlookMessageHeader|WordSection_quote)|"
    r"(?:id|name)=[\"']?(?:divRplyFwdMsg|appendonsend|stopSpelling|_MailOriginal|OLK_SRC_BODY_SECTION|"
    r"reply-intro|SkyDrivePlaceholder)|"
    r"border-top:\s?solid\s?#(?:B5C4DF|E1E1E1))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """A mail's own text, the quote it carries along, and the signature."""

    text: str
    quoted: str = ""
    signature: str = ""


def split(text: str) -> Parts:
    """The parts of a plain text; all of it is text when nothing else would be left."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MOST_LINES:
        return Parts(text.strip())
    own, signature = _without_signature(lines)  # below a quote
    if any(_QUOTED.match(line) or _attribution(signature, at) for at, line in enumerate(signature)):
        own, signature = lines, []
    own, quoted = _without_quote(own)
    own, above = _without_signature(own)  # above it
    if not _joined(own):
        return Parts(text.strip())
    return Parts(_joined(own), _joined(quoted), _joined([*above, *signature]))


def split_html(html: str) -> Parts:
    """The parts of a text in HTML, as a reader sees them."""
    found = _HTML_QUOTE.search(html)
    if found is None:
        return split(plain(html))
    above, quoted = plain(html[: found.start()]), plain(html[found.start() :])
    own, attribution = _without_quote(above.split("\n"))
    if own and _SAID.search(own[-1]):
        own, attribution = own[:-1], [own[-1], *attribution]
    own, signature = _without_signature(own)
    if _joined(own):
        return Parts(_joined(own), "\n".join(filter(None, (_joined(attribution), quoted))), _joined(signature))
    below = html.lower().rfind("</blockquote>")
    answer = plain(html[below:]) if below > 0 else ""
    return Parts(answer, plain(html[:below])) if answer else split(plain(html))


def _without_quote(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines somebody wrote and those that are quoted."""
    cut = next((at for at in range(len(lines)) if _is_separator(lines, at)), len(lines))
    lines, quoted = lines[:cut], lines[cut:]
    begins, ends = next(((at, end) for at in range(len(lines)) if (end := _attribution(lines, at))), (None, 0))
    end = len(lines)
    while end and (not lines[end - 1].strip() or _QUOTED.match(lines[end - 1])):
        end -= 1
    if begins is None:
        return (lines[:end], [*lines[end:], *quoted]) if any(map(_QUOTED.match, lines[end:])) else (lines, quoted)
    if end <= ends or not any(map(_QUOTED.match, lines[ends:])):
        return lines[:begins], [*lines[begins:], *quoted]
    if _joined(lines[:begins]):
        return _between(lines, ends, end, begins, quoted)
    # The answer stands below what it answers.
    after = next(at for at in range(end - 1, -1, -1) if _QUOTED.match(lines[at]) or at < ends) + 1
    return lines[after:], [*lines[:after], *quoted]


def _between(lines: list[str], ends: int, end: int, begins: int, quoted: list[str]) -> tuple[list[str], list[str]]:
    """Text, a quote, and more text: a signature below the quote goes with it; answers between quotes keep it all."""
    rest = [line for line in lines[ends:end] if line.strip() and not _QUOTED.match(line)]
    if len(rest) == 1 and _is_device(rest[0]):
        return lines[:begins], [*lines[begins:], *quoted]
    return lines[:end], [*lines[end:], *quoted]


def _is_separator(lines: list[str], at: int) -> bool:
    """Whether a block of copied headers begins here, with or without a line that says so."""
    if _SEPARATOR.match(lines[at]):
        return True
    rule = lines[at].strip()
    begins = at + 1 if len(rule) >= 10 and not rule.strip("-_") else at
    heads = [line for line in lines[begins : begins + 8] if line.strip()]
    if not heads or not _HEADER.match(heads[0]):
        return False
    return sum(1 for line in heads[:6] if _HEADER.match(line)) >= 3


def _attribution(lines: list[str], at: int) -> int:
    """Where “On … somebody wrote:” that begins in this line ends; 0 when it is none. Programs break it into lines."""
    if _ATTRIBUTION.match(lines[at]) and _SAYS_WHO.search(lines[at]):
        return at + 1
    if not _STARTED.match(lines[at]):
        return 0
    for more in (2, 3):
        if _ATTRIBUTION.match(" ".join(line[:200] for line in lines[at : at + more])):
            return min(at + more, len(lines))
    return 0


def _without_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    last = max((at for at, line in enumerate(lines) if line.strip()), default=-1)
    for at in range(last, max(last - _LONGEST_SIGNATURE, -1), -1):
        if _SIGNED.match(lines[at]):
            return lines[:at], lines[at:]
    if last >= 0 and _is_device(lines[last]):
        return lines[:last], lines[last:]
    return lines, []


def _is_device(line: str) -> bool:
    return len(line) <= _DEVICE_LINE and bool(_DEVICE.match(line))


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n").rstrip()
