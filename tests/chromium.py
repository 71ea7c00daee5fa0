"""The browser of the browser tests: finds one on this machine, or brings one (`python -m tests.chromium --bring`)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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


def _ways_to_bring():
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        yield [*install, "chromium", "fonts-liberation", "fonts-noto-color-emoji"]
        yield ["apt-get", "update", "-qq"]
        yield [*install, "chromium", "fonts-liberation", "fonts-noto-color-emoji"]
    yield [sys.executable, "-m", "playwright", "install", "chromium"]


def bring():
    """A browser's path, installing one if need be; None if no way worked."""
    for command in _ways_to_bring():
        if found := executable():
            return found
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
