"""A parser with options."""

from __future__ import annotations

import argparse

from etl.options import Options, add_options


def parser_for(kind: type[Options]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, kind)
    return parser
