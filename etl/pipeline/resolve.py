"""First step: what options and sources say, before any server is asked.

That is what a record becomes in Redis (``mapping``), and what has to be read of it (``projection``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from etl.limits import require_descriptors
from etl.options import LoadOptions
from etl.output.notice import choose_mode
from etl.pipeline.planned import Planned
from etl.pipeline.projection import projection_of
from etl.pipeline.work import Work
from etl.plan import Projection, Source
from etl.run.choose import worker_count
from etl.source.choose import choose_source


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source, what is done with its records, what is read of them, and how many workers do it.

    ``progress`` is how the run shows itself: ``bar``, ``log`` or ``none``. ``planned`` is the plan that it
    is of, if it was made earlier.
    """

    source: Source
    work: Work
    projection: Projection
    workers: int
    progress: str
    planned: Planned | None = None


def resolve(
    sources: Sequence[Any],
    options: LoadOptions,
    work_of: Callable[[Source], Work],
    planned: Planned | None = None,
) -> Resolved:
    """Return what a run is about; ``work_of`` says what the verb does with a source's records.

    Of a run that was ``planned``, the source is the plan's part. Raises UsageError, SourceError, LimitError
    where the system lets this process have too few files.
    """
    source = choose_source(sources, options)
    if planned is not None:
        source = planned.source(source)
    work = work_of(source)
    projection = projection_of(options, work.encoders.templates, source)
    workers = worker_count(options, source)
    require_descriptors(workers)
    return Resolved(source, work, projection, workers, choose_mode(options.progress), planned)
