"""How many people may have seen a post, from its author's followers: an estimate by a vendor's published factors, 15 %
of small audiences down to 6 % of very large ones."""

from __future__ import annotations

SMALL, LARGE = 100_000, 10_000_000
ESTIMATE = """
    CASE WHEN {0} < 100000 THEN {0} * 0.15
         WHEN {0} > 10000000 THEN {0} * 0.06
         ELSE {0} * (0.15 - 0.09 * ({0} - 100000) / 9900000.0) END"""
"""The same in SQL, of a column."""


def estimate(followers: int) -> float:
    """E = f · v(f)."""
    if followers < SMALL:
        return followers * 0.15
    if followers > LARGE:
        return followers * 0.06
    return followers * (0.15 - 0.09 * (followers - SMALL) / (LARGE - SMALL))
