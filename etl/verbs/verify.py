"""The verb ``verify``: reads the sources again and compares with what Redis holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.options import VerifyOptions, merged, shows_options
from etl.report import COUNTED, Report

HELP = "read the sources again and compare with what Redis holds"
OPTIONS = VerifyOptions
COUNTS = COUNTED["verify"]


@shows_options(VerifyOptions)
def verify(*sources: Any, options: VerifyOptions | None = None, **changes: Any) -> Report:
    """Compare what Redis holds with the sources, with the options that they were loaded with.

    Returns a Report with the counts ``equal``, ``missing`` and ``different`` and a few examples; its
    ``exit_code`` is 1 when any record is missing or different. Keys that no record has are not looked at,
    nor are expiries. Raises EtlError as ``load`` does.
    """
    return run(merged(VerifyOptions, options, changes), sources)


def run(options: VerifyOptions, sources: Sequence[Any]) -> Report:
    """Return the report of a complete comparison, also where records differ. Raises EtlError."""
    from etl.pipeline.execute import carry_out
    from etl.pipeline.planned import planned
    from etl.pipeline.verifying import Verify

    options, sources, plan = planned(options, sources)
    report = carry_out(Verify(options), sources, options, plan).report_or_raise()
    return replace(report, differences=options.differences)
