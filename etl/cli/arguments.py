"""From argv to parsed arguments, or one sentence that says what is wrong with them."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from etl.cli.output import without_secret
from etl.cli.parser import VERBS, make_parser
from etl.options import flag
from etl.suggest import did_you_mean


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; sources may stand anywhere in it. Raises SystemExit, as argparse does."""
    parser = make_parser(argv)
    arguments, left = parser.parse_known_args(argv)
    unknown = [word.partition("=")[0] for word in left if word.startswith("-") and word != "-"]
    if unknown:
        options = dataclasses.fields(VERBS.member(arguments.verb).OPTIONS)
        hint = did_you_mean(unknown[0], [*map(flag, options), "--json", "--help"], most=2)
        sentence = "; ".join(filter(None, (f"{arguments.verb} has no option {unknown[0]}", hint)))
        parser.exit(2, f"redis-etl: {without_secret(sentence)} (see redis-etl {arguments.verb} --help)\n")
    arguments.sources += left
    if arguments.verb == "help" and len(arguments.sources) == 1 and arguments.sources[0] in VERBS.names():
        parse([arguments.sources[0], "--help"])  # prints it, and ends as that does
    return arguments
