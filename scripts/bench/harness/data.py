"""Input files, made once and kept in scripts/bench/data."""

from __future__ import annotations

import os
import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data"
POOL_LINES = 4096
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinesFile:
    """A file of ``records`` lines of ``width`` bytes each, without the line feed."""

    path: Path
    records: int
    width: int

    def line(self, number: int) -> bytes:
        """The line with that number, from 0, without its line feed."""
        with self.path.open("rb") as file:
            file.seek(number * (self.width + 1))
            return file.read(self.width)


def lines(records: int, *, width: int = 80) -> LinesFile:
    """A file of lines; of the same width, a file of fewer lines is the beginning of a longer one."""
    path = FOLDER / f"lines-{records}x{width}.txt"
    write_once(path, (b"%s\n" % line for line in line_values(records, width)))
    return LinesFile(path, records, width)


def set_protocol(data: LinesFile) -> Path:
    """The same lines as ready-made ``SET number line`` commands, for ``redis-cli --pipe``."""
    path = data.path.with_suffix(".resp")
    write_once(
        path, (set_command(key, line) for key, line in enumerate(line_values(data.records, data.width)))
    )
    return path


def line_values(records: int, width: int) -> Iterator[bytes]:
    """Lines that differ in their first 12 bytes, their number, and hold no white space at their ends."""
    letters = string.ascii_letters + string.digits
    source = random.Random(width)
    pool = ["".join(source.choices(letters, k=width - 13)).encode() for _ in range(POOL_LINES)]
    for number in range(records):
        yield b"%012d %s" % (number, pool[number % POOL_LINES])


def set_command(key: int, value: bytes) -> bytes:
    digits = b"%d" % key
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(digits), digits, len(value), value)


def write_once(path: Path, pieces: Iterable[bytes]) -> None:
    """Writes the file if it is not there yet; an interrupted run leaves no half file behind."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb", buffering=MIB) as file:
        file.writelines(pieces)
    os.replace(part, path)


def read_through(path: Path) -> None:
    """Reads the file once, so that no contender has to wait for the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(8 * MIB):
            pass
