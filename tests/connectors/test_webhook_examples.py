"""The examples of docs/webhook.md, run as they stand and judged by our own receiver."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.base import Accepted, Incoming, Secrets
from connectors.networks.webhook import Webhook
from tests.fakes.server import FakeServer, Reply

SECRET = "a secret of both"
TEXT = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text()
RUN = {"python": [sys.executable, "-c"], "javascript": ["node", "-e"], "sh": ["sh", "-c"]}
NEEDS = {"python": [], "javascript": ["node"], "sh": ["curl", "openssl"]}


@pytest.mark.parametrize("language", RUN)
def test_the_example_is_accepted_and_a_changed_one_is_not(language):
    if missing := [program for program in NEEDS[language] if shutil.which(program) is None]:
        pytest.skip(f"{' and '.join(missing)} not on this machine")
    arrived = []

    def answer(asked):
        arrived.append(asked)
        return Reply(202, {"accepted": 1, "bad": []})

    server = FakeServer(answer)
    try:
        example = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]
        env = {**os.environ, "CARE_URL": f"{server.url}/hooks/path/", "CARE_SECRET": SECRET, "NO_PROXY": "*"}
        done = subprocess.run([*RUN[language], example], env=env, capture_output=True, text=True, timeout=30)
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    (asked,) = arrived
    headers = {name.lower(): value for name, value in asked.headers.items()}
    webhook = Webhook({"path": "path"}, Secrets({"secret": SECRET}), None)
    now = datetime.now(UTC)
    verdict = webhook.receive(Incoming("POST", headers, asked.body), now)
    assert isinstance(verdict, Accepted), verdict
    assert verdict.answer == {"accepted": 1, "bad": []}
    assert webhook.receive(Incoming("POST", headers, asked.body + b" "), now).status == 403
