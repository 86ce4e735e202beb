"""Runs one benchmark by name and prints its tables; progress goes to stderr."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys
from pathlib import Path
from types import FrameType, ModuleType

import bench

from .harness.errors import BenchError
from .harness.machine import machine_line
from .harness.process import adopt_orphans
from .harness.settings import Settings


def benchmarks() -> dict[str, ModuleType]:
    """Every benchmark by name: the modules of this package, without its folders and this one."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    names = sorted(info.name for info in found if not info.ispkg and not info.name.startswith("_"))
    return {name: importlib.import_module(f"{bench.__name__}.{name}") for name in names}


def make_parser(known: dict[str, ModuleType]) -> argparse.ArgumentParser:
    summaries = "; ".join(f"{name}: {module.SUMMARY}" for name, module in known.items())
    parser = argparse.ArgumentParser(prog="scripts/bench/run", description=f"Benchmarks ({summaries}).")
    parser.add_argument("name", choices=known, help="what to measure")
    parser.add_argument("--records", type=int, metavar="N", help="records to load (default: the benchmark's)")
    parser.add_argument(
        "--repeat", type=int, metavar="N", help="rounds, of which medians are shown (default: 3)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of little data: a try, not a measurement"
    )
    parser.add_argument(
        "--memory", action="store_true", help="the 1 GB memory bars also with --quick or --only"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help="measure that part only; may be repeated"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables for a README")
    return parser


def settings_of(args: argparse.Namespace, module: ModuleType) -> Settings:
    parts = getattr(module, "PARTS", ())
    if unknown := [part for part in args.only if part not in parts]:
        raise BenchError(f"{args.name} has no part {unknown[0]}; it has {', '.join(parts) or 'none'}")
    return Settings(
        records=args.records or (module.QUICK_RECORDS if args.quick else module.RECORDS),
        repeat=args.repeat or (1 if args.quick else 3),
        quick=args.quick,
        memory=args.memory or not (args.quick or args.only),
        only=tuple(args.only),
    )


def end_on_sigterm(_number: int, _frame: FrameType | None) -> None:
    """Ends like Ctrl-C does, so that the servers and loaders that were started are ended too."""
    raise KeyboardInterrupt


def main() -> int:
    known = benchmarks()
    args = make_parser(known).parse_args()
    module = known[args.name]
    signal.signal(signal.SIGTERM, end_on_sigterm)
    adopt_orphans()
    try:
        tables = module.tables(settings_of(args, module))
        machine = machine_line()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for table in tables:
        print(table.markdown() if args.markdown else table.text(), end="\n\n")
    print(machine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
