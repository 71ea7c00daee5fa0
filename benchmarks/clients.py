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
    each = max(1, transactions // clients)
    known = [f"-D{name}={value}" for name, value in variables.items()]
    options = ["-c", clients, "-t", each, "-j", min(clients, 2), *known]
    told = _pgbench([script], [*options, *(["-M", "prepared"] if prepared else [])])
    (speed,) = re.findall(r"tps = ([\d.]+)", told)
    items = each * clients
    return Take(items, wall=items / float(speed))


def alternately(scripts, transactions):
    """One client sends a statement of each script in turn by chance, that many in all: what is near in time meets the
    same machine. {name: Take of its share}"""
    told = _pgbench(scripts.values(), ["-c", 1, "-t", transactions])
    counts = re.findall(r"- (\d+) transactions \(", told)
    waits = re.findall(r"- latency average = ([\d.]+) ms", told)
    found = zip(scripts, map(int, counts), map(float, waits), strict=True)
    return {name: Take(items, wall=items * wait / 1000) for name, items, wait in found}


def _pgbench(scripts, options):
    settings = connection.settings_dict
    place = {"PGHOST": settings["HOST"], "PGUSER": settings["USER"], "PGDATABASE": settings["NAME"]}
    with tempfile.TemporaryDirectory() as folder:
        argv = [str(Path(os.environ["BENCH_PG_BIN"], "pgbench")), "-n", *map(str, options)]
        for number, script in enumerate(scripts):
            file = Path(folder, f"{number}.sql")
            file.write_text(script)
            argv += ["-f", str(file)]
        done = subprocess.run(argv, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"pgbench: {done.stderr.strip()[-300:]}")
    return done.stdout


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
