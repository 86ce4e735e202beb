"""Checks item by item: strings, fields, members, scores, places and elements, each by its ``ReadCommand``.

https://redis.io/docs/latest/commands/mget/, ``hmget``, ``sismember``, ``smismember``, ``zscore``,
``zmscore``, ``lpos``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from etl.encode.resp.columns import Columns
from etl.encode.resp.protocol import CRLF, Joined, Piece, argument, arguments, groups, join
from etl.encode.resp.replies import WRONG_TYPE, odd_reply, wrong_type
from etl.encode.verify.check import Mismatch, ReadRequest
from etl.encode.verify.item_columns import Items, items_of, uneven_records
from etl.encode.verify.read_commands import ReadCommand
from etl.plan import Buffer
from etl.template import Template
from etl.units import MIB

GROUP_ITEMS = 512
GROUP_REPLY_BYTES = MIB

_NO_KEY = Template(())
_UNKNOWN = object()  # equals no answer, None least of all


@dataclass(frozen=True, slots=True)
class ItemsCheck:
    """Asks for the items that ``words`` stand for, of ``key`` (None: what is asked for is itself a key).

    Items of one key, or that are keys, are asked for by the hundred: no reply is much over
    GROUP_REPLY_BYTES.
    """

    read: ReadCommand
    key: Template | None
    words: tuple[Template, ...]

    def uneven(self, columns: Columns) -> list[int]:
        return uneven_records(self.words, self.read.each, columns)

    def request(self, columns: Columns) -> ReadRequest:
        items = self._items(columns)
        asked = arguments(items.parts[self.read.asked])
        if self._many is not None:
            return self._request_many(self._many, items, asked)
        head = [b"*2", argument(self.read.one)]
        if self.key is not None:
            head = [b"*3", argument(self.read.one), *arguments(items.key)]
        joined = join([*head, *asked, CRLF], items.count)
        return ReadRequest((joined.data,), self._expected_one(items), items.count)

    def compare(self, columns: Columns, replies: Iterator[Any]) -> Iterator[Mismatch]:
        items = self._items(columns)
        read = self.read
        answers = list(self._answers(items, replies))
        if read.answer is not None:
            wanted: list[Any] = items.texts(read.answer)
        else:
            wanted = [_UNKNOWN if read.constant is None else read.constant] * items.count
        if answers == wanted:
            return
        texts = list(zip(*(items.texts(part) for part in range(read.each)), strict=True))
        amiss = [
            i
            for i, answer in enumerate(answers)
            if answer != wanted[i] and not (type(answer) is read.kind and _good(read, texts[i], answer))
        ]
        if not amiss:
            return
        keys = items.texts(read.asked) if self.key is None else items.keys()
        records = range(items.count) if items.records is None else items.records.to_pylist()
        for i in amiss:
            yield self._mismatch(records[i], keys[i], texts[i], answers[i])

    @property
    def _many(self) -> bytes | None:
        return self.read.many if self.key is None or self.key.constant else None

    def _items(self, columns: Columns) -> Items:
        key = _NO_KEY if self.key is None else self.key
        return items_of(key, self.words, self.read.each, columns)

    def _mismatch(self, index: int, key: bytes, item: Sequence[bytes], answer: Any) -> Mismatch:
        read = self.read
        if wrong_type(answer):
            return Mismatch(index, key, read.show(item, None), WRONG_TYPE)
        if isinstance(answer, Exception | str):
            return Mismatch(index, error=answer)
        if answer == read.absent:
            return Mismatch(index, key, read.show(item, None))
        if not isinstance(answer, read.kind):
            return Mismatch(index, error=odd_reply(self._many or read.one, answer))
        return Mismatch(index, key, read.show(item, None), read.show(item, answer))

    # Many items a command

    def _request_many(self, many: bytes, items: Items, asked: list[Piece]) -> ReadRequest:
        head = 1 if self.key is None else 2
        start_of = argument(many) + b"".join(self._constant_key(items))
        joined = join(asked, items.count)
        answers = self._answer_stream(items)
        boundaries = self._boundaries(items, joined, answers)
        buffers: list[Buffer] = []
        expected: list[Buffer] = []
        for start, stop in pairwise(boundaries):
            buffers.append(b"*%d%b" % (head + stop - start, start_of))
            buffers.append(joined.slice(start, stop))
            buffers.append(CRLF)
            expected.append(b"*%d" % (stop - start))
            if isinstance(answers, Joined):
                expected += (answers.slice(start, stop), CRLF)
            else:
                expected.append(CRLF + b":%d\r\n" % (answers or 0) * (stop - start))
        known = None if answers is None else tuple(expected)
        return ReadRequest(tuple(buffers), known, len(boundaries) - 1)

    def _constant_key(self, items: Items) -> list[bytes]:
        return [] if self.key is None else [argument(b"".join(items.key))]

    def _answer_stream(self, items: Items) -> Joined | int | None:
        """Return the answers to all items, each with its line break in front, or the one they all have."""
        if self.read.answer is None:
            return self.read.constant
        return join(arguments(items.parts[self.read.answer]), items.count)

    def _boundaries(self, items: Items, asked: Joined, answers: Joined | int | None) -> list[int]:
        longest = answers if isinstance(answers, Joined) else asked
        return groups(longest.offsets, records=GROUP_ITEMS, nbytes=GROUP_REPLY_BYTES)

    def _expected_one(self, items: Items) -> tuple[Buffer, ...] | None:
        answers = self._answer_stream(items)
        if isinstance(answers, Joined):
            # The first line break moves from the front to the end.
            return (answers.data[2:], CRLF) if items.count else ()
        return None if answers is None else (b":%d\r\n" % answers * items.count,)

    def _answers(self, items: Items, replies: Iterator[Any]) -> Iterator[Any]:
        """Yield an answer an item: bytes, number or None; an exception or a sentence where there is none."""
        if self._many is None:
            yield from islice(replies, items.count)
            return
        asked = join(arguments(items.parts[self.read.asked]), items.count)
        boundaries = self._boundaries(items, asked, self._answer_stream(items))
        for start, stop in pairwise(boundaries):
            reply = next(replies)
            if isinstance(reply, list) and len(reply) == stop - start:
                yield from reply
            else:
                answer = reply if isinstance(reply, Exception) else odd_reply(self._many, reply)
                yield from [answer] * (stop - start)


def _good(read: ReadCommand, item: Sequence[bytes], answer: Any) -> bool:
    try:
        return answer != read.absent and read.good(item, answer)
    except ValueError:  # the source's text is no number: whatever is there, it is another
        return False
