"""Static files as production serves them: the style sheets and the elements of every page joined into one file each
(named parts compress a third better together, and are two requests instead of forty), then hashed and compressed. In
development each file stays by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

LISTED = {"css/all.css": "templates/parts/styles.html", "js/all.js": "templates/parts/scripts.html"}
_SAID = re.compile(r"^[ \t]*//[^\n]*\n", re.MULTILINE)
_COMMENT, _ROOM = re.compile(r"/\*.*?\*/", re.DOTALL), re.compile(r"\s*\n\s*")
_EXPORT = re.compile(r"^export (?=function|class|const)", re.MULTILINE)


def names(bundle: str) -> list[str]:
    """The files of a bundle, as the template of the development page lists them."""
    folder, _, kind = bundle.partition("/all.")
    listed = (settings.BASE_DIR / LISTED[bundle]).read_text(encoding="utf-8")
    return re.findall(rf"{{% static '({folder}/(?!vendor/|all\.)[\w/-]+\.{kind})' %}}", listed)


def module(text: str) -> str:
    """An element's file as a block of its own, so that its names meet no other's; what only tests import is plain.
    Without lines that are comments and the room before each line: no text of ours goes over a line's end."""
    return f"{{{_ROOM.sub('\n', _EXPORT.sub('', _SAID.sub('', text))).strip()}\n}}\n"


def sheet(text: str) -> str:
    """A sheet without what stands there for its readers only: comments and the room before each line."""
    return _ROOM.sub("\n", _COMMENT.sub("", text)).strip()


def joined(bundle: str, folder: Path) -> str:
    """The bundle's text from the collected files. Relative addresses stand only in sheets beside the bundle."""
    texts = [(folder / name).read_text(encoding="utf-8") for name in names(bundle)]
    return "".join(map(module, texts)) if bundle.endswith(".js") else "\n".join(map(sheet, texts))


class Bundled(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        if not dry_run:
            for bundle in LISTED:
                self.delete(bundle)
                self._save(bundle, ContentFile(joined(bundle, Path(self.location))))
                paths[bundle] = (self, bundle)
        yield from super().post_process(paths, dry_run, **options)
