"""Pieces become wires, when and as large as ``--max-rate`` and the fence allow."""

from __future__ import annotations

import pyarrow as pa

from etl.encode.choose import by_key
from etl.plan import FENCE_RECORDS, Encoder, Plan, StopFlag, Wire
from etl.report import Counters
from etl.worker.in_flight import InFlight
from etl.worker.rate_limit import RateLimiter


class PieceEncoder:
    """Encodes one worker's pieces, and waits until each may be sent."""

    def __init__(self, plan: Plan, worker: int, counters: Counters, stop: StopFlag) -> None:
        self._plan = plan
        # A server of its own takes all commands of a record together.
        split = by_key if plan.target.clustered else _together
        self._encoders, self._single = split(plan.encoder), split(plan.single)
        self._rate_limiter = None if plan.rate is None else RateLimiter(plan.rate, worker, counters, stop)

    @property
    def max_records(self) -> int | None:
        """Return how many records a piece may have now; None: as many as there are."""
        most = FENCE_RECORDS if self._plan.fenced else None
        few = None if self._rate_limiter is None else self._rate_limiter.max_records
        return few if most is None else most if few is None else min(few, most)

    def encoder(self, piece: InFlight) -> Encoder:
        """Return the encoder of a piece, which also reads its replies."""
        return (self._single if piece.single else self._encoders)[piece.part]

    @property
    def keys_a_record(self) -> int:
        """Return with how many keys a record is written, which may lie at as many nodes."""
        return len(self._encoders)

    def keys(self, piece: InFlight) -> pa.Array:
        """Return the key of each record of a piece (``binary``)."""
        return self.encoder(piece).keys(piece.batch)

    def encode(self, piece: InFlight) -> Wire:
        """Return the commands of a piece."""
        return self.encoder(piece).encode(piece.batch)

    def keep_to_rate(self, piece: InFlight, wire: Wire) -> None:
        """Return when a piece may be sent. Raises StoppedError when the run is to stop."""
        if self._rate_limiter is not None:
            self._rate_limiter.wait(len(piece.batch), wire.nbytes)


def _together(encoder: Encoder) -> tuple[Encoder, ...]:
    return (encoder,)
