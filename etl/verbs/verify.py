"""The verb ``verify``: reads the sources again and compares with what Redis holds."""

from __future__ import annotations

import os
from typing import Any

from etl.encode.mget import MgetVerifier
from etl.options import VerifyOptions, merged
from etl.plan import Encoder, Source
from etl.report import Report
from etl.source.lines import LINE
from etl.template import Field, Template, parse_template
from etl.verbs.prepare import carry_out


def verify(*sources: str | os.PathLike[str], options: VerifyOptions | None = None, **changes: Any) -> Report:
    """Compare what Redis holds with the sources, with the options that they were loaded with.

    Gives a Report with the counts ``equal``, ``missing`` and ``different`` and a few examples; its
    ``exit_code`` is 1 when any record is missing or different. Keys that no record has are not looked at.
    Raises EtlError as ``load`` does.
    """
    chosen = merged(VerifyOptions, options, changes)
    return carry_out(
        "verify", [os.fspath(source) for source in sources], chosen, lambda source: _encoder(source, chosen)
    )


def _encoder(source: Source, options: VerifyOptions) -> Encoder:
    key = parse_template(options.key, option="--key")
    key.require(source.fields, option="--key")
    return MgetVerifier(key, Template((Field(LINE),)))
