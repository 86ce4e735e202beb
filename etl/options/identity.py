"""Which options say what a job is: those of the source and of the record, not those of the run.

A job's record holds a digest of them, and only the same may be resumed.
"""

from __future__ import annotations

import dataclasses

from etl.options.declare import as_given
from etl.options.record import RecordOptions
from etl.options.source import SourceOptions
from etl.options.verbs import LoadOptions

IN_EVERY_DIGEST = (
    "format",
    "as_",
    "key",
    "value",
    "pack",
    "score",
    "command",
    "include",
    "exclude",
    "rename",
    "flatten",
    "omit_empty",
    "vectors",
    "fields",
    "no_header",
    "delimiter",
    "quote",
    "sql",
    "database",
    "if_exists",
    "strip",
    "max_record",
    "ttl",
    "expire_at",
)
"""The options of the release whose records can still be resumed, in the order in which its digests have them.

An option that has come since then belongs to the digest where it is given: so a new one changes no job.
"""


def job_identity(options: LoadOptions) -> list[str]:
    """Return ``NAME=VALUE`` for each option that says what a job is, as a command line has the value."""
    fields = {
        field.name: field for kind in (SourceOptions, RecordOptions) for field in dataclasses.fields(kind)
    }
    newer = sorted(
        name
        for name in fields.keys() - set(IN_EVERY_DIGEST)
        if getattr(options, name) != fields[name].default
    )
    return [
        f"{name}={as_given(fields[name], getattr(options, name))!r}" for name in (*IN_EVERY_DIGEST, *newer)
    ]
