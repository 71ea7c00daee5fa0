"""The figures there are: which module measures what, on which data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """`large` figures share the database with the large tables, those with `words` after search has taken it up; the
    others get an empty one each. `untimed` ones only count: they run beside each other and the filling of the tables.
    `patience` is how many seconds one may take before it counts as stuck."""

    ids: tuple[str, ...]
    says: str
    large: bool = False
    words: bool = False
    untimed: bool = False
    patience: int = 180
    environment: dict[str, str] = field(default_factory=dict)


FIGURES = {
    "rules": Figure(("BM-14", "BM-15"), "rules against testing all of them in order"),
    "bell": Figure(("BM-10",), "one bell to many screens"),
    "stalled": Figure(("BM-11",), "many screens and one that never reads"),
    "refresh": Figure(("BM-12",), "from a bell to rows on many screens"),
    "end_to_end": Figure(("BM-13",), "from a network's page to every screen"),
    "day": Figure(("BM-21",), "a day of posts, until all of them are found", patience=400),
    "memory": Figure(("BM-23",), "what the processes keep in memory", untimed=True, patience=600),
    "tasks": Figure(("BM-16",), "one task for all that is due"),
    "queue_page": Figure(("BM-04",), "pages of the queue in three orders", large=True),
    "queue_http": Figure(("BM-05",), "the page of the queue over HTTP", large=True),
    "search": Figure(
        ("BM-07", "BM-08"), "everything that was said, by its words", large=True, words=True, patience=600
    ),
    "growth": Figure(
        ("BM-22",), "every page on tables of other sizes", large=True, words=True, untimed=True, patience=600
    ),
    "exactly_once": Figure(("BM-03",), "every post once, whoever offers it", large=True),
    "ring": Figure(("BM-18",), "what ringing costs who rings", large=True),
    "verbs": Figure(("BM-06", "BM-09", "BM-17"), "counters, claims and streams", large=True, patience=400),
    "ingest": Figure(("BM-01",), "posts and who wrote them, without what follows from them", large=True),
    "journey": Figure(("BM-02",), "pages of posts from the network's hands to the queue", large=True),
}
