"""How posts stand that a network is asked for by their numbers, where one that is gone or kept from us may spoil the
answer for all that were asked for with it."""

from collections.abc import Callable, Sequence

from connectors.faults import OF_ONE, Gone
from connectors.posts import Post
from connectors.replies import Deleted, Withheld

ENOUGH = 12
"""Refusals before anything was told, after which the last one of all is to show whether anything will be: those that
are kept from us often stand together."""

type Standings = Sequence[Post | Deleted | Withheld]


def standing_of(
    ids: Sequence[str], at_once: int, ask: Callable[[list[str]], Standings]
) -> list[Post | Deleted | Withheld]:
    """Whichever is to blame for a refusal is looked for by halves and left out. Where nothing is told but refusals,
    that is a right that is missing for all."""
    standing: list[Post | Deleted | Withheld] = []
    parts = [list(ids[start : start + at_once]) for start in range(0, len(ids), at_once)][::-1]
    refused = 0
    while parts:
        part, half = parts.pop(), 0
        try:
            standing += ask(part)
        except OF_ONE as fault:
            half, refused = len(part) // 2, refused + 1
            if isinstance(fault, Gone) and not half:
                standing.append(Deleted(part[0]))
            elif not standing and (refused > ENOUGH or not (half or parts)):
                raise
            parts += [part[half:], part[:half]] if half else []
            if refused == ENOUGH and not standing:
                last = parts[0].pop()
                parts = [*filter(None, parts), [last]]
    return standing
