"""The verb ``verify``: reads the sources again and compares with what Redis holds."""

from __future__ import annotations

from typing import Any

from etl.encode.check import checker
from etl.options import VerifyOptions, merged
from etl.plan import Source
from etl.report import Report
from etl.verbs.prepare import Encoders, carry_out
from etl.verbs.shape import shape_of


def verify(*sources: Any, options: VerifyOptions | None = None, **changes: Any) -> Report:
    """Compare what Redis holds with the sources, with the options that they were loaded with.

    Gives a Report with the counts ``equal``, ``missing`` and ``different`` and a few examples; its
    ``exit_code`` is 1 when any record is missing or different. Keys that no record has are not looked at,
    nor are expiries. Raises EtlError as ``load`` does.
    """
    chosen = merged(VerifyOptions, options, changes)
    return carry_out("verify", sources, chosen, lambda source: _encoders(source, chosen)).report_or_raise()


def _encoders(source: Source, options: VerifyOptions) -> Encoders:
    check = checker(shape_of(options, source))
    return Encoders(check, check)
