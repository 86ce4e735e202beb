"""The parser of the command line: verbs, their options, help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

import etl
from etl.cli.output import without_secret
from etl.cli.wording import in_plain_words
from etl.options import add_options
from etl.registry import Shelf

EPILOG = """\
exit codes:
  0 complete; 1 complete, but records were rejected (verify: differences were found); 2 usage;
  3 source unreadable or changed; 4 target unreachable, refused or full; 5 stopped, too many rejects;
  129, 130, 131, 143 stopped by SIGHUP, SIGINT, SIGQUIT, SIGTERM; 128+n a worker was killed by signal n;
  70 a bug of this program; 71 a limit of the system is too low (ulimit);
  74 complete, but the report could not be written to stdout
"""


VERBS = Shelf("etl.verbs", "command")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without a page of usage, and quotes no password."""

    def error(self, message: str) -> NoReturn:
        sentence = without_secret(in_plain_words(message, VERBS.names()))
        self.exit(2, f"redis-etl: {sentence} (see {self.prog} --help)\n")


def make_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of a command line: a command a verb, its options from their one declaration.

    Where the first word is a verb, only that one is imported and declared: both take time.
    """
    parser = Parser(
        prog="redis-etl",
        description="The COPY command that Redis never had.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"redis-etl {etl.__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    names = VERBS.names()
    for name in argv[:1] if argv and argv[0] in names else names:
        verb = VERBS.member(name)
        command = commands.add_parser(
            name,
            help=verb.HELP,
            usage=f"redis-etl {name} [OPTION ...] {_positional(verb)[0]}",
            description=f"{verb.HELP[0].upper()}{verb.HELP[1:]}.",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name in argv:
            _add_arguments(command, verb)
    return parser


_SOURCES = (
    "SOURCE",
    "a file, a glob, a folder, a URI (s3://, https://, ...), or - for standard input",
)


def _positional(verb: ModuleType) -> tuple[str, str, str]:
    """Return how the verb's usage shows what it takes, and what that is called, and its help."""
    name, text = getattr(verb, "POSITIONAL", _SOURCES)
    return (f"[{name} ...]" if name == _SOURCES[0] else name), name, text


def _add_arguments(command: argparse.ArgumentParser, verb: ModuleType) -> None:
    _, name, text = _positional(verb)
    command.add_argument("sources", nargs="*", metavar=name, help=text)
    add_options(command, verb.OPTIONS)
    command.add_argument("--json", action="store_true", help="print the report as one JSON object")
