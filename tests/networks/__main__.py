"""Brings the real servers and tools that networks are tried against into .tools (`make test-networks`). Each folder
here that holds a package.json or a debian.txt is one of them; what cannot be had here is said, and its tests are
skipped."""

import filecmp
import shutil
import subprocess
from pathlib import Path

HERE, TOOLS = Path(__file__).parent, Path(__file__).parents[2] / ".tools"
PATIENCE = 600  # seconds for one of them


def bring(folder):
    """Why it is not there; "" when it is."""
    ways = {"package-lock.json": from_npm, "debian.txt": from_debian}
    marker = next(name for name in ways if (folder / name).is_file())
    place = TOOLS / folder.name
    brought = place / ".brought"
    if brought.is_file() and filecmp.cmp(folder / marker, brought, shallow=False):
        return ""
    trouble = ways[marker](folder, place)
    if not trouble:
        shutil.copy(folder / marker, brought)
    return trouble


def from_debian(folder, place):
    """Packages are unpacked beside each other and not installed, so that nothing of the machine changes."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return "it is brought from Debian's packages, and this is no Debian."
    shutil.rmtree(place, ignore_errors=True)
    (place / "root").mkdir(parents=True)
    try:
        command = ["apt-get", "download", *(folder / "debian.txt").read_text().split()]
        subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=PATIENCE, check=True)
        for package in place.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, place / "root"], timeout=PATIENCE, check=True)
            package.unlink()
    except subprocess.TimeoutExpired:
        return f"the packages did not come within {PATIENCE} seconds."
    except subprocess.CalledProcessError as error:
        return f"{(error.stderr or 'dpkg failed.').strip().splitlines()[-1]} (After apt-get update it may work.)"
    return ""


def from_npm(folder, place):
    marker = "package-lock.json"
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
    return ""


def main():
    for folder in sorted({each.parent for name in ("package.json", "debian.txt") for each in HERE.glob(f"*/{name}")}):
        trouble = bring(folder)
        print(f"{folder.name}: {f'not here: {trouble}' if trouble else 'here'}", flush=True)


if __name__ == "__main__":
    main()
