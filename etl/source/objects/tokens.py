"""Python objects that wait in the parent until their block is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.plan import Batch, Reject
from etl.source.objects.values import Written


class Tokens:
    """What stands for the tokens of one payload, put back where they are."""

    def __init__(self, prefix: str, listed: list[Written]) -> None:
        self._listed = listed
        self._prefix = prefix.encode()
        self._alone = re.compile(re.escape(self._prefix) + rb"(\d+);")
        self._quoted = re.compile(b'"' + re.escape(self._prefix) + rb'(\d+);"')

    def restore(self, batch: Batch) -> Batch:
        """Put back what a batch's tokens stand for; nothing in it has a place in a file."""
        rejects = tuple(self.restore_reject(reject) for reject in batch.rejects)
        if not self._listed:
            return replace(batch, rejects=rejects)
        fields = batch.fields
        columns = [self._restore_field(column) for column in fields.columns]
        return replace(
            batch,
            fields=pa.RecordBatch.from_arrays(columns, names=fields.schema.names) if columns else fields,
            line=None if batch.line is None else self._restored(batch.line, self._in_json),
            json=None if batch.json is None else self._restored(batch.json, self._in_json),
            rejects=rejects,
        )

    def restore_reject(self, reject: Reject) -> Reject:
        """Put back an element that was no record; of a record, give its JSON text."""
        alone = self._quoted.fullmatch(reject.raw)
        if alone is None:
            return replace(reject, offset=None, raw=self._in_json(reject.raw))
        written = self._listed[int(alone[1])]
        return replace(reject, offset=None, reason=written.reason or "", raw=written.text)

    def _restore_field(self, column: pa.Array) -> pa.Array:
        if not pa.types.is_list(column.type):
            return self._restored(column, self._in_field)
        members = self._restored(column.values, self._in_field)
        mask = column.is_null() if column.null_count else None
        return pa.ListArray.from_arrays(column.offsets, members, mask=mask)

    def _restored(self, column: pa.Array, restore: Callable[[bytes], bytes]) -> pa.Array:
        here = pc.fill_null(pc.match_substring(column, self._prefix), False)
        if not here.true_count:
            return column
        texts = [restore(text) for text in column.filter(here).to_pylist()]
        return pc.replace_with_mask(column, here, pa.array(texts, pa.binary()))

    def _in_field(self, text: bytes) -> bytes:
        alone = self._alone.fullmatch(text)
        return self._in_json(text) if alone is None else self._listed[int(alone[1])].text

    def _in_json(self, text: bytes) -> bytes:
        return self._quoted.sub(lambda found: (self._listed[int(found[1])].json or "").encode(), text)
