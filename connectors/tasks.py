"""Celery's side of the journey: hints only. What is due is a row; `manage.py sweep` works off what nobody rang for."""

from celery import current_app, shared_task

from connectors import access, acting, enclosing, listening, picturing, removing, sending
from connectors.models import Channel
from connectors.topics import clustering, comparing, resorting
from inbox import ringing


@shared_task
def listen_due() -> None:
    """Rings for every channel that is due, each in a task of its own, so that a slow network delays nobody else."""
    for pk in Channel.objects.due().order_by("next_poll_at").values_list("pk", flat=True)[:200]:
        current_app.send_task("connectors.tasks.listen", (pk,), retry=False, expires=30)
    for pk in access.due().values_list("pk", flat=True)[:200]:
        current_app.send_task("connectors.tasks.renew", (pk,), retry=False, expires=30)


@shared_task
def listen(channel_id: int) -> None:
    listening.listen(channel_id)


@shared_task
def renew(channel_id: int) -> None:
    access.renew_ahead(channel_id)


@shared_task
def send_due() -> None:
    sending.send_due()


@shared_task
def act_due() -> None:
    acting.act_due()


@shared_task
def fetch_pictures() -> None:
    picturing.fetch_due()


@shared_task
def fetch_enclosures() -> None:
    enclosing.fetch_due()


@shared_task
def remove_channels() -> None:
    if removing.remove_due():
        ringing.task(removing.TASK)


@shared_task
def compare_topics() -> None:
    comparing.compare_due()
    resorting.sort_due()
    clustering.cluster_due()
