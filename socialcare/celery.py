"""Celery only rings: every task takes at most an id, finds due rows itself and does nothing when nothing is due."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")

from django.conf import settings

app = Celery("socialcare")
app.set_default()  # for every thread: the one that rings has no task of its own
app.conf.update(
    broker_url=settings.REDIS_URL.replace("unix://", "redis+socket://"),
    broker_transport_options={
        "visibility_timeout": 120,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_max_memory_per_child=400_000,
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_soft_time_limit=60,
    task_time_limit=90,
    accept_content=["json"],
    beat_schedule={
        "ring for due channels": {"task": "connectors.tasks.listen_due", "schedule": 2.0, "options": {"expires": 10}},
        "ring for due replies": {"task": "connectors.tasks.send_due", "schedule": 1.0, "options": {"expires": 10}},
        "ring for due acts": {"task": "connectors.tasks.act_due", "schedule": 2.0, "options": {"expires": 10}},
        "compare topics": {"task": "connectors.tasks.compare_topics", "schedule": 5.0, "options": {"expires": 10}},
        "take up words": {"task": "inbox.tasks.index_text", "schedule": 5.0, "options": {"expires": 10}},
        "wake what was snoozed": {"task": "inbox.tasks.wake_due", "schedule": 15.0, "options": {"expires": 30}},
    },
)
app.autodiscover_tasks(["connectors", "inbox"])


@worker_process_init.connect
def keep_what_is_loaded(**_: Any) -> None:
    """A page of posts makes many objects; collecting among them need not look at the code and the settings too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
