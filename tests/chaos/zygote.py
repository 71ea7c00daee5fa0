"""Imports the application once and forks its roles on request, so that a killed process is back in a tenth of a
second. Reads lines of JSON (role, environment), prints the process id of each child; a child leads a group of its
own."""

import json
import os
import signal
import sys
from contextlib import suppress


def become(role, folder):
    if role == "web":
        import uvicorn

        from socialcare.asgi import build

        uvicorn.run(build(), uds=f"{folder}/web.sock", lifespan="off", access_log=False, ws="inbox.line:Line")
    elif role == "worker":
        from socialcare.celery import app

        app.worker_main(["worker", "-c", "2", "-l", "WARNING", "--without-mingle", "--without-gossip"])
    elif role == "beat":
        from socialcare.celery import app

        app.start(["beat", "-l", "WARNING", "-s", f"{folder}/schedule", "--pidfile="])
    else:
        from django.core.management import call_command

        call_command("sweep", interval=float(os.environ["SWEEP_INTERVAL"]), late=float(os.environ["SWEEP_LATE"]))


def main(folder):
    import django

    django.setup()
    import connectors.listening
    import connectors.sending
    import connectors.tasks  # noqa: F401
    import socialcare.asgi  # noqa: F401
    from connectors.base import Connector
    from inbox import failpoints

    Connector.kinds()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children; the kernel takes them away
    print("ready", flush=True)
    children = []
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid:
            children.append(pid)
            print(pid, flush=True)
            continue
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(order["environment"])
        failpoints.arm()
        try:
            become(order["role"], folder)
        finally:
            os._exit(0)
    for pid in children:  # whoever ordered them has gone
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
