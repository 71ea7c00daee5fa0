"""Whether the web process answers: `python -m socialcare.alive` is the health check of the image."""

import http.client
import os
import sys
from urllib.parse import urlsplit


def web_answers(host: str, port: int, patience: float = 4) -> bool:
    """Asks as a browser at the public address would, because other names are refused."""
    public = urlsplit(os.environ.get("PUBLIC_URL", "")).netloc or f"{host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=patience)
    try:
        connection.request("GET", "/livez", headers={"Host": public})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not web_answers("127.0.0.1", int(os.environ.get("PORT") or "8000")))
