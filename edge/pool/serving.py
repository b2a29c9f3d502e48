"""The pool as a Ray Serve application. What reads, waits and answers is `replica` and `http`; here Ray is told of it.

Promises: a replica takes requests only after it has read its canary, and is replaced when it no longer does; Ray's own
queues stay empty, since a request that waits there is refused by nobody and takes no turns: a replica takes in more
than its own queue lets wait.

Only `edge pool` imports this module: it needs the extra `pool`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy, HTTPOptions
from ray.util import metrics
from starlette.requests import Request
from starlette.responses import Response

from edge.errors import ReaderError
from edge.pool.canary import Canary
from edge.pool.http import PoolApi
from edge.pool.replica import Replica
from edge.pool.scaling import AGE
from edge.pool.settings import PoolSettings, as_told
from edge.readers import opening

APPLICATION = "edge"
#: Beside the one that serves, while it shows what it can do.
CANDIDATE = "edge-candidate"
CANDIDATE_PREFIX = "/candidate"
#: Room for what is in work and on its way, beyond the questions that may wait.
_IN_WORK = 160
#: 20 GB of weights come from a slow disk at 100 MB/s, and shapes are recorded after that.
UP_S = 600.0
#: A reader that cannot read its canary will not at the third try either; the second is for a machine short of memory.
_TRIES = 2
#: Ray waits 30 s for its own processes, which is not enough on a machine that is busy starting others.
_STARTS = 3
#: Frames of some 300 kB pass through it; Ray would take 30 % of the machine's memory.
_STORE_BYTES = 512 * 2**20


class PoolReplica:
    """What Ray runs: one reader with its queue, canary and forms."""

    def __init__(self, told: dict[str, Any]) -> None:
        settings = PoolSettings.model_validate(told)
        asked, queue = settings.reader, settings.queue
        reader = opening.open_reader(
            asked.kind,
            threads=asked.threads,
            model=asked.model,
            device=asked.device,
            eight_bits=asked.eight_bits,
            warm=True,
        )
        self._replica = Replica(
            reader, max_batch=asked.max_batch, waiting=queue.max_waiting, of_station=queue.max_waiting_station
        )
        self._canary = Canary(self._replica, within_s=settings.health.within_s)
        name = serve.get_replica_context().replica_id.unique_id
        self._figures = Figures()
        self._api = PoolApi(self._replica, deadline_ms=queue.deadline_ms, name=name)

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        return await self._api.answer(request)

    async def check_health(self) -> None:
        """Read the canary.

        Raises:
            ReaderError: this replica is ill.
        """
        self._figures.tell(self._replica.facts())
        await asyncio.to_thread(self._canary.check)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What the number of replicas goes by."""
        return {AGE: float(self._replica.facts()["oldest_age_ms"])}


class Figures:
    """A replica's figures among Ray's own (port `ray start --metrics-export-port`), as old as its last health check."""

    def __init__(self) -> None:
        self._waiting = metrics.Gauge("edge_pool_waiting", "Questions that wait for the replica.")
        self._age = metrics.Gauge("edge_pool_oldest_age_seconds", "Age of the oldest question that waits.")
        self._answers = metrics.Gauge(
            "edge_pool_answers", "Questions so far: answered, failed, or refused by reason.", tag_keys=("answer",)
        )
        self._batches = metrics.Gauge("edge_pool_batches", "Batches so far, by size.", tag_keys=("questions",))

    def tell(self, facts: Mapping[str, Any]) -> None:
        """Set them by what a replica tells of itself."""
        self._waiting.set(facts["waiting"])
        self._age.set(facts[AGE] / 1000)
        for answer, count in facts["answers"].items():
            self._answers.set(count, tags={"answer": answer})
        for size, count in facts["batches"].items():
            self._batches.set(count, tags={"questions": size})


@dataclass(frozen=True, slots=True)
class Served:
    """Where an application answers."""

    url: str


def connect() -> bool:
    """Join the cluster that RAY_ADDRESS names, or start one on this machine; whether it is this process's own.

    Raises:
        ReaderError: there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a plant's servers report to nobody
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _init(f"at RAY_ADDRESS={address}", address=address)
        return False
    for left in reversed(range(_STARTS)):
        try:
            _init("on this machine", include_dashboard=False, object_store_memory=_STORE_BYTES)
            break
        except ReaderError:
            ray.shutdown()
            if not left:
                raise
    return True


def _init(where: str, **how: Any) -> None:
    try:
        ray.init(log_to_driver=False, logging_level="warning", **how)
    except Exception as error:  # Ray raises bare ones, too
        raise ReaderError(
            f"no Ray cluster {where} ({str(error)[:200]}): start one with ray start --head, or name one that runs"
        ) from error


def serve_as(settings: PoolSettings, *, candidate: bool = False) -> Served:
    """Serve by these settings, in place of what served before: old replicas go when new ones have read their canary.

    Raises:
        ReaderError: the new replicas did not come up.
    """
    serve.start(http_options=HTTPOptions(host=settings.listen.host, port=settings.listen.port, request_timeout_s=65))
    name, prefix = (CANDIDATE, CANDIDATE_PREFIX) if candidate else (APPLICATION, "/")
    application = _deployment(settings, alone=candidate).bind(as_told(settings))
    coming = ThreadPoolExecutor(1).submit(serve.run, application, name=name, route_prefix=prefix)
    try:
        coming.result(UP_S)
    except (RuntimeError, TimeoutError) as error:
        said = _last_line(str(error)) or f"not within {UP_S:.0f} s; has the cluster room for it?"
        raise ReaderError(
            f"no replica of reader {settings.reader.kind} came up: {said}; "
            "`serve status` and the replicas' logs below /tmp/ray/session_latest/logs/serve say more"
        ) from error
    return Served(url_of(settings) + prefix.rstrip("/"))


def url_of(settings: PoolSettings) -> str:
    """Where the pool of these settings answers on this machine."""
    host = "127.0.0.1" if settings.listen.host in {"0.0.0.0", "::"} else settings.listen.host  # noqa: S104 - asked for
    return f"http://{host}:{settings.listen.port}"


def runs() -> bool:
    """Whether the pool serves in this cluster."""
    return APPLICATION in serve.status().applications


def withdraw(*, candidate: bool = False) -> None:
    """Serve no longer."""
    serve.delete(CANDIDATE if candidate else APPLICATION)


def leave() -> None:
    """Leave the cluster; one that this process started ends."""
    ray.shutdown()


def _deployment(settings: PoolSettings, *, alone: bool) -> Any:
    replicas, health = settings.replicas, settings.health
    options: dict[str, Any] = {"num_replicas": 1}
    if not alone and replicas.most > replicas.least:
        options = {
            "autoscaling_config": AutoscalingConfig(
                min_replicas=replicas.least,
                max_replicas=replicas.most,
                upscale_delay_s=replicas.up_after_s,
                downscale_delay_s=replicas.down_after_s,
                policy=AutoscalingPolicy(
                    policy_function="edge.pool.scaling:QueueAge", policy_kwargs={"aim_ms": replicas.queue_age_ms}
                ),
            )
        }
    elif not alone:
        options = {"num_replicas": replicas.least}
    return serve.deployment(
        name="reader",
        max_ongoing_requests=settings.queue.max_waiting + _IN_WORK,
        max_constructor_retry_count=_TRIES,
        health_check_period_s=health.every_s,
        health_check_timeout_s=health.within_s,
        ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
        **options,
    )(PoolReplica)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("edge.errors.")]
    return (named or lines or [""])[-1].removeprefix("edge.errors.")[:400]
