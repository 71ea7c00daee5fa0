"""Brings the real servers and tools that networks are tried against into .tools (`make test-networks`). Each folder
here that holds a package.json is one of them; what cannot be had here is said, and its tests are skipped."""

import filecmp
import shutil
import subprocess
from pathlib import Path

HERE, TOOLS = Path(__file__).parent, Path(__file__).parents[2] / ".tools"
PATIENCE = 600  # seconds for one of them


def bring(folder):
    """Why it is not there; "" when it is."""
    place, marker = TOOLS / folder.name, "package-lock.json"
    brought = place / ".brought"
    if brought.is_file() and filecmp.cmp(folder / marker, brought, shallow=False):
        return ""
    if not shutil.which("npm"):
        return "npm was not found; it comes with Node.js 20."
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", marker):
        shutil.copy(folder / name, place / name)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"npm did not end within {PATIENCE} seconds."
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["npm failed."])[-1]
    shutil.copy(folder / marker, brought)
    return ""


def main():
    for folder in sorted(each.parent for each in HERE.glob("*/package.json")):
        trouble = bring(folder)
        print(f"{folder.name}: {f'not here: {trouble}' if trouble else 'here'}", flush=True)


if __name__ == "__main__":
    main()
