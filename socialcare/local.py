"""What a checkout gives itself and an installation gets from its environment: keys made once, addresses of the embedded
servers, the address of the page. Runs before Django reads its settings."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from socialcare import trial
from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground, Unavailable

CHECKOUT = Path(__file__).resolve().parent.parent
PUBLIC = "public.url"  # in the data folder
KEYS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(50),
    "SEAL_KEYS": lambda: f"{secrets.token_hex(4)}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}",
}


def data_folder() -> Path:
    return Path(os.environ.get("DATA_DIR") or CHECKOUT / "var").expanduser().resolve()


def is_given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def fill_environment(command: str) -> None:
    """Sets what is not given. Only `up` and `demo`, which is an `up` with a data folder of its own, make new keys;
    other commands find those of a checkout in which `up` has run, and fail loudly anywhere else."""
    if command == "demo":
        os.environ["DATA_DIR"] = os.environ.get("DATA_DIR") or str(CHECKOUT / "var" / "demo")
    folder = data_folder()
    if command in {"up", "demo"}:
        os.environ["DATA_DIR"] = str(folder)
        os.environ["ROLE"] = "migrate"  # of the supervising process itself, which migrates; its children get their own
        _make_keys(folder / "keys")
    elif command == "gate":
        _fill_for_checks()
    if not (folder / "keys").is_dir():  # which `up` leaves behind also where both keys are given
        return
    for name in KEYS:
        path = folder / "keys" / name.lower()
        if not is_given(name) and path.exists():
            os.environ[f"{name}_FILE"] = str(path)
    _set_addresses(folder, starting=command in {"up", "demo"})
    if command not in {"up", "demo"} and (url := trial.before(folder)):  # those two choose its place anew
        trial.tell(url)


def _fill_for_checks() -> None:
    """Values of the right shape for commands that only look at the code."""
    os.environ.update(SECRET_KEY="0123456789abcdef" * 4, SEAL_KEYS=KEYS["SEAL_KEYS"](), ROLE="migrate")
    os.environ.update(
        DATABASE_URL="postgresql:///nothing",
        REDIS_URL="unix:///nothing",
        PUBLIC_URL="http://127.0.0.1:8000",
        MAIL_URL="smtp://127.0.0.1",
    )


def _make_keys(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        folder.mkdir(exist_ok=True, mode=0o700)
        for name, make in KEYS.items():
            if not is_given(name) and not (folder / name.lower()).exists():
                write_secret(folder / name.lower(), make())
    except OSError as error:
        raise Unavailable(f"The data folder {folder.parent} cannot be used: {error.strerror or error}.") from error


def write_secret(path: Path, text: str) -> None:
    """A file only its owner reads; it is complete or not there."""
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def _set_addresses(folder: Path, *, starting: bool) -> None:
    if not (is_given("DATABASE_URL") and is_given("REDIS_URL")):
        ground = Ground(folder)
        for name, server in (("DATABASE_URL", Postgres(ground)), ("REDIS_URL", Redis(ground))):
            if not is_given(name):
                os.environ[name] = server.url
    if not is_given("PUBLIC_URL"):
        os.environ["PUBLIC_URL"] = (not starting and opened_at(folder)) or _own_address()


def _own_address() -> str:
    host, port = listening_at()
    return f"http://{'127.0.0.1' if host in {'0.0.0.0', '::', ''} else host}:{port}"  # noqa: S104


def opened_at(folder: Path) -> str:
    """Where the page was opened at the last start of `up`, for links that other commands print; "" before."""
    try:
        return (folder / PUBLIC).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def listening_at() -> tuple[str, int]:
    """HOST and PORT of the web process; loopback unless somebody asks for more."""
    host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Unavailable(f"PORT must be a number between 1 and 65535, not “{port}”.")
    return host, int(port)
