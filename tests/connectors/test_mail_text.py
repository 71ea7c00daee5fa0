"""Taking a mail apart: what is kept apart, what is left alone, and that no stranger's mail holds us up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.networks.mail.message import read
from connectors.networks.mail.text import split, split_html
from tests.waiting import costs

HEAD = b"From: a@mail.example\r\n"
LINES = (
    "> q", "", "-- ", "text", "On 1 Jan 2026, A wrote:", "From: a", "To: b", "Subject: c", "Sent from my phone",
    "____________", "-----Original Message-----",
)  # fmt: skip


@pytest.mark.parametrize(
    ("mail", "text", "quoted", "signature"),
    [
        ("Yes.\n\nOn Mon, 2 Nov 2026 at 10:00, Care <care@brand.example> wrote:\n\n> Really?", "Yes.", "On Mon", ""),
        ("Ja.\n\nAm 02.11.2026 um 10:00 schrieb Care <care@brand.example>:\n> Wirklich?", "Ja.", "Am 02", ""),
        (
            "Oui.\n\nLe lun. 2 nov. 2026 à 10:00, Care <care@brand.example>\na écrit :\n> Vraiment ?",
            "Oui.",
            "Le lun",
            "",
        ),
        (
            "No.\n\n-----Original Message-----\nFrom: Care\nSent: Monday\nTo: Carla\nSubject: x\n\nOld",
            "No.",
            "-----Or",
            "",
        ),
        (
            "Nein.\n\n________________________________\nVon: Care\nGesendet: Montag\nAn: Carla\nBetreff: x\n\nAlt",
            "Nein.",
            "____",
            "",
        ),
        ("> Which one?\nThe red one.", "> Which one?\nThe red one.", "", ""),
        ("On 2 Nov 2026, Care wrote:\n> Which one?\n\nThe red one.", "The red one.", "On 2 Nov", ""),
        ("Thanks\n\n-- \nCarla\nTea lover", "Thanks", "", "-- \nCarla"),
        ("Thanks\n\nSent from my phone", "Thanks", "", "Sent from"),
        ("Fine -- but late", "Fine -- but late", "", ""),
        ("I wrote: nothing", "I wrote: nothing", "", ""),
        ("From: Lisbon\nTo: Porto\nIs there a train?", "From: Lisbon\nTo: Porto\nIs there a train?", "", ""),
        ("> only a quote", "> only a quote", "", ""),
        ("-- \nonly a signature", "-- \nonly a signature", "", ""),
        ("", "", "", ""),
    ],
)
def test_text_quote_and_signature_are_told_apart(mail, text, quoted, signature):
    parts = split(mail)
    assert parts.text == text
    assert parts.quoted.startswith(quoted)
    assert bool(parts.quoted) == bool(quoted)
    assert parts.signature.startswith(signature)
    assert bool(parts.signature) == bool(signature)


def test_answers_between_the_lines_keep_what_they_answer():
    mail = "On 2 Nov 2026, Care wrote:\n> Red?\nYes.\n> Blue?\nNo.\n"
    above = f"See below.\n\n{mail}"
    assert "> Blue?\nNo." in split(above).text


def test_html_is_read_as_a_reader_sees_it_without_what_it_quotes():
    quote = "<div class='gmail_quote'>On 2 Nov, Care wrote:<blockquote>Old</blockquote></div>"
    parts = split_html(f"<p>Yes &amp; <b>now</b></p><script>x</script>{quote}")
    assert parts.text == "Yes & now"
    assert "Old" in parts.quoted
    below = "<blockquote type=cite>Which one?</blockquote><p>The red one.</p>"
    assert split_html(below).text == "The red one."


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_whatever_the_order_no_word_is_lost_and_something_is_left_to_read(lines):
    mail = "\n".join(lines)
    parts = split(mail)
    kept = sorted(f"{parts.text}\n{parts.quoted}\n{parts.signature}".split())
    assert kept == sorted(mail.split())
    assert bool(parts.text.strip()) == bool(mail.strip())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail_or_a_value_error(raw):
    try:
        mail = read(HEAD + raw)
        mail.sender()
    except ValueError:
        return
    assert isinstance(mail.text().text, str)
    assert isinstance(mail.subject + mail.automatic("x"), str)
    assert isinstance([*mail.chain, *mail.files, *mail.addresses("to")], list)


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: text/plain; " + b'a="b;' * 200_000, b"Content-Type: a/b; " + b"name*1=x;" * 50_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 9_000,
        b"Subject: " + b"=?" * 300_000,
        b"Reply-To: " + b"<a@b>,(" * 100_000, b"References: " + b"<a " * 300_000, b"X: y\r\n\r\n" + b"-" * 1_000_000,
        b"X: y\r\n\r\n" + b"On 1 wrote " * 90_000, b"X: y\r\n\r\n" + b"> a\r\n" * 19_000,
        b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"b" * 1_000_000,
        b"Content-Type: text/html\r\n\r\n" + b"<div class=" * 90_000,
    ],
    ids=range(11),
)  # fmt: skip
def test_a_megabyte_of_malice_takes_seconds_at_most(raw):
    with costs(5):
        mail = read(HEAD + raw + (b"" if b"\r\n\r\n" in raw else b"\r\n\r\nx"))
        _ = (mail.text(), mail.files, mail.subject, mail.chain, mail.addresses("reply-to"), mail.sender())


def test_more_parts_than_anybody_sends_are_not_counted_out():
    with pytest.raises(ValueError, match="parts"):
        read(HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000)
