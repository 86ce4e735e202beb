"""The frozen nouns and the contracts of the whole program. Pure."""

from etl.plan.batch import NO_FIELDS, Batch, Reject
from etl.plan.block import BLOCK_BYTES, SMALLEST_BLOCK_BYTES, Block, Share, block_size, owner
from etl.plan.encoder import Encoder
from etl.plan.gathered import BUCKETS, Gathered, compact, differing, slices, sums_of, wanted_items
from etl.plan.marks import (
    COUNTS,
    FENCE_RECORDS,
    MAX_SHARES,
    Checkpoint,
    CheckpointWriter,
    Completed,
    about_line,
    mark_field,
    number_in,
    parse_checkpoint,
)
from etl.plan.plan import Plan
from etl.plan.projection import Projection
from etl.plan.renamed import require_own_names
from etl.plan.seal import check_of, seal, unseal
from etl.plan.source import Source
from etl.plan.stop import StopFlag
from etl.plan.target import RenewableSession, Response, Session, Target
from etl.plan.verdict import BatchResult, Difference, Refusal
from etl.plan.wire import Buffer, Wire

__all__ = [
    "BLOCK_BYTES",
    "BUCKETS",
    "COUNTS",
    "FENCE_RECORDS",
    "MAX_SHARES",
    "NO_FIELDS",
    "SMALLEST_BLOCK_BYTES",
    "Batch",
    "BatchResult",
    "Block",
    "Buffer",
    "Checkpoint",
    "CheckpointWriter",
    "Completed",
    "Difference",
    "Encoder",
    "Gathered",
    "Plan",
    "Projection",
    "Refusal",
    "Reject",
    "RenewableSession",
    "Response",
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
    "mark_field",
    "number_in",
    "owner",
    "parse_checkpoint",
    "require_own_names",
    "seal",
    "slices",
    "sums_of",
    "unseal",
    "wanted_items",
]
