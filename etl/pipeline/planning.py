"""Making a plan that shards run elsewhere: all that a load does before it writes anything."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from etl.errors import UsageError
from etl.options import REPLICATION, LoadOptions
from etl.pipeline.claim import job_spec
from etl.pipeline.connect import Connected, connect
from etl.pipeline.loading import Load
from etl.pipeline.plan_file import PlanFile
from etl.pipeline.planned import kept_options
from etl.pipeline.preflight import preflight
from etl.pipeline.resolve import Resolved, resolve
from etl.pipeline.work import Work
from etl.plan import Source, StopFlag, block_size
from etl.run.sizing import UNKNOWN_SIZE
from etl.sink.shared_url import without_password
from etl.source.storage.find import STDIN, local_path
from etl.source.storage.uri import is_remote, parse_uri

SHARDS_WORTH = 64
"""A plan is cut so that so many workers have something to do, even if the input is small."""

_LOOPBACK = re.compile(r"^(unix:|rediss?://(localhost|127\.|\[::1\]))")


@dataclass(frozen=True, slots=True)
class Planning:
    """A plan, and what people are told of it."""

    plan: PlanFile
    source: Source
    notices: tuple[str, ...]


def make_plan_file(
    sources: Sequence[Any], options: LoadOptions, stop: StopFlag, *, shared: bool, to_file: bool = True
) -> Planning:
    """Return the plan of a load; the target is asked whether it can take it, and nothing is written.

    ``shared``: paths of this machine are those of every other. With ``to_file``, what only this machine can
    read or reach is refused. Raises UsageError, SourceError, TargetError.
    """
    if to_file:
        sources = [_shareable(source, shared=shared) for source in sources]
        _require_elsewhere(options)
    if options.wire == REPLICATION:
        raise UsageError("a plan is for shards, and --wire replication sends all from one machine")
    load = Load(options)
    resolved = resolve(sources, options, lambda source: _without_probe(load.work(source)))
    if to_file and resolved.source.fingerprint is None:
        raise UsageError(
            "a plan needs sources that a shard can tell from changed ones: files, or objects of a store that"
            " tells their versions; what comes from a pipe, a query or this server cannot be told"
        )
    with ExitStack() as entered:
        connected = entered.enter_context(connect(options, stop))
        checked = preflight(resolved, connected, options, stop)
        plan = _plan(sources, options, resolved, connected, checked.job.name)
    return Planning(plan, resolved.source, tuple(_notices(options, plan)))


def _plan(
    sources: Sequence[Any], options: LoadOptions, resolved: Resolved, connected: Connected, job: str
) -> PlanFile:
    source = resolved.source
    size = block_size(UNKNOWN_SIZE if source.nbytes is None else source.nbytes, SHARDS_WORTH)
    return PlanFile(
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        job=job,
        to=without_password(options.url()),
        target=connected.target.name,
        sources=tuple(map(str, sources)),
        options=kept_options(options),
        fingerprint=source.fingerprint or "",
        template=job_spec(source, resolved.work.mapping, options).template,
        nbytes=source.nbytes,
        block_bytes=size,
        blocks=None if source.streamed else tuple(source.blocks(size)),
    )


def _without_probe(work: Work) -> Work:
    """Return the work without the try whether the server takes RESTORE, which writes a key for a moment."""
    return replace(work, by_restore=(), must_restore=False)


def _shareable(source: Any, *, shared: bool) -> str:
    """Return a source as it is named wherever a shard runs. Raises UsageError where it is here only."""
    if not isinstance(source, str | os.PathLike):
        raise UsageError(f"a {type(source).__name__} is in this process only: shards need files or URIs")
    text = os.fsdecode(source)
    if text == STDIN:
        raise UsageError("standard input is in this process only: shards need files or URIs")
    if is_remote(text):
        uri = parse_uri(text)
        if uri.has_secret:
            raise UsageError(
                f"{uri}: its URI has credentials in it, and a plan keeps no secret: leave them to the"
                " environment in which the shards run"
            )
        return text
    if not shared:
        raise UsageError(
            f"{local_path(text)} is a path of this machine: give --shared-path if it leads to the same file"
            " wherever a shard runs (NFS, Lustre, one machine), or a URI (s3://, gs://, https://)"
        )
    return os.path.abspath(local_path(text))


def _require_elsewhere(options: LoadOptions) -> None:
    """Refuse what is of this machine, or of one run. Raises UsageError."""
    if options.sql is not None:
        raise UsageError("--sql runs in one process: its rows have no order that shards could go by")
    if options.url().startswith("embedded:"):
        raise UsageError("an embedded server is this machine's alone: shards need --to redis://HOST:PORT/DB")


def _notices(options: LoadOptions, plan: PlanFile) -> list[str]:
    notices = []
    if without_password(options.url()) != options.url():
        notices.append(
            "the password is not in the plan: give it where shards run, by $REDISCLI_AUTH, --password-file or"
            " $REDIS_URL"
        )
    if _LOOPBACK.match(plan.to):
        notices.append(f"{plan.target} is another server on each machine")
    if plan.blocks is None:
        notices.append(
            "these sources are read from one end to the other (remote or compressed): each shard reads all of"
            " them, and loads its own part"
        )
    return notices
