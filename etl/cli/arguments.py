"""From argv to parsed arguments, or one sentence that says what is wrong with them."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Sequence

from etl.cli.output import without_secret
from etl.cli.parser import make_parser
from etl.cli.wording import meant
from etl.options import flag


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; sources may stand anywhere in it. Raises SystemExit, as argparse does."""
    parser = make_parser()
    arguments, left = parser.parse_known_args(argv)
    unknown = [word.partition("=")[0] for word in left if word.startswith("-") and word != "-"]
    if unknown:
        known = [flag(field) for field in dataclasses.fields(arguments.kind)] + ["--json", "--help"]
        close = meant(difflib.get_close_matches(unknown[0], known, n=2))
        hint = f"; {close}" if close else ""
        sentence = without_secret(f"{arguments.verb} has no option {unknown[0]}{hint}")
        parser.exit(2, f"redis-etl: {sentence} (see redis-etl {arguments.verb} --help)\n")
    arguments.sources += left
    return arguments
