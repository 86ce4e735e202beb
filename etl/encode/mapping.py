"""What a record becomes: the mapping of one run, and the contract of a Redis type, which encodes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from etl.encode.rdb.encoder import RdbEncoder
from etl.encode.rdb.hashes import HashEncoding
from etl.encode.resp.command import Command, command
from etl.encode.verify.check import Check
from etl.errors import UsageError
from etl.plan import Encoder
from etl.template import JSON, LINE, Field, Template

IF_EXISTS = ("replace", "merge", "skip", "fail")


@dataclass(frozen=True, slots=True)
class Expiry:
    """When keys expire: ``word`` is PX or EX (how long), or PXAT or EXAT (when), ``value`` the number.

    The number counts milliseconds after PX and PXAT, seconds after EX and EXAT.
    """

    word: str
    value: Template

    @property
    def words(self) -> tuple[Template, ...]:
        """The words of SET's own expiry: ``PX 60000``."""
        return (Template((self.word.encode(),)), self.value)

    def command(self, key: Template) -> Command:
        """Return the command that sets it, for types whose own commands cannot."""
        names = {"PX": "PEXPIRE", "EX": "EXPIRE", "PXAT": "PEXPIREAT", "EXAT": "EXPIREAT"}
        return command(names[self.word], key, self.value)


@dataclass(frozen=True, slots=True)
class RecordMapping:
    """What records become: values of a ``type`` made by templates, or ``commands``; frozen, picklable.

    ``kind`` is the type's name. ``commands`` is not empty for ``--command``, and then nothing but
    ``if_exists`` (merge) counts. With ``restores`` hashes go by RESTORE, in that encoding. ``pack`` is how
    many strings a hash holds (None: each is a key). ``clustered``: the keys of one command have to lie in one
    slot.
    """

    kind: str
    type: RedisType
    key: Template
    value: Template
    score: Template
    expiry: Expiry | None
    if_exists: str
    commands: tuple[Command, ...] = ()
    restores: HashEncoding | None = None
    pack: int | None = None
    clustered: bool = False

    def encoder(self) -> Encoder:
        """Return the encoder of the load. Raises UsageError for what contradicts itself."""
        return self.type.encoder(self)

    def single(self) -> Encoder:
        """Return the encoder that sends each record in commands of its own."""
        return self.type.single(self)

    def prepass(self) -> Encoder | None:
        """Return the encoder of the pass over the keys before the load; None: there is none."""
        return self.type.prepass(self)

    @property
    def hash_encodings(self) -> tuple[HashEncoding, ...]:
        """The encodings in which RESTORE could make the records, the best first; empty: none."""
        return self.type.hash_encodings(self)

    @property
    def keys(self) -> tuple[Template, ...]:
        """The templates of the keys that a record is written to."""
        return tuple(dict.fromkeys(command.key for command in self.commands)) or (self.key,)

    @property
    def adds_up(self) -> bool:
        """Return True if a load that is done twice leaves more than one that is done once."""
        return self.type.adds_up(self)

    @property
    def repeatable(self) -> bool:
        """Return True if a record may be written twice and be there once; else it goes through a fence.

        It does also where the second answer would differ from the first: that the key exists, which the first
        has made.
        """
        return self.type.repeatable(self)

    @property
    def fence_counts(self) -> bool:
        """Return True if without a fence a record may be there twice, and not only be counted wrongly."""
        return not (self.repeatable or self.type.overwrites)

    @property
    def may_be_fenced(self) -> bool:
        """Return True if it would go through a fence if the server takes RESTORE."""
        restoring = [replace(self, restores=encoding) for encoding in self.hash_encodings]
        return not all(mapping.repeatable for mapping in (self, *restoring))


class RedisType(ABC):
    """One Redis type: how records become values of it. Pure, without state; equal if of one class.

    ``options`` are those options that not every type has and this one has; ``requires`` names, for some of
    them, the other option without which they have no effect here. ``holds_one_record``: a key holds one
    record, and another record with the same key overwrites it. ``overwrites``: what is written twice is there
    once, though the second answer may differ. ``takes_members``: a record may have several members of a key,
    those of an array field.
    """

    options: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[Mapping[str, str]] = {}
    holds_one_record: ClassVar[bool] = False
    overwrites: ClassVar[bool] = False
    takes_members: ClassVar[bool] = False

    @abstractmethod
    def encoder(self, mapping: RecordMapping) -> Encoder:
        """Return the cheapest encoder of a load. Raises UsageError for what contradicts itself."""

    @abstractmethod
    def single(self, mapping: RecordMapping) -> Encoder:
        """Return the encoder that sends each record in commands of its own, so that an error concerns it."""

    @abstractmethod
    def prepass(self, mapping: RecordMapping) -> Encoder | None:
        """Return the encoder of the pass over the keys that ``if_exists`` needs before the load, or None."""

    def rdb_encoder(self, mapping: RecordMapping, *, version: int, base_ms: int) -> RdbEncoder:
        """Return the encoder of entries of an RDB file of that version, each of which is a whole key.

        Expiries that say how long begin at ``base_ms`` (since 1970). Raises UsageError, as here, where
        records of the type have no place in such a file.
        """
        raise UsageError(f"--as {mapping.kind} cannot be written into an RDB file")

    @abstractmethod
    def checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        """Return what compares the values with the source. Raises UsageError where nothing can."""

    def rdb_checks(self, mapping: RecordMapping) -> tuple[Check, ...]:
        """Return what compares the keys of an RDB file with the source, where it differs from ``checks``."""
        return self.checks(mapping)

    def default_value(self, of_lines: bool) -> Template:
        """Return what ``--value`` is when it is not given: here the whole record."""
        return Template((Field(LINE if of_lines else JSON),))

    def hash_encodings(self, mapping: RecordMapping) -> tuple[HashEncoding, ...]:
        """Return the encodings in which RESTORE could make the records; here none."""
        return ()

    def adds_up(self, mapping: RecordMapping) -> bool:
        """Return True if a load that is done twice leaves more than one that is done once."""
        return False

    def repeatable(self, mapping: RecordMapping) -> bool:
        """Return True if a record may be sent twice and be there once, and is answered alike."""
        return True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))
