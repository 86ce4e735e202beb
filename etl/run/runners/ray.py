"""Shards on the machines of a Ray cluster: a task each, spread over the nodes (https://docs.ray.io).

The cluster is the one of ``$RAY_ADDRESS``, else one that runs on this machine; a script that has called
``ray.init`` itself goes on with that. Ray runs a task again whose worker process or node has died.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.errors import DiedError, EtlError, InternalError, InterruptedRunError, MissingExtraError, UsageError
from etl.options import RunOptions
from etl.run.engine import ShardEnd, ShardTask
from etl.run.runner import Runner
from etl.run.signals import SIGNALS

MAX_WORKERS = None
OPTIONS = ("shards", "shared_path")

REACH_S = 10.0
"""How long whoever listens at the cluster's address may take to answer."""

MAX_RETRIES = 20
"""How often Ray runs one shard again whose process or node has died."""


def suits(workers: int) -> bool:
    return False  # who wants other machines says so


def open(options: RunOptions, workers: int) -> Runner:
    raise UsageError(
        "--runner ray is for load; to verify on several machines, give --plan FILE and --shard I/N on each"
    )


def open_engine() -> RayEngine:
    """Connect to the cluster. Raises MissingExtraError, UsageError where there is none."""
    try:
        import ray
    except ImportError:
        raise MissingExtraError("--runner ray needs Ray: pip install 'redis-etl[ray]'") from None
    if ray.is_initialized():
        return RayEngine(ray)
    address = os.environ.get("RAY_ADDRESS") or "auto"
    try:
        _require_listener(address)
        with _handlers_kept():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        found = "RAY_ADDRESS is not set" if address == "auto" else f"RAY_ADDRESS={address}"
        raise UsageError(
            f"--runner ray: no Ray cluster answers ({found}): set RAY_ADDRESS, or start one with ray start"
            f" --head ({_first_line(error)})"
        ) from None
    connected = contextlib.ExitStack()
    connected.callback(_disconnect, ray)
    if sys.stderr is not None:  # Ray's threads say there what becomes of nodes: stdout is for the report
        connected.enter_context(contextlib.redirect_stdout(sys.stderr))
    return RayEngine(ray, connected)


def _require_listener(address: str) -> None:
    """Raise OSError where nobody listens at an address: Ray itself would try that for very long."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()


@dataclass(slots=True)
class RayEngine:
    """An Engine (``etl/run/engine.py``); ``connected`` ends with it."""

    ray: Any
    connected: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _function: Any = None
    _task: Any = None

    def capacity(self) -> int:
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def start(self, task: ShardTask, shard: int) -> Any:
        with self._answering():
            if self._function is None:
                self._task = self.ray.put(task)  # once, not with each shard
                self._function = self.ray.remote(
                    num_cpus=1, max_retries=MAX_RETRIES, retry_exceptions=False, scheduling_strategy="SPREAD"
                )(_call)
            return self._function.options(name=f"redis-etl shard {shard}").remote(self._task, shard)

    def wait(self, handles: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        ended: Sequence[Any]
        with self._answering():
            ended, _ = self.ray.wait(list(handles), num_returns=len(handles), timeout=0)
            if not ended:
                ended, _ = self.ray.wait(list(handles), num_returns=1, timeout=timeout_s)
        return ended

    def end_of(self, handle: Any) -> ShardEnd:
        errors = self.ray.exceptions
        try:
            end = self.ray.get(handle)
        except errors.TaskCancelledError:
            raise InterruptedRunError("a shard was cancelled before it had ended", signal.SIGTERM) from None
        except errors.RayTaskError as error:
            raise _failed(error) from None
        except errors.RayError as error:
            raise DiedError(f"a shard died {MAX_RETRIES + 1} times: {_first_line(error)}") from None
        assert isinstance(end, ShardEnd)
        return end

    def cancel(self, handle: Any) -> None:
        self.ray.cancel(handle, force=True)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except self.ray.exceptions.RayError as error:
            raise DiedError(f"the Ray cluster does not answer any more: {_first_line(error)}") from None

    def close(self) -> None:
        self._task = self._function = None
        self.connected.close()


def _disconnect(ray: Any) -> None:
    with _handlers_kept():
        ray.shutdown()


def _call(task: ShardTask, shard: int) -> ShardEnd:
    return task(shard)


def _failed(error: Exception) -> EtlError:
    """Return the error of a task that raised: a bug, but for a worker that lacks this package."""
    if isinstance(getattr(error, "cause", None), ImportError):
        return UsageError(
            f"--runner ray: a node of the cluster cannot import what it needs ({_first_line(error.cause)}):"  # type: ignore[attr-defined]
            " install redis-etl on every node, or name it in the job's runtime_env"
        )
    return InternalError(f"a shard failed with an internal error:\n{error}")


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put the handlers of the stop signals back, which Ray may replace by its own."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            with contextlib.suppress(ValueError):  # this is not the main thread
                signal.signal(number, handler)
