"""Every fault on every network: what becomes of it is what docs/faults.md says, which is written by
`python -m tests.faults`."""

import pytest

from tests.faults import DOCUMENT, SITUATIONS, document, networks, outcome, written

WRITTEN = written()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: f"{one.table}: {one.label}")
@pytest.mark.parametrize("network", networks())
def test_what_becomes_of_a_fault_is_what_is_written(network, situation):
    assert outcome(network, situation) == WRITTEN[situation.table, situation.label][network]


def test_every_network_and_every_fault_has_its_cell():
    assert {key for key in WRITTEN if key[0] != "What happens next"} == {(one.table, one.label) for one in SITUATIONS}
    for key, cells in WRITTEN.items():
        if key[0] != "What happens next":
            assert sorted(cells) == networks()


def test_the_document_says_what_happens_next():
    found = {
        (network, table, label): said
        for (table, label), cells in WRITTEN.items()
        if table != "What happens next"
        for network, said in cells.items()
    }
    assert DOCUMENT.read_text() == document(found)
