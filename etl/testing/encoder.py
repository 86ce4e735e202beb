"""The contract of an encoder (``etl/plan/encoder.py``), for any number of them at once.

``replies`` of a server are made up here: what commands do to a server is not the matter of an encoder.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import pyarrow as pa

from etl.plan import Batch, BatchResult, Encoder, Wire
from etl.sink.error_replies import error_reply
from etl.testing.resp import parse_commands, replies_in, stream_of

HOSTILE = (b"", b"\0", b"\r\nFLUSHALL\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"x" * (1 << 20))
"""Values that a careless encoder makes commands of, or does not expect."""

BAD = error_reply("ERR bad")
_BUSY = error_reply("BUSYKEY Target key name already exists.")
_REPLIES: tuple[Any, ...] = (b"OK", None, 0, 1, b"", b"7", [], [b"OK"], [None], BAD, _BUSY)


class EncoderContract:
    """Subclass it as ``TestMine`` with ``encoders``, by name; each is tried with every test.

    They may use the fields of ``batch``: id, a number of its own; v, any bytes; ttl, a number; and tags[].
    """

    encoders: ClassVar[Mapping[str, Encoder]]

    examples: ClassVar[int] = 5
    """How many batches of random values each test tries."""

    def batch(self, values: Sequence[bytes], first: int = 0) -> Batch:
        """Return records with these values, numbered from ``first``."""
        records = range(len(values))
        fields = {
            "id": pa.array([b"%d" % (first + at) for at in records], pa.binary()),
            "v": pa.array(values, pa.binary()),
            "ttl": pa.array([b"%d" % (60 + at) for at in records], pa.binary()),
            "tags[]": pa.array(
                [[b"a", value][: 1 + at % 2] for at, value in enumerate(values)], pa.list_(pa.binary())
            ),
        }
        return Batch(
            fields=pa.RecordBatch.from_pydict(fields),
            spread=("id", "v", "ttl"),
            numbers=pa.array(range(first, first + len(values)), pa.int64()),
        )

    def batches(self) -> Iterator[Batch]:
        """Yield batches of one record and of many, of short values and of any bytes."""
        yield self.batch([b""])
        for seed in range(self.examples):
            choose = random.Random(seed)
            values = [choose.randbytes(choose.randrange(20)) for _ in range(choose.randrange(1, 30))]
            yield self.batch(values, first=choose.randrange(1 << 40))

    def each(self) -> Iterator[tuple[str, Encoder, Batch, Wire]]:
        """Yield every encoder with every batch and its wire."""
        for name, encoder in self.encoders.items():
            for batch in self.batches():
                with _named(name):
                    wire = encoder.encode(batch)
                yield name, encoder, batch, wire

    def test_a_wire_is_commands_in_arrays_of_bulk_strings_that_cover_the_batch(self) -> None:
        for name, _, batch, wire in self.each():
            with _named(name):
                stream = stream_of(wire)
                assert wire.nbytes == len(stream)
                assert len(parse_commands(stream)) == wire.commands == wire.groups * wire.commands_per_group
                assert wire.records == len(batch)
                assert wire.boundaries[0] == 0
                assert all(before < after for before, after in pairwise(wire.boundaries))
                if wire.expected is not None:
                    assert len(replies_in(bytes(wire.expected))) == wire.commands

    def test_a_group_of_commands_carries_the_records_of_its_boundaries(self) -> None:
        for name, encoder, batch, wire in self.each():
            group = len(batch) % wire.groups
            start, stop = wire.boundaries[group], wire.boundaries[group + 1]
            own = encoder.encode(batch.take(pa.array(range(start, stop), pa.int64())))
            each = wire.commands_per_group
            with _named(name):
                commands = parse_commands(stream_of(wire))[group * each : (group + 1) * each]
                assert parse_commands(stream_of(own)) == commands

    def test_a_record_has_a_key_by_which_a_cluster_finds_its_node(self) -> None:
        for name, encoder, batch, wire in self.each():
            with _named(name):
                keys = encoder.keys(batch)
                assert (keys.type, len(keys), keys.null_count) == (pa.binary(), len(batch), 0)
                words = {word for command in parse_commands(stream_of(wire)) for word in command[1:]}
                assert words.issuperset(keys.to_pylist())

    def test_replies_as_expected_and_the_same_ones_parsed_have_one_result(self) -> None:
        for name, encoder, batch, wire in self.each():
            with _named(name):
                compared = encoder.read_replies(batch, wire, None)
                assert not compared.refusals
                assert not compared.again
                if wire.expected is not None:
                    replies = replies_in(bytes(wire.expected))
                    assert compared == encoder.read_replies(batch, wire, replies)

    def test_an_encoder_travels_and_encodes_there_as_here(self) -> None:
        batch = self.batch([b"a", b"b\r\n"])
        for name, encoder in self.encoders.items():
            travelled: Encoder = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - our own
            with _named(name):
                assert travelled == encoder
                assert stream_of(travelled.encode(batch)) == stream_of(encoder.encode(batch))

    def test_data_cannot_become_a_command(self) -> None:
        for name, encoder in self.encoders.items():
            with _named(name):
                harmless = self._names(encoder, b"a")
                for value in HOSTILE:
                    assert self._names(encoder, value) == harmless, value[:30]
                assert b"FLUSHALL" not in harmless

    def _names(self, encoder: Encoder, value: bytes) -> set[bytes]:
        commands = parse_commands(stream_of(encoder.encode(self.batch([value] * 3))))
        return {command[0] for command in commands}

    def test_a_record_that_lacks_a_field_costs_no_neighbour(self) -> None:
        for name, encoder in self.encoders.items():
            for field in ("id", "v", "ttl"):
                good, refusals = encoder.split_encodable(self._holed(field))
                needed = any(field in template.fields for template in encoder.templates) or (
                    field == "v" and any("*" in template.fields for template in encoder.templates)
                )
                with _named(f"{name}, without {field}"):
                    assert [refusal.index for refusal in refusals] == self.refused([1, 3] if needed else [])
                    assert good.numbers is not None
                    assert good.numbers.to_pylist() == ([0, 2] if needed else [0, 1, 2, 3])
                    assert encoder.encode(good).records == len(good)

    def _holed(self, field: str) -> Batch:
        """Return four records, of which the second and the last lack a field; ``{*}`` is the field v."""
        batch = self.batch([b"a", b"b", b"c", b"d"])
        index = batch.fields.schema.get_field_index(field)
        values = [None if at in (1, 3) else value.as_py() for at, value in enumerate(batch.fields[index])]
        fields = batch.fields.set_column(index, field, pa.array(values, pa.binary()))
        return replace(batch, fields=fields, spread=("v",))

    def refused(self, lacking: list[int]) -> list[int]:
        """Return which of the records that lack a field are refused: here all of them."""
        return lacking


class PrepassContract(EncoderContract):
    """The contract of a pass over the keys: what it cannot encode it leaves to the load, which refuses it."""

    def refused(self, lacking: list[int]) -> list[int]:
        return []


class CountingContract(EncoderContract):
    """The contract of an encoder whose results count every record: of a load, or of what compares."""

    def test_replies_as_expected_are_good_for_every_record(self) -> None:
        for name, encoder, batch, wire in self.each():
            with _named(name):
                result = encoder.read_replies(batch, wire, None)
                assert counted(result) == result.written + result.equal == len(batch)


class LoadContract(CountingContract):
    """The contract of an encoder that writes."""

    def test_whatever_the_replies_every_record_is_counted_once(self) -> None:
        choose = random.Random(0)
        for name, encoder, batch, wire in self.each():
            replies = [choose.choice(_REPLIES) for _ in range(wire.commands)]
            result = encoder.read_replies(batch, wire, replies)
            indices = [refusal.index for refusal in result.refusals]
            with _named(f"{name}, with the replies {replies}"):
                assert counted(result) == len(batch)
                assert indices == sorted(set(indices))
                assert not set(indices) & set(result.again)
                assert all(0 <= index < len(batch) for index in (*indices, *result.again))
                assert all(isinstance(refusal.reason, Exception | str) for refusal in result.refusals)

    def test_an_error_reply_concerns_the_records_of_its_group_and_no_others(self) -> None:
        batch = self.batch([b"%d" % number for number in range(1_100)])
        for name, encoder in self.encoders.items():
            wire = encoder.encode(batch)
            place = min(1, wire.groups - 1)
            replies = self.good_replies(encoder, batch, wire)
            replies[place * wire.commands_per_group] = BAD
            result = encoder.read_replies(batch, wire, replies)
            concerned = [refusal.index for refusal in result.refusals] + list(result.again)
            with _named(name):
                assert concerned == list(range(wire.boundaries[place], wire.boundaries[place + 1]))
                assert {refusal.reason for refusal in result.refusals} <= {BAD}
                assert result.written == len(batch) - len(concerned)

    def good_replies(self, encoder: Encoder, batch: Batch, wire: Wire) -> list[Any]:
        """Return replies that are good for every record: as expected, or else OK or 1 for each command."""
        if wire.expected is not None:
            return replies_in(bytes(wire.expected))
        for reply in (1, b"OK"):
            if encoder.read_replies(batch, wire, [reply] * wire.commands).written == len(batch):
                return [reply] * wire.commands
        raise AssertionError("no reply is good for this encoder: override good_replies")


def counted(result: BatchResult) -> int:
    """Return how many records a result speaks of."""
    sums = result.written + result.skipped + result.equal + result.missing + result.different
    return sums + len(result.refusals) + len(result.again)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Have a failure say which encoder it is of."""
    try:
        yield
    except BaseException as error:
        vars(error).setdefault("__notes__", []).append(f"of the encoder {name}")  # before Python 3.11
        raise
