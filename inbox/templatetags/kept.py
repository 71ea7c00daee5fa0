"""Parts of pages that are made once and kept as HTML. A kept part sees nothing but the values it is given, which are
its key with the language and the zone: there is no request and no reader in it whose things could reach another."""

from collections.abc import Hashable
from datetime import tzinfo
from functools import lru_cache
from typing import cast

from django import template
from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

PARTS = 1_000  # kept at most: about 5 MB, if most are whole menus


@register.simple_tag
def kept(part: str, **values: Hashable) -> SafeString:
    """`{% kept "parts/view.html" item=item %}`: an include that is made once for equal values. It holds no form's token
    and no time that goes on."""
    return _made_part(get_language(), timezone.get_current_timezone(), part, **values)


# By type as well: what is trusted and what is not may be equal.
@lru_cache(maxsize=PARTS, typed=True)
def _made_part(_language: str | None, _zone: tzinfo, part: str, /, **values: Hashable) -> SafeString:
    return cast(SafeString, get_template(part).render(values))


@register.simple_tag
def button(text: str, **options: Hashable) -> SafeString:
    """A button or a link that looks like one, as parts/button.html lists. A tag, so that nothing leaks in."""
    return _made_part(get_language(), timezone.get_current_timezone(), "parts/button.html", text=text, **options)
