"""The frozen nouns and the contracts of the whole program. Pure."""

from etl.plan.batch import NO_FIELDS, Batch, Reject
from etl.plan.block import BLOCK_BYTES, SMALLEST_BLOCK_BYTES, Block, Share, block_size, owner
from etl.plan.encoder import Encoder
from etl.plan.gathered import BUCKETS, Gathered, compact, differing, slices, sums_of, wanted_items
from etl.plan.journal import JOURNAL, journal_bytes, journal_entries, journal_entry
from etl.plan.marks import (
    COUNTS,
    FENCE_RECORDS,
    MAX_SHARES,
    NODE_PREFIX,
    Checkpoint,
    CheckpointWriter,
    Completed,
    about_line,
    mark_field,
    node_key,
    number_in,
    parse_checkpoint,
)
from etl.plan.node_checkpoints import (
    ALL_SLOTS,
    Confirmed,
    NodeCheckpoint,
    node_field,
    parse_node_checkpoint,
    slot_bits,
    slot_set,
)
from etl.plan.plan import Plan
from etl.plan.projection import Projection
from etl.plan.renamed import require_own_names
from etl.plan.seal import check_of, seal, unseal
from etl.plan.source import Source
from etl.plan.stop import StopFlag
from etl.plan.target import (
    NodeIdentity,
    RenewableSession,
    Response,
    RetryTimer,
    RoutedSession,
    Session,
    Target,
)
from etl.plan.verdict import BatchResult, Difference, Refusal
from etl.plan.wire import Buffer, Wire

__all__ = [
    "ALL_SLOTS",
    "BLOCK_BYTES",
    "BUCKETS",
    "COUNTS",
    "FENCE_RECORDS",
    "JOURNAL",
    "MAX_SHARES",
    "NODE_PREFIX",
    "NO_FIELDS",
    "SMALLEST_BLOCK_BYTES",
    "Batch",
    "BatchResult",
    "Block",
    "Buffer",
    "Checkpoint",
    "CheckpointWriter",
    "Completed",
    "Confirmed",
    "Difference",
    "Encoder",
    "Gathered",
    "NodeCheckpoint",
    "NodeIdentity",
    "Plan",
    "Projection",
    "Refusal",
    "Reject",
    "RenewableSession",
    "Response",
    "RetryTimer",
    "RoutedSession",
    "Session",
    "Share",
    "Source",
    "StopFlag",
    "Target",
    "Wire",
    "about_line",
    "block_size",
    "check_of",
    "compact",
    "differing",
    "journal_bytes",
    "journal_entries",
    "journal_entry",
    "mark_field",
    "node_field",
    "node_key",
    "number_in",
    "owner",
    "parse_checkpoint",
    "parse_node_checkpoint",
    "require_own_names",
    "seal",
    "slices",
    "slot_bits",
    "slot_set",
    "sums_of",
    "unseal",
    "wanted_items",
]
