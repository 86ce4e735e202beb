"""Python records as lines of JSON, with tokens for the values that JSON does not have: see ``records``."""

from __future__ import annotations

import datetime
import json
import math
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl.units import format_bytes

_LONGEST_REPR = 1 << 16


class UnfitError(TypeError):
    """A value has no text; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Written:
    """What stands for a token: its text as a field, its text inside of JSON; ``reason``: it is a reject.

    ``json`` None: the field's text in base64, a JSON string.
    """

    text: bytes
    json: str | None
    reason: str | None = None


class Writer:
    """Writes elements as lines of JSON; ``listed`` is what its tokens (``prefix``, number, ``;``) mean."""

    def __init__(self, prefix: str, max_record: int) -> None:
        self.prefix = prefix
        self._max_record = max_record
        self.listed: list[Written] = []
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=self._other
        ).encode

    def lines(self, elements: list[Any]) -> bytes:
        """Write a line for each element; that of what is no record is a token by itself."""
        lines = [*map(self._line, elements)]
        if lines and max(map(len, lines)) > self._max_record:
            lines = [line if len(line) <= self._max_record else self._too_long(line) for line in lines]
        return b"\n".join(lines)

    def _too_long(self, line: bytes) -> bytes:
        reason = f"{self._limit(len(line))}; the beginning is kept here"
        return f'"{self._token(Written(line[:_LONGEST_REPR], "null", reason))}"'.encode()

    def _limit(self, nbytes: int) -> str:
        return f"it takes {nbytes:,} bytes, more than --max-record allows ({format_bytes(self._max_record)})"

    def _line(self, element: Any) -> bytes:
        reason = "it is no dict"
        listed = len(self.listed)
        try:
            if isinstance(element, dict):
                return self._encode(element).encode()
            if isinstance(element, Mapping):
                return self._encode(dict(element)).encode()
        except UnfitError as error:
            reason = str(error)
        except (TypeError, ValueError, RecursionError) as error:
            del self.listed[listed:]
            try:
                return self._encode(self._finite(element)).encode()
            except (TypeError, ValueError, RecursionError):
                reason = _described(error)
        del self.listed[listed:]
        return f'"{self._token(Written(_repr(element), "null", reason))}"'.encode()

    def _token(self, written: Written) -> str:
        self.listed.append(written)
        return f"{self.prefix}{len(self.listed) - 1};"

    def _finite(self, value: Any) -> Any:
        """Return the same value with tokens for floats that are not finite, which JSON's encoder refuses."""
        if isinstance(value, float) and not math.isfinite(value):
            return self._token(Written(repr(float(value)).encode(), "null"))
        if isinstance(value, Mapping):
            return {key: self._finite(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._finite(inner) for inner in value]
        if not isinstance(value, str | int | float | None):
            return self._finite(self._other(value))
        return value

    def _other(self, value: Any) -> Any:
        """Return what JSON has for a value of a type that it does not have. Raises UnfitError."""
        if isinstance(value, bytes | bytearray | memoryview):
            raw = bytes(value)
            if len(raw) > self._max_record:
                raise UnfitError(self._limit(len(raw)))
            return self._token(Written(raw, None)) if raw else ""
        if isinstance(value, Decimal):
            if not value.is_finite():
                return self._token(Written(str(value).lower().replace("infinity", "inf").encode(), "null"))
            digits = format(value, "f")
            return self._token(Written(digits.encode(), digits))
        if isinstance(value, datetime.timedelta):
            return _duration(value)
        if hasattr(value, "isoformat"):
            return _moment(value)
        if isinstance(value, uuid.UUID):
            return str(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, Mapping):
            return dict(value)
        if type(value).__name__ == "NAType":  # pandas' own null
            return None
        return _of_numpy(value)


def _moment(value: Any) -> str | None:
    if value != value:  # pandas' NaT
        return None
    text = str(value.isoformat())
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _duration(value: datetime.timedelta) -> str | None:
    if value != value:
        return None
    micros = value // datetime.timedelta(microseconds=1)
    seconds, fraction = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}PT{seconds}" + (f".{fraction:06d}" if fraction else "") + "S"


def _of_numpy(value: Any) -> Any:
    """Return what a scalar or an array of numpy holds, without importing numpy."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind == "M":
        return None if str(value) == "NaT" else str(value)
    if kind is not None and kind in "biufSU" and hasattr(value, "tolist"):
        return value.tolist()
    raise UnfitError(f"it holds a value of type {type(value).__qualname__}, which has no text")


def _described(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"it holds \\u{ord(error.object[error.start]):04x}, half of a surrogate pair: no text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it cannot be written as JSON: {str(error).splitlines()[0]}"


def _repr(element: Any) -> bytes:
    try:
        text = repr(element)
    except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything
        text = f"<{type(element).__qualname__}>"
    if len(text) > _LONGEST_REPR:
        text = text[:_LONGEST_REPR] + "..."
    return text.encode("utf-8", "backslashreplace")
