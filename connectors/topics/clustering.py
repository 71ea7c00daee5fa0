"""Putting what topics found into clusters, a piece at a time and by one worker: a flood of copies costs a few
statements a piece, and polls wait for none of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from connectors.models import Cluster, ClusterKey, TopicMention
from connectors.topics.alike import alike, keys_of, words_of
from connectors.topics.clusters import KEPT
from inbox.models.arrays import array

PIECE = 200
LOOKED_AT = 20  # clusters that share a key with a text, the newest of them
LOCK = 0x746F7069  # of the worker
_FIND = """
    SELECT k.key, c.id, c.words, c.newest_at
      FROM unnest(%s::bigint[]) AS k(key),
           LATERAL (SELECT c.id, c.words, c.newest_at
                      FROM connectors_clusterkey i JOIN connectors_cluster c ON c.id = i.cluster_id
                     WHERE i.key = k.key ORDER BY c.id DESC LIMIT %s) c"""
_JOIN = """
    UPDATE connectors_topicmention f SET cluster_id = j.cluster
      FROM (SELECT w.id, u.cluster
              FROM unnest(%s::bigint[], %s::bigint[]) AS u(mention, cluster)
              JOIN connectors_topicmention w ON w.mention_id = u.mention AND w.cluster_id IS NULL
             ORDER BY w.topic_id, w.mention_id FOR NO KEY UPDATE OF w) j
     WHERE f.id = j.id"""
_NEWER = """
    UPDATE connectors_cluster c SET newest_at = greatest(c.newest_at, n.at)
      FROM (SELECT id, max(at) AS at FROM unnest(%s::bigint[], %s::timestamptz[]) AS u(id, at) GROUP BY id) n
     WHERE c.id = n.id AND c.newest_at < n.at"""


def cluster_due(seconds: float = 10.0) -> int:
    """Works pieces off until none is left or the time is over; how many pieces."""
    ends, done = time.monotonic() + seconds, 0
    while time.monotonic() < ends and cluster_piece():
        done += 1
    return done


@transaction.atomic
def cluster_piece() -> bool:
    """The oldest mentions that stand in no cluster yet; False when there are none, or another worker is at them. When
    it dies, nothing of the piece is kept and it comes again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
        if not cursor.fetchone()[0]:
            return False
    waiting = TopicMention.objects.filter(cluster=None).order_by("mention").values("mention").distinct()[:PIECE]
    columns = ("mention", "mention__text", "mention__posted_at", "cluster")
    found = TopicMention.objects.filter(mention__in=[row["mention"] for row in waiting]).values_list(*columns)
    texts = {pk: (text, posted_at) for pk, text, posted_at, _ in found}
    if not texts:
        return False
    known = {pk: cluster for pk, _, _, cluster in found if cluster}  # another topic found it before
    _join(texts, known | _placed({pk: both for pk, both in texts.items() if pk not in known}))
    return True


def _placed(texts: Mapping[int, tuple[str, datetime]]) -> dict[int, int]:
    """The cluster of each mention, new ones made."""
    words = {pk: words_of(text) for pk, (text, _) in texts.items()}
    keys = {pk: keys_of(words[pk]) for pk in texts}
    by_key = _clusters_of({key for each in keys.values() for key in each})
    placed: dict[int, Cluster] = {}
    made: list[tuple[Cluster, list[int]]] = []
    for pk, (_, posted_at) in sorted(texts.items(), key=lambda item: item[1][1]):
        cluster = _fitting(words[pk], keys[pk], posted_at, by_key)
        if cluster is None:
            cluster = Cluster(words=" ".join(words[pk]), newest_at=posted_at)
            made.append((cluster, keys[pk]))
            for key in keys[pk]:
                by_key[key].append(cluster)
        cluster.newest_at = max(cluster.newest_at, posted_at)
        placed[pk] = cluster
    Cluster.objects.bulk_create([cluster for cluster, _ in made])
    ClusterKey.objects.bulk_create(ClusterKey(key=key, cluster=cluster) for cluster, each in made for key in each)
    return {pk: cluster.pk for pk, cluster in placed.items()}


def _clusters_of(keys: Iterable[int]) -> dict[int, list[Cluster]]:
    """The newest clusters that have one of the keys; one statement."""
    found: dict[int, list[Cluster]] = defaultdict(list)
    held: dict[int, Cluster] = {}
    with connection.cursor() as cursor:
        cursor.execute(_FIND, (array(sorted(keys)), LOOKED_AT))
        for key, pk, words, newest_at in cursor.fetchall():
            found[key].append(held.setdefault(pk, Cluster(pk=pk, words=words, newest_at=newest_at)))
    return found


def _fitting(
    words: Sequence[str], keys: Sequence[int], posted_at: datetime, by_key: Mapping[int, list[Cluster]]
) -> Cluster | None:
    tried: set[int] = set()
    for cluster in (each for key in keys for each in by_key.get(key, ())):
        if id(cluster) in tried:
            continue
        tried.add(id(cluster))
        if abs(posted_at - cluster.newest_at) < KEPT and alike(words, cluster.words.split()):
            return cluster
    return None


def _join(texts: Mapping[int, tuple[str, datetime]], placed: Mapping[int, int]) -> None:
    rows: list[tuple[Any, ...]] = [(pk, cluster, texts[pk][1]) for pk, cluster in sorted(placed.items())]
    mentions, clusters, times = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_JOIN, (array(mentions), array(clusters)))
        cursor.execute(_NEWER, (array(clusters), array(times)))
