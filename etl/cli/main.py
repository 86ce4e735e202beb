"""The command line: argv in, text or JSON out, exit code."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl.cli.arguments import parse
from etl.cli.output import complain, print_report, without_secret
from etl.cli.parser import VERBS
from etl.errors import EtlError, InternalError
from etl.limits import limit_reached, require_descriptors
from etl.options import from_namespace

if TYPE_CHECKING:
    from etl.report import Report


def main(argv: Sequence[str]) -> int:
    """Carry out a command line; return the exit code. Only a bug of this program shows a traceback."""
    try:
        arguments = parse(argv)
    except SystemExit as end:  # argparse has printed what is wrong, or the help that was asked for
        return end.code if isinstance(end.code, int) else 2
    except EtlError as error:  # a verb of another distribution cannot be imported
        complain(str(error))
        return error.exit_code
    try:
        report = _carry_out(arguments)
    except EtlError as error:
        return _fail(error, arguments)
    except KeyboardInterrupt:  # before the run's own handlers were set
        return _fail(EtlError("stopped by SIGINT"), arguments, 130)
    except Exception as error:  # noqa: BLE001 - the process ends here, and a bug must show itself
        limit = limit_reached(error) if isinstance(error, OSError) else None
        if limit is not None:
            return _fail(limit, arguments)
        traceback.print_exc()
        return InternalError.exit_code
    if report.rejects_line is not None:
        complain(report.rejects_line)
    if not arguments.json and _is_paged(arguments.verb):
        from etl.cli.pager import shown_by_pager

        if shown_by_pager(report.summary()):
            return report.exit_code
    return print_report(report, arguments) or report.exit_code


def _is_paged(verb: str) -> bool:
    paged: bool = getattr(VERBS.member(verb), "PAGED", False)
    return paged


def _carry_out(arguments: argparse.Namespace) -> Report:
    require_descriptors(1)  # before all else is imported
    verb = VERBS.member(arguments.verb)
    report: Report = verb.run(from_namespace(arguments, verb.OPTIONS), arguments.sources)
    return report


def _fail(error: EtlError, arguments: argparse.Namespace, code: int | None = None) -> int:
    report = error.report
    if arguments.json:
        print_report(report or _report_of_no_run(error, arguments.verb), arguments)
    elif report is not None and report.records["read"]:
        print_report(report, arguments)
    if report is not None and report.rejects_line is not None:
        complain(report.rejects_line)
    complain(str(error))
    return code if code is not None else error.exit_code


def _report_of_no_run(error: EtlError, verb: str) -> Report:
    from etl.report import Report

    return Report.of_no_run(verb, VERBS.member(verb).COUNTS, error.status, without_secret(str(error)))
