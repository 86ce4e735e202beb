"""What a run is going to do, decided before the first record is read.

A plan is frozen and picklable: a Process, another machine and the calling process itself carry out the
same plan, each its own shard. The three contracts that a plan is made of stand here; their members live in
``source/``, ``encode/`` and ``target/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from etl.errors import TargetError
from etl.plan.wire import Wire
from etl.report import Budget, Example, Refusal, Verdict
from etl.template import Template
from etl.units import KIB, MIB
from etl.worker.messages import StopFlag

if TYPE_CHECKING:
    from etl.job.presence import Presence
    from etl.plan.marks import Done, Marks

BLOCK_BYTES = MIB
"""Long enough to make Arrow's cost per call vanish, short enough to stay in the processor's cache."""

IN_FLIGHT_S = 0.2
"""How much a rate lets be under way, in seconds of it.

What lies in the sockets of a server that stands still reaches it at once when it goes on. Less would keep
the rate from a server that is far away: this is a round trip.
"""

SMALLEST_BLOCK_BYTES = 64 * KIB
BLOCKS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class Share:
    """Records of a block: those whose number modulo ``workers`` is ``worker``, and is under ``below``."""

    workers: int
    worker: int
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole records that is found, read and encoded on its own.

    ``number`` counts through the whole input; ``file`` is an index into the source's files; ``start`` and
    ``stop`` are offsets in that file (bytes; what a unit is otherwise, the source says); ``first_record`` is
    the number of its first record through the whole input, or None where nobody counted. ``payload`` is the
    block itself where it cannot be read again (a stream): the parent sends it to the block's worker, with
    ``offset``, where the payload begins in the file's decompressed text.
    ``records`` is how many there are, where whoever cut the block has counted them.
    ``passed_over`` has a bit for each record that an earlier pass has settled (None: none of them);
    ``settled`` are the shares of it that an earlier run, or worker, has done. ``long_bytes`` is the length of
    the one record that it is, where that is longer than ``--max-record`` allows; None for all other blocks.
    """

    number: int
    file: int
    start: int
    stop: int
    first_record: int | None = None
    payload: bytes | None = field(default=None, repr=False)
    passed_over: bytes | None = field(default=None, repr=False)
    offset: int | None = None
    settled: tuple[Share, ...] = ()
    records: int | None = None
    long_bytes: int | None = None

    @property
    def nbytes(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was refused: where it stands, why, and its original bytes.

    ``record`` is its number through the whole input (None where nobody counted), ``offset`` its first byte
    in the file (None where the format has no such thing).
    """

    file: str
    record: int | None
    offset: int | None
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one block, in order, by columns of the same length.

    ``fields``: one ``binary`` column a field, null where the record has no such field (a column named
    ``x[]`` is ``list<binary>``, the members of the array field ``x``). ``spread`` names the columns that
    ``{*}`` stands for, in order. ``numbers`` (int64) are the records' numbers, ``line`` (binary) their
    original text, ``json`` (binary) their JSON text: None where nobody asked for them. ``rejects`` are
    records of the block that are in no column, because they could not be parsed.
    """

    fields: pa.RecordBatch
    spread: tuple[str, ...] = ()
    numbers: pa.Array | None = None
    line: pa.Array | None = None
    json: pa.Array | None = None
    rejects: tuple[Reject, ...] = ()
    rows: int = -1  # given where ``fields`` has no column to tell it

    def __len__(self) -> int:
        return self.rows if self.rows >= 0 else int(self.fields.num_rows)

    def take(self, indices: pa.Array) -> Batch:
        """Give the records at ``indices`` as a batch of their own, without the rejects."""

        def some(column: pa.Array | None) -> pa.Array | None:
            return None if column is None else column.take(indices)

        return Batch(
            fields=self.fields.take(indices) if self.fields.num_columns else self.fields,
            spread=self.spread,
            numbers=some(self.numbers),
            line=some(self.line),
            json=some(self.json),
            rows=len(indices) if self.rows >= 0 else -1,
        )


NO_FIELDS = pa.RecordBatch.from_arrays([], names=[])
"""The fields of records that have none: such a batch gives its ``rows``."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What of a record is wanted, and under which names. Pure; readers obey it.

    ``names``: fields that templates name (after renaming). ``lists``: those named as ``{field[]}``. ``all``:
    the columns of ``{*}`` are wanted. ``line``, ``json``: so are these texts. ``include`` (None: all) and
    ``exclude`` choose what ``{*}`` and ``{json}`` hold, by source names; ``rename`` are pairs of source name
    and new name. ``flatten`` spreads nested objects into ``a.b``; ``omit_empty`` makes an empty text an
    absent field; ``vectors`` is ``raw`` (little-endian float32) or ``text`` (JSON).
    """

    names: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    all: bool = False
    line: bool = False
    json: bool = False
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    flatten: bool = False
    omit_empty: bool = False
    vectors: str = "raw"

    def new_name(self, name: str) -> str:
        """Give the name that a source's field has after renaming."""
        return dict(self.rename).get(name, name)

    def source_names(self, name: str) -> tuple[str, ...]:
        """Give the source's names of a field that a template names; a record may have one of them only."""
        renamed = tuple(old for old, new in self.rename if new == name)
        return renamed if self.new_name(name) != name else (*renamed, name)

    def spreads(self, name: str) -> bool:
        """Say whether ``{*}`` and ``{json}`` hold the source's field ``name``."""
        return (self.include is None or name in self.include) and name not in self.exclude

    def wants(self, name: str) -> bool:
        """Say whether the source's field ``name`` has to be read at all."""
        if (self.all or self.json) and self.spreads(name):
            return True
        return self.new_name(name) in self.names | self.lists


class Reader(Protocol):
    """An open source, in the process that reads it. Not picklable, not thread-safe."""

    def read(self, block: Block) -> Iterator[Batch]:
        """Yield the block's records in order, as one or more batches, with what the projection wants.

        A batch of the block has all its records or rejects, each once. Raises SourceError when the input is
        not what it was when the plan was made.
        """

    def originals(self, block: Block, records: Sequence[int]) -> list[Reject]:
        """Return what the source has of some records of a block, in one pass over it.

        ``records`` are numbers through the whole input, ascending, each once. Returns a Reject without a
        reason for each of them, in order: file, number, byte offset and original bytes.
        """

    def close(self) -> None:
        """Let go of open files. May be called twice."""


class Source(Protocol):
    """One input in one format: frozen, picklable, opened where it is read."""

    @property
    def fields(self) -> tuple[str, ...] | None:
        """Names of the fields every record has, or None where only the records tell (JSON)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that make this the same input in another run: real paths, URIs; no secrets."""

    @property
    def fingerprint(self) -> str | None:
        """Digest of what tells this input from a changed one: names, sizes, times; None: nobody can tell."""

    @property
    def nbytes(self) -> int | None:
        """Size of the whole input, in the unit of ``Block.nbytes``; None where nobody knows (a pipe)."""

    @property
    def streamed(self) -> bool:
        """Say whether blocks have payloads: made once, in the parent, in order, and sent to workers."""

    def blocks(self, block_bytes: int) -> Iterator[Block]:
        """Cut the input into blocks of about ``block_bytes``, in order, each ending at a record's end.

        Each knows its first record's number. Called in the parent. Raises SourceError.
        """

    def open(self, projection: Projection) -> Reader:
        """Open the input for reading, in the process that calls."""

    def verify_unchanged(self) -> None:
        """Raise SourceError when the input is no longer what the plan was made from."""

    def name_of(self, block: Block) -> str:
        """Name the file a block lies in, for messages."""


class Encoder(Protocol):
    """Turns batches into wire bytes, and replies into verdicts. Pure, picklable: no I/O, no clock."""

    @property
    def templates(self) -> tuple[Template, ...]:
        """The templates whose fields have to be read."""

    def part(self, batch: Batch) -> tuple[Batch, list[Refusal]]:
        """Part the records that can be encoded from the others, whose refusals say what they lack."""

    def encode(self, batch: Batch) -> Wire:
        """Make the commands of a batch that ``part`` has let pass, and the reply they have if all is well."""

    def judge(self, batch: Batch, wire: Wire, replies: Sequence[Any] | None) -> Verdict:
        """Say what became of each record of the batch.

        ``replies`` has one element a command (an exception for an error reply), or is None when the
        server answered exactly ``wire.expected``.
        """


class Session(Protocol):
    """One worker's conversation with the target."""

    def submit(self, wire: Wire, token: Any) -> Iterator[Answer]:
        """Hand one wire to the server; give the answers that have come in meanwhile, oldest first.

        Blocks, before it returns, only while the bounds in flight are reached. Raises TargetError, or has
        the iterator raise it behind the answers that came in before the failure.
        """

    def drain(self) -> Iterator[Answer]:
        """Wait for every outstanding reply and give the answers. Raises TargetError as ``submit`` does."""

    def close(self) -> None:
        """End the conversation. May be called twice."""


class SteadySession(Session, Protocol):
    """A session that sends again what has no answer; the same names may lead to another server then."""

    def renew(self) -> None:
        """Connect anew. Raises TargetError."""


class Patience(Protocol):
    """Waits between one refusal and the next, up to a deadline."""

    def wait(self, news: TargetError, limit_s: float | None = None) -> None:
        """Pause. Raises TargetError when the deadline is over, StoppedError when the run is to stop."""

    def end(self) -> None:
        """Note good news."""


class Target(Protocol):
    """Where the records go: frozen, picklable, no secret in its ``repr``."""

    @property
    def own(self) -> bool:
        """Say whether nobody else can be connected to it."""

    def connect(self, client_name: str) -> Session:
        """Open a session of one's own. Raises TargetError."""

    def met(
        self,
        client_name: str,
        stop: StopFlag,
        retry_for_s: float | None = None,
        told: Callable[[str], None] = ...,
    ) -> Target:
        """Connect; give the target, knowing its server, and how long it is to be waited for.

        ``told`` hears why it is waited for. Raises TargetError.
        """

    def stay(self, client_name: str, stop: StopFlag) -> SteadySession:
        """Open a session that comes back when its connection breaks. Raises TargetError when it cannot."""

    def bounded(self, records: int | None, nbytes: int | None) -> Target:
        """Give the target for sessions that have no more than this under way (None: what is usual)."""

    def patience(self, stop: StopFlag) -> Patience:
        """Give the way to wait for a server that refuses for now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one wire: ``replies`` is None when they were exactly the expected bytes."""

    token: Any
    wire: Wire
    replies: Sequence[Any] | None


class RejectSink(Protocol):
    """Where the records go that were refused. Frozen, picklable."""

    def write(self, rejects: list[Reject]) -> None:
        """Write rejects down. Raises EtlError when that fails."""

    def in_turn(self, turn: int) -> RejectSink:
        """Give the same for workers in a later turn, who may refuse what was refused before."""


class DifferenceSink(Protocol):
    """Where all differences go that a verify finds, in full. Frozen, picklable."""

    def write(self, differences: Sequence[Example]) -> None:
        """Write differences down. Raises EtlError when that fails."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many records or bytes of the wire (``unit``) a second, over all workers.

    ``since`` is the monotonic time (seconds) from which on they count.
    """

    per_second: float
    unit: str
    since: float = 0.0

    def in_flight(self, workers: int) -> tuple[int | None, int | None]:
        """Give how many records, or else bytes, one of the workers may have under way without an answer."""
        most = max(1, int(self.per_second * IN_FLIGHT_S / workers))
        return (most, None) if self.unit == "records" else (None, most)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a worker must know.

    ``single`` encodes the records of a merged command that was refused, one command a record. ``blocks`` is
    None for a stream, whose blocks come one by one, cut by ``block_bytes``. A ``preliminary`` plan is a pass
    over the keys before the load: records that cannot be parsed or encoded are left to the load.

    ``marks`` says where marks are left (None: nowhere), ``done`` what earlier ones say of a stream's blocks.
    ``fenced``: no command may be applied twice; with ``skips`` a record is skipped whose key is there.
    ``presence`` is where workers show that they are there. ``replicas`` have to have the data before a mark
    says so. ``rate`` bounds what all workers together send; one without progress for ``stall_s`` seconds is
    ended.
    """

    source: Source
    projection: Projection
    target: Target
    encoder: Encoder
    single: Encoder
    blocks: tuple[Block, ...] | None
    workers: int
    split: str
    progress: str
    budget: Budget
    rejects: RejectSink | None
    preliminary: bool = False
    block_bytes: int = BLOCK_BYTES
    marks: Marks | None = None
    done: Done | None = None
    stall_s: float | None = None
    fenced: bool = False
    skips: bool = False
    presence: Presence | None = None
    replicas: int = 0
    rate: Rate | None = None
    differences: DifferenceSink | None = None

    def shard(self, worker: int) -> tuple[Block, ...]:
        """Give the blocks that worker ``worker`` visits.

        ``--split block``: those whose number modulo ``workers`` is ``worker``. ``--split record``: all.
        """
        blocks = self.blocks or ()
        if self.split == "record":
            return blocks
        return tuple(block for block in blocks if owner(block, self.workers) == worker)

    def for_worker(self, worker: int) -> Plan:
        """Give the same plan with one worker's blocks only, which is what travels to that worker."""
        return self if self.blocks is None else replace(self, blocks=self.shard(worker))

    def records(self) -> int | None:
        """Return how many records the blocks have; None where that was not counted."""
        counts = [block.records for block in self.blocks] if self.blocks is not None else [None]
        return None if None in counts else sum(count or 0 for count in counts)

    def busy_workers(self) -> int:
        """Give the number of workers up to the last one that has anything to do."""
        if self.blocks is None:
            return self.workers
        if self.split == "record":
            return self.workers if self.blocks else 0
        return max((owner(block, self.workers) + 1 for block in self.blocks), default=0)


def owner(block: Block, workers: int) -> int:
    """Give the worker a block belongs to: its number modulo the number of workers."""
    return block.number % workers


def block_size(nbytes: int, workers: int) -> int:
    """Choose the size of a block, so that a small input still gives every worker something.

    A big input has blocks of BLOCK_BYTES. A smaller one has BLOCKS_PER_WORKER blocks a worker, and one that
    is too small for blocks of SMALLEST_BLOCK_BYTES has one block a worker.
    """
    if nbytes >= BLOCK_BYTES * BLOCKS_PER_WORKER * workers:
        return BLOCK_BYTES
    size = -(-nbytes // (BLOCKS_PER_WORKER * workers))
    if size < SMALLEST_BLOCK_BYTES:
        size = min(SMALLEST_BLOCK_BYTES, nbytes // workers)
    return max(size, 1)
