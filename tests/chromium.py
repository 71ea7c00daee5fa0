"""The browser of the browser tests: finds one on this machine, or brings one (`python -m tests.chromium --bring`)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The first has no windows and none of what stands in them: a page in it costs a quarter of the time.
LIGHT = "chromium-headless-shell"
NAMES = (LIGHT, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = ("fonts-liberation", "fonts-noto-color-emoji")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable():
    """The path of a Chromium: CHROMIUM, then the PATH, then Playwright's own; None if there is none."""
    if named := os.environ.get("CHROMIUM"):
        return named if Path(named).is_file() else None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or _playwrights_own()


def _playwrights_own():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def _knows(package):
    """Whether Debian has it here; not all of its relatives do."""
    return subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0


def _ways_to_bring():
    """Commands one after another, as long as there is no browser; the light one is wanted beside a heavier one too."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        if _knows(LIGHT):
            yield [*install, LIGHT, *FONTS]
        if executable() is None:
            yield ["apt-get", "update", "-qq"]
            yield [*install, LIGHT if _knows(LIGHT) else "chromium", *FONTS]
    if executable() is None:
        yield [sys.executable, "-m", "playwright", "install", "chromium"]


def bring():
    """A browser's path, installing one if need be; None if no way worked."""
    if shutil.which(LIGHT) or os.environ.get("CHROMIUM"):
        return executable()
    for command in _ways_to_bring():
        print("Bringing a browser:", " ".join(command), flush=True)
        subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
    return executable()


def main():
    path = bring() if "--bring" in sys.argv else executable()
    if path is None:
        tried = f"CHROMIUM, {', '.join(NAMES)} on the PATH, Playwright's own"
        sys.exit(f"No browser was found ({tried}). Install Chromium, or leave the tests out by BROWSER_TESTS=0.")
    print(path)


if __name__ == "__main__":
    main()
