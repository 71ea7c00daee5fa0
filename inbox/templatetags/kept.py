"""Parts of pages that are made once and kept as HTML. A kept part sees nothing but the values it is given, which are
its key with the language and the zone: there is no request and no reader in it whose things could reach another."""

from collections.abc import Callable, Hashable
from datetime import tzinfo
from functools import cache, lru_cache
from typing import cast

from django import template
from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

SMALL, MENUS, PARTS = 1_000, 100, 250  # kept of one template at most
MOST = {"parts/button.html": SMALL, "parts/view.html": SMALL, "parts/views_pane.html#groups": MENUS}
"""A menu has a line for each team and is another one with each count: of a hundred teams, about 60 kB with its key."""


@register.simple_tag
def kept(part: str, **values: Hashable) -> SafeString:
    """`{% kept "parts/view.html" item=item %}`: an include that is made once for equal values. It holds no form's token
    and no time that goes on."""
    return _made_part(part)(get_language(), timezone.get_current_timezone(), **values)


@cache
def _made_part(part: str) -> Callable[..., SafeString]:
    """With a store of its own, so that what there is much of pushes out nothing else."""

    # By type as well: what is trusted and what is not may be equal.
    @lru_cache(maxsize=MOST.get(part, PARTS), typed=True)
    def made(_language: str | None, _zone: tzinfo, /, **values: Hashable) -> SafeString:
        return cast(SafeString, get_template(part).render(values))

    return made


@register.simple_tag
def button(text: str, **options: Hashable) -> SafeString:
    """A button or a link that looks like one, as parts/button.html lists. A tag, so that nothing leaks in."""
    return kept("parts/button.html", text=text, **options)
