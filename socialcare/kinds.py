"""The only plug-in mechanism: a kind (network, condition, action, happening…) is one class, found by scanning one
place."""

import pkgutil
from importlib import import_module
from typing import Any, ClassVar, Self


class Kind:
    """Base of every family. `class Connector(Kind, scan="connectors.networks")` opens a family whose members live in
    that module or package; a subclass that states its own `name` is a member of it."""

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    _members: ClassVar[dict[str, type[Any]]]
    _place: ClassVar[str]
    _scanned: ClassVar[set[str]] = set()

    def __init_subclass__(cls, *, scan: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if scan:
            cls._members, cls._place = {}, scan
        elif "name" in vars(cls):
            twin = cls._members.setdefault(cls.name, cls)
            # A dataclass with slots makes its class a second time: the same place in the code may replace itself.
            if (twin.__module__, twin.__name__) != (cls.__module__, cls.__name__):
                raise TypeError(f"{cls.__qualname__} and {twin.__qualname__} both call themselves {cls.name!r}")
            cls._members[cls.name] = cls

    @classmethod
    def kinds(cls) -> dict[str, type[Self]]:
        """Every member of this family by name, in order of name."""
        if cls._place not in Kind._scanned:
            scan(cls._place)
            Kind._scanned.add(cls._place)
        return dict(sorted(cls._members.items()))

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """The member called `name`; KeyError when there is none."""
        return cls.kinds()[name]


def scan(place: str) -> None:
    """Import a module, and each module below it when it is a package."""
    module = import_module(place)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        import_module(f"{place}.{found.name}")
