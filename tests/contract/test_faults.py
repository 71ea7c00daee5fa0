"""Every fault on every network: what becomes of it is what docs/faults.md says, which is written by
`python -m tests.faults`."""

import pytest

from tests.faults import DOCUMENT, SITUATIONS, document, networks, outcome, written

WRITTEN = written()


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: f"{one.table}: {one.label}")
@pytest.mark.parametrize("network", networks())
def test_what_becomes_of_a_fault_is_what_is_written(network, situation):
    cells = WRITTEN[situation.table, situation.label]
    assert network in cells, "a network without its cells: python -m tests.faults"
    assert outcome(network, situation) == cells[network]


def test_every_network_and_every_fault_has_its_cell():
    assert set(WRITTEN) == {(one.table, one.label) for one in SITUATIONS}
    assert all(sorted(cells) == networks() for cells in WRITTEN.values())


def test_the_document_says_what_happens_next():
    found = {(network, *key): said for key, cells in WRITTEN.items() for network, said in cells.items()}
    assert DOCUMENT.read_text() == document(found)
