"""Socialcare: a self-hosted inbox for what customers say on social networks."""

import re
from pathlib import Path

_newest = re.search(r"^## (\d+\.\d+\.\d+)", (Path(__file__).parent.parent / "CHANGELOG.md").read_text(), re.MULTILINE)
__version__ = _newest[1] if _newest else "0"
