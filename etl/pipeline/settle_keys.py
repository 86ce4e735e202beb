"""Which records a load passes over so that it writes each key once: see ``etl/dedupe/``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from etl.dedupe.masks import skip_masks
from etl.dedupe.repeats import Repeats, find_repeats
from etl.dedupe.winners import Keeps, Repeat, first_repeat, losers
from etl.encode.choose import one_record_a_key
from etl.encode.keys import keys_are_unique
from etl.encode.mapping import RecordMapping
from etl.encode.strategies.key_hashes import HASHES, KEYS, PLACE_BITS, CandidateEncoder, KeyHashEncoder
from etl.errors import SourceError, UsageError
from etl.job.fields import PrepassResult
from etl.options import LoadOptions, given
from etl.output.notice import log_notice
from etl.pipeline.execution import Run
from etl.pipeline.projection import for_templates
from etl.plan import Block, Encoder, Projection
from etl.sink.spill import SpillTarget, empty_spills, remove_spills, spill_error
from etl.sink.spilled_runs import Runs
from etl.template import Template
from etl.units import MIB

ADVICE = "give --if-exists replace (the last record of a key stays) or skip (the first one stays)"
ADVICE_TO_GROUP = (
    "a record has to hold all of its key: gather them first, with an array for each key:"
    " --sql \"SELECT key, list(member) AS members ... GROUP BY key\" and --value '{members[]}'"
)

_KEEPS: dict[str, Keeps] = {"replace": "last", "skip": "first"}

_RUN_BYTES = 2 * MIB
_MAX_RUNS = 2048
_SHOWN_BYTES = 100


def refuse_memory(options: LoadOptions) -> None:
    """Refuse ``--memory`` where keys may be written more than once. Raises UsageError."""
    once = options.is_rdb_file() or options.url().startswith("embedded:") or options.wire == "replication"
    if given(options, "memory") and not once:
        raise UsageError(
            "--memory has no effect here: it is for loads that write each key once: --to rdb:FILE, --to"
            " embedded:FOLDER and --wire replication"
        )


def keeps_of(mapping: RecordMapping) -> Keeps:
    """Return which of the records with one key stays, by ``--if-exists`` and the type."""
    return "none" if one_record_a_key(mapping) else _KEEPS.get(mapping.if_exists, "none")


def write_keys_once(run: Run, mapping: RecordMapping, *, folder: str, memory: int) -> PrepassResult:
    """Return which records a run of this mapping is to pass over: by its ``--if-exists``, and its type.

    Of a type of which a key holds many records none of them is the later one: they end the run, as those
    with one key do for ``fail``. Raises EtlError; for the rest see ``settle_keys``.
    """
    advice = ADVICE_TO_GROUP if one_record_a_key(mapping) else ADVICE
    return settle_keys(run, mapping.key, keeps=keeps_of(mapping), folder=folder, memory=memory, advice=advice)


def settle_keys(
    run: Run, key: Template, *, keeps: Keeps, folder: str, memory: int, advice: str = ADVICE
) -> PrepassResult:
    """Return which records the run is to pass over, so that each key is written once.

    Of the records with one key that the run's encoder can encode the last one stays (``keeps`` "last"), and
    the others are superseded; or the first one ("first"), and the others are skipped. With "none" a repeated
    key ends the run by a SourceError that ends with ``advice``. Keys that are unique by themselves are not
    looked at. About ``memory`` bytes are used; what takes more is written into ``folder``, which is made, and
    removed in the end: some 12 bytes a record, and the keys that are there more than once.

    Raises UsageError for a source that can be read only once, and EtlError when a pass fails.
    """
    if keys_are_unique(key):
        return PrepassResult()
    if run.plan.blocks is None:
        raise UsageError(
            f"{key.origin}: its keys have to be looked at before the first record is written, as each can be"
            " there once, and a stream can be read only once: give a file, or put {#} into --key"
        )
    log_notice(run.plan.progress, "looking for keys that occur more than once")
    with _folder(folder):
        return _Settling(run, key, folder, memory).result(keeps, advice)


@dataclass(frozen=True, slots=True)
class KeySettling:
    """What is decided of repeated keys before a run (a ``Settles``): see ``write_keys_once``."""

    mapping: RecordMapping
    folder: str
    spool: str
    memory: int

    @property
    def keeps(self) -> Keeps:
        return keeps_of(self.mapping)

    def __call__(self, run: Run) -> PrepassResult:
        return write_keys_once(run, self.mapping, folder=self.folder, memory=self.memory)


def settling_of(mapping: RecordMapping, folder: str, spool: str, memory: int) -> KeySettling | None:
    """Return what decides of records with one key, of which a file holds one; None: no key is repeated.

    About ``memory`` bytes are used; more is written into ``folder``, and a stream is copied to ``spool``.
    """
    return None if keys_are_unique(mapping.key) else KeySettling(mapping, folder, spool, memory)


@dataclass(frozen=True, slots=True)
class _Settling:
    run: Run
    key: Template
    folder: str
    memory: int

    def result(self, keeps: Keeps, advice: str) -> PrepassResult:
        hashes = self._hashes()
        with _reading(self.folder):
            repeats = find_repeats(hashes, self.memory, self._check)
        if not repeats.hashes:
            return PrepassResult()
        candidates = self._candidates(repeats)
        with _reading(self.folder):
            return self._decided(candidates, keeps, advice)

    def _decided(self, runs: Runs, keeps: Keeps, advice: str) -> PrepassResult:
        if keeps == "none":
            repeat = first_repeat(runs, self.memory, self._check)
            if repeat is not None:
                raise self._refused(repeat, advice)
            return PrepassResult()
        numbers = losers(runs, keeps, self.memory, self._check)
        count, masks = skip_masks(self._blocks, numbers, self.memory // 8)
        return PrepassResult(
            skipped=count if keeps == "first" else 0,
            superseded=count if keeps == "last" else 0,
            present=masks,
        )

    def _hashes(self) -> Runs:
        """Write and return a hash of every key; of records that cannot be loaded, too."""
        projection = for_templates(self.run.plan.projection, [self.key])
        return self._pass(KeyHashEncoder(self.key), "hashes", HASHES, self._blocks, projection)

    def _candidates(self, repeats: Repeats) -> Runs:
        """Write and return the keys whose hashes are repeated, of records that can be loaded."""
        plan = self.run.plan
        encoder = CandidateEncoder(self.key, plan.encoder, repeats.filter)
        blocks = _blocks_at(self._blocks, repeats.places)
        return self._pass(encoder, "keys", KEYS, blocks, plan.projection)

    def _pass(
        self, encoder: Encoder, name: str, schema: pa.Schema, blocks: Sequence[Block], projection: Projection
    ) -> Runs:
        plan = self.run.plan
        share = self.memory // (4 * plan.workers)
        size = max(_RUN_BYTES, (plan.source.nbytes or 0) // _MAX_RUNS)
        target = SpillTarget(self.folder, name, schema, max(min(share, size), 1024))
        self.run.run_preliminary(
            replace(
                plan,
                target=target,
                encoder=encoder,
                single=encoder,
                blocks=tuple(blocks),
                projection=projection,
                rate=None,
            )
        )
        return target.runs()

    @property
    def _blocks(self) -> tuple[Block, ...]:
        assert self.run.plan.blocks is not None
        return self.run.plan.blocks

    def _check(self) -> None:
        if self.run.signals.stopping:
            raise self.run.signals.error()

    def _refused(self, repeat: Repeat, advice: str) -> SourceError:
        source = self.run.plan.source
        file = source.name_of(_block_of(self._blocks, repeat.number))
        other = source.name_of(_block_of(self._blocks, repeat.earlier))
        earlier = f"record {repeat.earlier:,}" + ("" if other == file else f" of {other}")
        return SourceError(
            f"record {repeat.number:,} of {file} has the key {_shown(repeat.key)}, and so has {earlier}: each"
            f" key can be there once; {advice}"
        )


def _blocks_at(blocks: Sequence[Block], places: set[int]) -> list[Block]:
    """Return the blocks that have records at some places (runs of record numbers)."""
    last = max(places)
    found = []
    for at, block in enumerate(blocks):
        first = _first(block) >> PLACE_BITS
        stop = _first(blocks[at + 1]) >> PLACE_BITS if at + 1 < len(blocks) else last
        if any(place in places for place in range(first, min(stop, last) + 1)):
            found.append(block)
    return found


def _block_of(blocks: Sequence[Block], number: int) -> Block:
    return max((block for block in blocks if _first(block) <= number), key=_first)


def _first(block: Block) -> int:
    assert block.first_record is not None
    return block.first_record


def _shown(key: bytes) -> str:
    text = key[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text + "..." if len(key) > _SHOWN_BYTES else text


@contextlib.contextmanager
def _reading(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise spill_error(folder, error) from None


@contextlib.contextmanager
def _folder(folder: str) -> Iterator[None]:
    """Make a folder for this user alone, and remove it in the end; one that a killed run has left is used."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        empty_spills(folder)
    except OSError as error:
        raise spill_error(folder, error) from None
    try:
        yield
    finally:
        remove_spills(folder)
