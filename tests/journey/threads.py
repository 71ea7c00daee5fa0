"""Work that really happens at once."""

import threading

from django.db import connections

from tests.waiting import PATIENCE


def in_threads(*works):
    """Runs each in a thread of its own, all at once; what they returned or raised."""
    results, barrier = [None] * len(works), threading.Barrier(len(works))

    def run(place, work):
        barrier.wait()
        try:
            results[place] = work()
        except Exception as error:  # noqa: BLE001  what a thread raised is looked at by the test
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results
