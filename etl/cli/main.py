"""The command line: argv in, text or JSON out, exit code."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TextIO

import etl
from etl.errors import EtlError, InternalError
from etl.limits import limit_reached, require_descriptors
from etl.options import LoadOptions, Options, VerifyOptions, add_options, flag, from_namespace

if TYPE_CHECKING:
    from etl.report import Report

EPILOG = """\
exit codes:
  0 complete; 1 complete, but records were rejected (verify: differences were found); 2 usage;
  3 source unreadable or changed; 4 target unreachable, refused or full; 5 stopped, too many rejects;
  129, 130, 131, 143 stopped by SIGHUP, SIGINT, SIGQUIT, SIGTERM; 128+n a worker was killed by signal n;
  70 a bug of this program; 71 a limit of the system is too low (ulimit);
  74 complete, but the report could not be written to stdout
"""

UNWRITTEN_REPORT = 74  # EX_IOERR


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: its name, its options, and a sentence of help."""

    name: str
    kind: type[Options]
    help: str


VERBS = (
    Verb("load", LoadOptions, "load the records of files into Redis"),
    Verb("verify", VerifyOptions, "read the sources again and compare with what Redis holds"),
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without a page of usage, and quotes no password."""

    def error(self, message: str) -> NoReturn:
        sentence = _without_secret(_in_plain_words(message))
        self.exit(2, f"redis-etl: {sentence} (see {self.prog} --help)\n")


def _in_plain_words(message: str) -> str:
    """Say what argparse says in words that do not come from argparse."""
    names = [verb.name for verb in VERBS]
    if message.startswith("the following arguments are required: VERB"):
        return f"say what to do: {' or '.join(names)}"
    if match := re.search(r"argument VERB: invalid choice: (\S+) ", message):
        close = difflib.get_close_matches(match[1].strip("'"), names, n=1)
        return f"there is no command {match[1]}; {_meant(close) or 'there are ' + ' and '.join(names)}"
    if match := re.fullmatch(r"argument (\S+): expected one argument", message):
        return f"{match[1]} needs a value"
    if match := re.fullmatch(r"argument (\S+): ignored explicit argument .*", message):
        return f"{match[1]} takes no value"
    return message


def _meant(close: Sequence[str]) -> str:
    return f"did you mean {' or '.join(close)}?" if close else ""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; sources may stand anywhere in it. Raises SystemExit, as argparse does."""
    parser = make_parser()
    arguments, left = parser.parse_known_args(argv)
    unknown = [word.partition("=")[0] for word in left if word.startswith("-") and word != "-"]
    if unknown:
        known = [flag(field) for field in dataclasses.fields(arguments.kind)] + ["--json", "--help"]
        close = _meant(difflib.get_close_matches(unknown[0], known, n=2))
        hint = f"; {close}" if close else ""
        sentence = _without_secret(f"{arguments.verb} has no option {unknown[0]}{hint}")
        parser.exit(2, f"redis-etl: {sentence} (see redis-etl {arguments.verb} --help)\n")
    arguments.sources += left
    return arguments


def make_parser() -> argparse.ArgumentParser:
    """Make the parser: a subcommand a verb, its options from their one declaration."""
    parser = Parser(
        prog="redis-etl",
        description="The COPY command that Redis never had.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"redis-etl {etl.__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        command = commands.add_parser(
            verb.name,
            help=verb.help,
            description=f"{verb.help[0].upper()}{verb.help[1:]}.",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument(
            "sources",
            nargs="*",
            metavar="SOURCE",
            help="a file, a glob, a folder, a URI (s3://, https://, ...), or - for standard input",
        )
        add_options(command, verb.kind)
        command.add_argument("--json", action="store_true", help="print the report as one JSON object")
        command.set_defaults(kind=verb.kind)
    return parser


def main(argv: Sequence[str]) -> int:
    """Carry out a command line; give the exit code. Only a bug of this program shows a traceback."""
    try:
        arguments = parse(argv)
    except SystemExit as end:  # argparse has printed what is wrong, or the help that was asked for
        return end.code if isinstance(end.code, int) else 2
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
        _complain(report.rejects_line)
    return _print(report, arguments) or report.exit_code


def _carry_out(arguments: argparse.Namespace) -> Report:
    require_descriptors(1)  # before all else is imported
    options = from_namespace(arguments, arguments.kind)
    verb = etl.load if arguments.verb == "load" else etl.verify
    return verb(*arguments.sources, options=options)


def _fail(error: EtlError, arguments: argparse.Namespace, code: int | None = None) -> int:
    report = error.report
    if arguments.json:
        from etl.report import Report

        _print(
            report or Report.of_no_run(arguments.verb, error.status, _without_secret(str(error))), arguments
        )
    elif report is not None and report.records["read"]:
        _print(report, arguments)
    if report is not None and report.rejects_line is not None:
        _complain(report.rejects_line)
    _complain(str(error))
    return code if code is not None else error.exit_code


def _print(report: Report, arguments: argparse.Namespace) -> int:
    """Print the report to stdout; give 0 (also when nobody reads it any more) or an exit code."""
    text = json.dumps(report.as_dict()) if arguments.json else report.summary()
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError as error:
        _forget(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            _complain(f"the report cannot be written: {error.strerror}")
            return UNWRITTEN_REPORT
    return 0


def _complain(text: str) -> None:
    if sys.stderr is None:  # print would take stdout instead
        return
    try:
        print(f"redis-etl: {_without_secret(text)}", file=sys.stderr, flush=True)
    except OSError:  # stderr is closed, or its terminal: the exit code says enough
        _forget(sys.stderr)


def _forget(stream: TextIO) -> None:
    """Lead a stream that cannot be written to nowhere.

    As Python's documentation has it (signal, "Note on SIGPIPE"): else the interpreter writes what is left
    once more when it ends, and replaces the exit code by 120.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _without_secret(text: str) -> str:
    """Take user and password out of a URL that was given in the wrong place, and is quoted as wrong."""
    return re.sub(r"://\S*@", "://***@", text)
