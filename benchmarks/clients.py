"""Many at once: pgbench for plain SQL, forked processes for the product's own verbs."""

import multiprocessing
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from django.db import connection, connections

from benchmarks.measure import Take, Wrong, processor_seconds


def pgbench(script, clients, transactions, *, prepared=False, **variables):
    """Runs the script `transactions` times in all, over that many clients; `prepared` is planned once a connection."""
    settings = connection.settings_dict
    each = max(1, transactions // clients)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        argv = [Path(os.environ["BENCH_PG_BIN"], "pgbench"), "-n", "-f", file.name, "-c", str(clients), "-t", str(each)]
        argv += ["-M", "prepared"] if prepared else []
        argv += ["-j", str(min(clients, 2)), *(f"-D{name}={value}" for name, value in variables.items())]
        place = {"PGHOST": settings["HOST"], "PGUSER": settings["USER"], "PGDATABASE": settings["NAME"]}
        done = subprocess.run(argv, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not found:
        raise Wrong(f"pgbench: {done.stderr.strip()[-300:]}")
    items = each * clients
    return Take(items, wall=items / float(found[1]))


def together(work, arguments, ready=None):
    """Calls `work(argument)` for each argument in a process of its own, all beginning at once; (results, Take of the
    time from the first begin to the last end). The items are the sum of what `len` says of the results. `ready` is
    called before with the argument, for what a process that has worked for a while has behind it."""
    connections.close_all()
    warm()
    fork = multiprocessing.get_context("fork")
    barrier, answers = fork.Barrier(len(arguments) + 1), fork.SimpleQueue()
    workers = [
        fork.Process(target=_one, args=(work, ready, place, one, barrier, answers))
        for place, one in enumerate(arguments)
    ]
    for worker in workers:
        worker.start()
    barrier.wait(60)
    started = time.perf_counter()
    found = [answers.get() for _ in workers]  # in the order in which they end
    wall = time.perf_counter() - started
    for worker in workers:
        worker.join()
    if troubles := [trouble for _, _, trouble, _ in found if trouble]:
        raise Wrong(troubles[0])
    results = [result for result, _, _, _ in sorted(found, key=lambda one: one[3])]
    return results, Take(sum(map(len, results)), wall, sum(cpu for _, cpu, _, _ in found))


def warm():
    """What a process of the product has loaded long ago, and every fork would load again."""
    import celery.app.amqp  # noqa: F401
    import channels_redis.pubsub  # noqa: F401
    from channels.layers import get_channel_layer

    from socialcare.celery import keep_what_is_loaded

    get_channel_layer()
    keep_what_is_loaded()


def _one(work, ready, place, argument, barrier, answers):
    trouble, result, cpu = "", [], 0.0
    try:
        connection.ensure_connection()
        backend = connection.connection.info.backend_pid
        if ready:
            ready(argument)
        barrier.wait(60)
        before = time.process_time() + processor_seconds(backend)
        result = work(argument)
        cpu = time.process_time() + processor_seconds(backend) - before
    except Exception as error:  # noqa: BLE001  told to the process that waits
        trouble = f"{type(error).__name__}: {error}"
    answers.put((result, cpu, trouble, place))
    os._exit(0)  # without waiting for threads of the product that wait for rings
