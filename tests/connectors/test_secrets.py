"""Credentials at rest open only where they were sealed, and only whole."""

import base64

import pytest

from connectors.secrets import NeedsKey, Ring, SealError

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.urlsafe_b64encode(b"\xfb" * 32).decode()
PLACE = {"table": "channel", "row": 7, "field": "access_token"}


def test_a_sealed_value_opens_in_its_place_and_shows_nothing():
    ring = Ring.parse([OLD])
    sealed = ring.seal("hush-hush", **PLACE)
    assert ring.open(sealed, **PLACE) == "hush-hush"
    assert sealed.startswith("v1:old:")
    assert "hush" not in sealed
    assert "ooo" not in repr(ring)


def test_a_key_whose_id_holds_a_colon_opens_what_it_sealed():
    ring = Ring.parse([OLD.replace("old:", "prod:2026:")])
    sealed = ring.seal("hush-hush", **PLACE)
    assert ring.writing == "prod:2026"
    assert ring.open(sealed, **PLACE) == "hush-hush"
    assert ring.resealed(sealed, **PLACE) is None
    turned = Ring.parse([NEW, OLD.replace("old:", "prod:2026:")]).resealed(sealed, **PLACE)
    assert Ring.parse([NEW]).open(turned, **PLACE) == "hush-hush"


def test_two_seals_of_one_value_differ():
    ring = Ring.parse([OLD])
    assert ring.seal("same", **PLACE) != ring.seal("same", **PLACE)


@pytest.mark.parametrize("change", [{"table": "agent"}, {"row": 8}, {"field": "refresh_token"}])
def test_a_value_moved_to_another_place_does_not_open(change):
    ring = Ring.parse([OLD])
    with pytest.raises(SealError, match="another row"):
        ring.open(ring.seal("hush", **PLACE), **(PLACE | change))


def test_a_flipped_byte_does_not_open():
    ring = Ring.parse([OLD])
    head, _, text = ring.seal("hush", **PLACE).rpartition(":")
    raw = bytearray(base64.b64decode(text))
    for place in range(len(raw)):
        raw[place] ^= 1
        with pytest.raises(SealError):
            ring.open(f"{head}:{base64.b64encode(raw).decode()}", **PLACE)
        raw[place] ^= 1


def test_a_dropped_key_is_named_and_is_no_other_fault():
    sealed = Ring.parse([OLD]).seal("hush", **PLACE)
    with pytest.raises(NeedsKey, match="old"):
        Ring.parse([NEW]).open(sealed, **PLACE)


def test_rotation_reseals_with_the_first_key_and_then_rests():
    sealed = Ring.parse([OLD]).seal("hush", **PLACE)
    both = Ring.parse([NEW, OLD])
    assert both.open(sealed, **PLACE) == "hush"
    turned = both.resealed(sealed, **PLACE)
    assert turned
    assert Ring.parse([NEW]).open(turned, **PLACE) == "hush"
    assert both.resealed(turned, **PLACE) is None


@pytest.mark.parametrize("words", [[], ["not base64!"], [base64.b64encode(b"short").decode()]])
def test_a_wrong_ring_says_what_is_wrong_with_it(words):
    with pytest.raises(SealError, match="SEAL_KEYS"):
        Ring.parse(words)


@pytest.mark.parametrize("text", ["", "v1:a:b", "v2:old:AAAA:AAAA", "v1:old:%%%:AAAA", "plain"])
def test_what_is_not_sealed_is_said_to_be_so(text):
    with pytest.raises(SealError, match="not a sealed value"):
        Ring.parse([OLD]).open(text, **PLACE)
