"""Fields of a job that are believed only with their check."""

from __future__ import annotations

_CHECK_FACTOR, _CHECK_PRIME = 257, 1_099_511_627_689  # products stay exact in a double


def seal(field: bytes, content: bytes) -> bytes:
    """Return the value of a record's field: its check, and the content. See NOTE(check)."""
    return check_of(field, content) + b"\n" + content


def unseal(field: bytes, value: bytes) -> bytes:
    """Return the content of a sealed field. Raises ValueError where the check is another one."""
    check, _, content = value.partition(b"\n")
    if check != check_of(field, content):
        raise ValueError("the check is wrong")
    return content


def check_of(field: bytes, content: bytes) -> bytes:
    """Return the check of a field's name and content."""
    check = 0
    for byte in b"%b\n%b" % (field, content):
        check = (check * _CHECK_FACTOR + byte) % _CHECK_PRIME
    return b"%d" % check
