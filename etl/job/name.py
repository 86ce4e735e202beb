"""The name of a job, where none is given, and the token of one run of it."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets

from etl.options import LoadOptions
from etl.plan import Source


def job_name(source: Source, target: str, options: LoadOptions) -> str:
    """Derive a job's name from what makes two runs the same job: sources, target and templates."""
    if options.job is not None:
        return options.job
    digest = hashlib.sha256()
    parts = (
        *source.names,
        target,
        options.key or "{#}",
        options.as_ or "",
        options.value or "",
        *options.command,
    )
    if options.pack is not None:
        parts += (str(options.pack),)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    stem = os.path.basename(source.names[0]).partition(".")[0] if source.names else ""
    clean = "".join(letter if letter.isalnum() else "-" for letter in stem)[:40] or "job"
    return f"{clean}-{digest.hexdigest()[:8]}"


def run_token() -> str:
    """Name this run, for people and among all others."""
    return f"{platform.node()} process {os.getpid()}/{secrets.token_hex(8)}"
