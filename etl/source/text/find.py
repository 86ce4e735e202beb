"""Finding the files of a text source."""

from __future__ import annotations

from collections.abc import Sequence

from etl.options import SourceOptions
from etl.source.storage.find import find_inputs
from etl.source.storage.local import LocalFile
from etl.source.text.files import TextFiles, open_text_files
from etl.source.text.format import TextFormat
from etl.source.text.stream import TextStream, open_text_stream
from etl.units import DEFAULT_RECORD_BYTES


def open_text(paths: Sequence[str], format: TextFormat, options: SourceOptions) -> TextFiles | TextStream:
    """Return the source of a text format, as options have it: see ``find_text``."""
    return find_text(paths, format, sniff=options.format is None, max_record=options.max_record)


def find_text(
    sources: Sequence[str],
    format: TextFormat,
    *,
    sniff: bool = False,
    max_record: int = DEFAULT_RECORD_BYTES,
) -> TextFiles | TextStream:
    """Find what the SOURCE arguments name and make the source of it, in the order given.

    Local files that are not compressed are read at many places at once (TextFiles). Where anything else is
    among them all come as one TextStream. With ``sniff``, nobody has said that they are of this format: what
    is no text is refused. Raises SourceError and UsageError.
    """
    inputs = find_inputs(sources)
    plain = [input.file for input in inputs if isinstance(input, LocalFile) and input.codec is None]
    if len(plain) == len(inputs):
        return open_text_files(tuple(plain), format, sniff=sniff, max_record=max_record)
    return open_text_stream(inputs, format, sniff=sniff, max_record=max_record)
