"""Clusters: mentions whose texts are the same but for trifles, whichever topic found them. Each of them stays stored
and counted; lists show them as one line."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

KEPT = timedelta(days=60)
"""What nobody repeated for so long is not looked for any more; the cluster itself stays."""


class Cluster(models.Model):
    """`words`: those of its first text, which others are compared with."""

    words = models.TextField(blank=True)
    newest_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["newest_at"], name="clusters_by_time")]

    def __str__(self) -> str:
        return f"cluster {self.pk}"


class ClusterKey(models.Model):
    """One of the numbers by which texts like those of a cluster are found."""

    key = models.BigIntegerField()
    cluster = models.ForeignKey(Cluster, models.CASCADE, related_name="keys")

    class Meta:
        indexes = [models.Index(fields=["key"], name="cluster_keys")]

    def __str__(self) -> str:
        return f"key of cluster {self.cluster_id}"


def forget(now: datetime) -> None:
    """The keys of old clusters, and clusters of which no mention is left."""
    ClusterKey.objects.filter(cluster__newest_at__lt=now - KEPT).delete()
    Cluster.objects.filter(newest_at__lt=now - timedelta(days=1), found=None).delete()
