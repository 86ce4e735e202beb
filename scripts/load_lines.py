#!/usr/bin/env python3
"""Loads a file of lines into Redis: key = line number from 0, value = the line, stripped; 8 workers.

    scripts/load_lines.py --port 6379 --file train.txt

It is also the example of a script with an argument parser of its own that takes the loader's options in.
"""

from __future__ import annotations

import argparse
import sys

import etl


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Loads a file of lines into Redis, key = line number.")
    parser.add_argument("--host", default="127.0.0.1", help="the Redis server (default: %(default)s)")
    parser.add_argument("--port", type=int, default=6379, help="its port (default: %(default)s)")
    parser.add_argument("--file", required=True, help="the file of lines")
    etl.add_arguments(parser)
    parser.set_defaults(workers=8, strip=True)
    return parser


def main() -> int:
    args = make_parser().parse_args()
    try:
        options = etl.from_args(args)
        report = etl.load(args.file, options=options, to=options.to or f"redis://{args.host}:{args.port}/0")
    except etl.EtlError as error:
        print(f"load_lines: {error}", file=sys.stderr)
        return error.exit_code
    print(report.summary())
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
