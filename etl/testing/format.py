"""The contract of a format on the shelf ``etl/source/formats/``.

Subclass FormatContract (TextFormatContract for a format made of text) as ``TestMine``, with ``suffix`` and
``write``::

    class TestOrc(FormatContract):
        suffix = ".orc"

        def write(self, path, records):
            table = pa.table({"id": [id for id, _ in records], "value": [value for _, value in records]})
            with pyarrow.orc.ORCWriter(path, stripe_size=1, batch_size=4) as writer:
                writer.write(table)
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from etl.errors import SourceError
from etl.options import LoadOptions
from etl.plan import Projection, Source
from etl.source.choose import choose_source
from etl.testing.records import Record
from etl.testing.source import SourceContract, listed, numbers_in, originals, read, records_in

ALL = Projection(all=True, json=True)


class FormatContract(SourceContract):
    """What holds for files of any format: they change, are damaged, empty, or several."""

    suffix: ClassVar[str]
    """How the names of such files end: it tells the format, if ``options`` do not."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Options of a load that the files need: ``{"format": "lines"}``."""

    damages: ClassVar[int] = 8
    """How many damaged files are tried."""

    def write(self, path: Path, records: Sequence[Record]) -> None:
        """Write a file of records; several groups of them, if the format has groups."""
        raise NotImplementedError

    def open(self, folder: Path, records: Sequence[Record]) -> Source:
        path = folder / f"records{self.suffix}"
        self.write(path, records)
        return self.source_of(path)

    def source_of(self, *paths: Path) -> Source:
        """Return the source of files, as the command line chooses it."""
        return choose_source(paths, LoadOptions(**self.options))

    def test_a_long_enough_file_has_work_for_several_workers(self, tmp_path: Path) -> None:
        assert len(self.opened(tmp_path)[1]) > 1

    def test_a_file_that_has_changed_is_told_when_it_is_read_and_at_the_end(self, tmp_path: Path) -> None:
        for change in (_grown, _replaced):
            folder = tmp_path / change.__name__
            folder.mkdir()
            source, blocks = self.opened(folder)
            (path,) = folder.iterdir()
            change(path)
            with pytest.raises(SourceError, match=str(path)):
                source.verify_unchanged()
            with pytest.raises(SourceError, match=str(path)):
                read(source, list(source.blocks(100)) if source.streamed else blocks)

    def test_a_file_without_a_byte_has_no_records_or_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / f"empty{self.suffix}"
        path.touch()
        assert self.read_or_refused(path) in (0, None)

    def test_a_damaged_file_gives_records_rejects_or_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / f"damaged{self.suffix}"
        self.write(path, [(str(number), f"value {number}") for number in range(60)])
        whole = path.read_bytes()
        for seed in range(self.damages):
            path.write_bytes(_damaged(whole, random.Random(seed)))
            self.read_or_refused(path)

    def test_files_are_read_one_after_the_other_and_empty_ones_are_no_records(self, tmp_path: Path) -> None:
        records = self.records()
        paths = []
        for index, part in enumerate((records[:3], [], records[3:])):
            paths.append(tmp_path / f"{index}{self.suffix}")
            self.write(paths[-1], part)
        source = self.source_of(*paths)
        blocks = list(source.blocks(100))
        assert [block.number for block in blocks] == list(range(len(blocks)))
        batches = read(source, blocks)
        assert records_in(batches) == self.expected(records)
        assert numbers_in(batches) == list(range(len(records)))
        full = [block for block in blocks if any(map(len, read(source, [block])))]
        assert {source.name_of(block) for block in full} == {str(paths[0]), str(paths[2])}

    def read_or_refused(self, path: Path) -> int | None:
        """Return the number of records of a file, or None where a sentence about it refuses it."""
        said = ""
        try:
            source = self.source_of(path)
            return sum(map(len, read(source, list(source.blocks(1000)), ALL)))
        except SourceError as error:
            said = str(error)
        assert str(path) in said
        assert "\n" not in said
        return None


class TextFormatContract(FormatContract):
    """What holds for formats made of text, beside that."""

    def parsed(self, original: bytes) -> dict[str, bytes]:
        """Parse the original of one record: its text, as it stands in the file."""
        raise NotImplementedError

    def text(self, path: Path) -> bytes:
        """Return the text of a file."""
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data

    def test_originals_stand_at_their_offsets(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path, 300)
        (path,) = tmp_path.iterdir()
        text = self.text(path)
        offsets = []
        for reject in originals(source, blocks, len(self.records())):
            assert reject.offset is not None
            assert text[reject.offset :].startswith(reject.raw)
            offsets.append(reject.offset)
        assert offsets == sorted(set(offsets))

    def test_the_line_of_a_record_is_its_text(self, tmp_path: Path) -> None:
        source, blocks = self.opened(tmp_path)
        lines = [line for batch in read(source, blocks, Projection(line=True)) for line in listed(batch.line)]
        assert lines == [reject.raw for reject in originals(source, blocks, len(self.records()))]
        assert [self.parsed(line) for line in lines] == self.expected(self.records())


def _grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _replaced(path: Path) -> None:
    other = path.parent / "other"
    other.write_bytes(path.read_bytes())
    other.rename(path)


def _damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes of a file cut short, or with some of them changed."""
    if chance.random() < 0.3:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 10)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)
