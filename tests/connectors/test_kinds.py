"""Kinds are found by scanning one place, and two of one name are refused."""

import sys
from dataclasses import dataclass

import pytest

from socialcare.kinds import Kind


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A family whose members live in a package of two modules."""
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text(
        "from socialcare.kinds import Kind\nclass Animal(Kind, scan='zoo'): pass\n"
    )
    for name in ("newt", "adder"):
        text = f"from zoo import Animal\nclass {name.title()}(Animal):\n    name = '{name}'\n"
        (tmp_path / "zoo" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import zoo

    yield zoo.Animal
    Kind._scanned.discard("zoo")
    for module in ("zoo", "zoo.newt", "zoo.adder"):
        sys.modules.pop(module, None)


def test_members_are_found_by_scanning_in_order_of_name(family):
    assert list(family.kinds()) == ["adder", "newt"]
    assert family.named("newt").__name__ == "Newt"
    with pytest.raises(KeyError):
        family.named("dodo")


def test_a_class_without_a_name_of_its_own_is_no_member(family):
    class Reptile(family):
        pass

    class Slow(Reptile):
        name = "slow"

    assert list(family.kinds()) == ["adder", "newt", "slow"]


def test_two_kinds_of_one_name_are_refused(family):
    family.kinds()
    with pytest.raises(TypeError, match="newt"):

        class Impostor(family):
            name = "newt"


def test_families_do_not_see_each_other(family):
    class Plant(Kind, scan="zoo"):
        pass

    assert Plant.kinds() == {}
    assert family.kinds()


def test_a_dataclass_with_slots_is_one_kind(family):
    @dataclass(slots=True)
    class Eel(family):
        name = "eel"
        length: int = 1

    assert family.named("eel") is Eel
