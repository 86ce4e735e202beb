"""Files that are no text: told by their first bytes, before their bytes are loaded as if they were lines.

Only what somebody may well have meant to load is named; everything else that has a NUL byte in its beginning
is "not text". ``--format`` says that the bytes are meant, and nothing is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.errors import SourceError
from etl.source.storage.compression import SUFFIXES, sniff

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_TAR_MAGIC_AT = 257


@dataclass(frozen=True, slots=True)
class _Kind:
    """What begins with ``magic``, and what to do with it; ``{file}`` is its name.

    A ``textual`` magic could begin a text as well: there has to be a NUL byte too.
    """

    magic: bytes
    name: str
    advice: str
    textual: bool = False


_ARCHIVE = "unpack it, and load the files in it"
_NOT_DATA = "it holds no records"
_CONVERT = "convert it to Parquet, Arrow, CSV or JSON lines first"
_KINDS = (
    _Kind(b"PK\x03\x04", "a ZIP archive", f"{_ARCHIVE}: unzip -p {{file}} | redis-etl load -"),
    _Kind(b"PK\x05\x06", "an empty ZIP archive", _NOT_DATA),
    _Kind(b"7z\xbc\xaf\x27\x1c", "a 7z archive", _ARCHIVE),
    _Kind(b"Rar!\x1a\x07", "a RAR archive", _ARCHIVE),
    _Kind(b"%PDF-", "a PDF document", _NOT_DATA),
    _Kind(b"\x89PNG\r\n\x1a\n", "a PNG image", _NOT_DATA),
    _Kind(b"\xff\xd8\xff", "a JPEG image", _NOT_DATA),
    _Kind(b"GIF8", "a GIF image", _NOT_DATA, textual=True),
    _Kind(b"\x7fELF", "a program (ELF)", _NOT_DATA),
    _Kind(
        b"SQLite format 3\0",
        "an SQLite database",
        "load a query: --sql 'SELECT * FROM ...' --database sqlite:{file}",
    ),
    _Kind(b"PAR1", "a Parquet file", "give --format parquet", textual=True),
    _Kind(b"ARROW1\0\0", "an Arrow file", "give --format arrow"),
    _Kind(b"\xff\xff\xff\xff", "an Arrow stream", "give --format arrow", textual=True),
    _Kind(b"FEA1", "a Feather V1 file", "write it again as Feather V2", textual=True),
    _Kind(b"ORC", "an ORC file", "give --format orc", textual=True),
    _Kind(b"Obj\x01", "an Avro file", _CONVERT),
    _Kind(b"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    _Kind(b"\x93NUMPY", "a NumPy array", _CONVERT),
    _Kind(b"REDIS0", "a Redis RDB file", "have a server read it as its dump.rdb", textual=True),
)


def require_text(head: bytes, file: str, *, lines: bool) -> None:
    """Raise SourceError where a file's beginning shows that it is no text; it names what it seems to be.

    Of ``lines``, whose bytes could be anything, a NUL byte is enough; other formats see to that themselves.
    """
    found = _found(head, file)
    if found is not None:
        name, advice = found
        what = f"{file} looks like {name}, which cannot be loaded as text: {advice}"
    elif lines and head.startswith(_UTF_16) and b"\0" in head:
        what = f"{file} is UTF-16 text: convert it first (iconv -f UTF-16 -t UTF-8)"
    elif lines and b"\0" in head:
        at = head.index(b"\0")
        what = f"{file} is not text: it has a NUL byte at byte {at:,}. Name its --format"
    else:
        return
    raise SourceError(f"{what} (--format lines loads its bytes as they are)" if lines else what)


def _found(head: bytes, file: str) -> tuple[str, str] | None:
    if head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head[:2000]):
        return "an Excel workbook or another Office document", "save its table as CSV"
    codec = sniff(head)
    if codec is not None:
        suffix = next(suffix for suffix, name in SUFFIXES.items() if name == codec)
        return f"{codec} data", f"give it a name that ends with {suffix}, or send it to standard input"
    if head.startswith(b"ustar", _TAR_MAGIC_AT):
        return "a tar archive", f"{_ARCHIVE}: tar -xOf {file} | redis-etl load -"
    for kind in _KINDS:
        if head.startswith(kind.magic) and (not kind.textual or b"\0" in head):
            return kind.name, kind.advice.replace("{file}", file)
    return None
