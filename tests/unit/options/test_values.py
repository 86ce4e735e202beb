"""What the values of options may be, as text and from Python, and what is said of those that cannot be."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from etl.errors import UsageError
from etl.options import (
    LoadOptions,
    merged,
)
from etl.options import values as option_values
from etl.rate import Rate
from etl.report import RejectLimit
from etl.template import Field, Milliseconds, Template
from tests.cases import cases


@cases(
    ("name", "value"),
    [
        ("to", 6379),
        ("to", b"redis://host"),
        ("format", "xml"),
        ("as_", "bitmap"),
        ("key", 3),
        ("key", b"{#}"),
        ("value", 3),
        ("score", None),
        ("command", 3),
        ("command", [3]),
        ("command", None),
        ("include", ""),
        ("include", "a,,b"),
        ("exclude", "a,"),
        ("fields", ",a"),
        ("rename", "a"),
        ("rename", "=b"),
        ("rename", "a="),
        ("rename", ["a=b", "c"]),
        ("flatten", "yes"),
        ("vectors", "json"),
        ("vectors", None),
        ("delimiter", ""),
        ("delimiter", "ab"),
        ("delimiter", "\n"),
        ("delimiter", "\r"),
        ("delimiter", "ü"),
        ("quote", "''"),
        ("quote", "\n"),
        ("quote", None),
        ("sql", b"SELECT 1"),
        ("strip", "yes"),
        ("strip", None),
        ("strip", 1),
        ("pack", 1),
        ("pack", 513),
        ("pack", "many"),
        ("pack", 2.5),
        ("pack", True),
        ("workers", 0),
        ("workers", -1),
        ("workers", "0"),
        ("workers", "many"),
        ("workers", ""),
        ("workers", 2.7),
        ("workers", "2.7"),
        ("workers", True),
        ("workers", [1]),
        ("split", "line"),
        ("split", None),
        ("split", ["block"]),
        ("max_rejects", "-1"),
        ("max_rejects", -1),
        ("max_rejects", "some"),
        ("max_rejects", "101%"),
        ("max_rejects", 0.5),
        ("max_rejects", None),
        ("rejects", b"x"),
        ("progress", "loud"),
        ("start_method", "thread"),
        ("wire", "mset"),
        ("ttl", 0),
        ("ttl", -1),
        ("ttl", "soon"),
        ("ttl", math.nan),
        ("ttl", math.inf),
        ("ttl", 1e12),
        ("ttl", 10**400),
        ("ttl", True),
        ("ttl", 0.0001),
        ("ttl", "1 fortnight"),
        ("expire_at", "tomorrow"),
        ("expire_at", "2030-02-30"),
        ("expire_at", "1969-12-31"),
        ("expire_at", True),
        ("include", [3]),
        ("include", {"a": "b"}),
        ("include", ["a,b"]),
        ("rename", [3]),
        ("delimiter", 3),
        ("stall", "soon"),
        ("retry_for", -1),
        ("wait_lock", []),
        ("if_exists", "overwrite"),
    ],
)
def test_a_value_that_cannot_be_is_a_usage_error_that_names_the_option(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name.rstrip("_").replace("_", "[-_]")):
        LoadOptions(**{name: value})


@cases(
    ("name", "value", "parsed"),
    [
        ("command", "SADD a b", ("SADD a b",)),
        ("command", ["SADD a b", "SADD c d"], ("SADD a b", "SADD c d")),
        ("rename", "a=b", (("a", "b"),)),
        ("rename", iter(["a=b"]), (("a", "b"),)),
        ("rename", [("a", "b"), "c=d=e"], (("a", "b"), ("c", "d=e"))),
        ("delimiter", "\\t", "\t"),
        ("quote", "\\t", "\t"),
        ("rename", {"a": "b", "c": "d"}, (("a", "b"), ("c", "d"))),
        ("include", ["a", "b c"], ("a", "b c")),
        ("include", "a,b c,d.e", ("a", "b c", "d.e")),
        ("exclude", ("a",), ("a",)),
        ("fields", iter(["a", "b"]), ("a", "b")),
        ("max_record", "500kB", 500_000),
        ("memory", "1.5GiB", 3 << 29),
        ("memory", 1_000_000, 1_000_000),
        ("stall", "90m", 5400.0),
        ("retry_for", timedelta(seconds=5), 5.0),
        ("wait_lock", "1.5", 1.5),
        ("keep_record", timedelta(days=1), 86_400.0),
        ("keep_record", "12h", 43_200.0),
        ("max_rejects", 5, RejectLimit(count=5)),
        ("max_rejects", "0.5%", RejectLimit(percent=0.5)),
        ("max_rejects", RejectLimit(percent=1), RejectLimit(percent=1)),
        ("max_rate", 5000, Rate(5000.0, "records")),
        ("max_rate", "1.5GB", Rate(1.5e9, "bytes")),
        ("max_rate", Rate(10.0, "bytes"), Rate(10.0, "bytes")),
        ("workers", "3", 3),
        ("pack", "512", 512),
    ],
)
def test_a_keyword_may_be_given_as_python_has_it(name: str, value: Any, parsed: Any) -> None:
    assert getattr(LoadOptions(**{name: value}), name) == parsed


@cases(
    ("name", "value", "text", "parts"),
    [
        ("ttl", timedelta(minutes=1), "60.0", (b"60000",)),
        ("ttl", "7d", "7d", (b"604800000",)),
        ("ttl", 3, "3", (b"3000",)),
        ("ttl", 1.5, "1.5", (b"1500",)),
        ("ttl", "{s}", "{s}", (Milliseconds(Template((Field("s"),))),)),
        ("expire_at", 1_900_000_000, "1900000000", (b"1900000000000",)),
        (
            "expire_at",
            datetime(2030, 1, 31, tzinfo=timezone.utc),
            "2030-01-31T00:00:00+00:00",
            (b"1896048000000",),
        ),
        ("expire_at", "{t}", "{t}", (Milliseconds(Template((Field("t"),)), absolute=True),)),
    ],
)
def test_an_expiry_is_its_text_and_the_milliseconds_that_it_means(
    name: str, value: Any, text: str, parts: tuple[Any, ...]
) -> None:
    expiry = getattr(LoadOptions(**{name: value}), name)
    assert (str(expiry), expiry.template.parts) == (text, parts)
    assert expiry.template.origin == f"--{name.replace('_', '-')} {text!r}"
    assert getattr(LoadOptions(**{name: expiry}), name) == expiry


def test_what_is_wrong_with_a_value_is_said_in_plain_words() -> None:
    """No message of Python's own, and always: the option, what it must be, and what it is."""
    time = "must be a time such as 30 (seconds), 1.5, 90m, 1h or 7d"
    for name, value, says in [
        ("workers", "abc", "--workers must be a whole number from 1, not 'abc'"),
        ("wait_replicas", "x", "--wait-replicas must be a whole number from 0, not 'x'"),
        ("pack", "1", "--pack must be a whole number from 2 to 512, not '1'"),
        ("memory", "x", "--memory must be a size like 64MB, 500kB or 1MiB, not 'x'"),
        ("memory", "999kB", "--memory must be at least 1MB, not '999kB'"),
        ("stall", "x", f"--stall {time}, not 'x'"),
        ("ttl", "x", f"--ttl {time}, or a template, not 'x'"),
        (
            "max_rejects",
            "x",
            "--max-rejects must be a whole number from 0, or a percentage such as 0.5%, not 'x'",
        ),
        (
            "max_rate",
            "x",
            "--max-rate must be records a second (5000), or bytes a second (800kB, 50MB, 1.5GB)",
        ),
        (
            "as_",
            "hsh",
            "--as must be one of hash, json, list, set, stream, string, zset, not 'hsh'; did you mean hash?",
        ),
        ("rename", "a", "--rename must be OLD=NEW, not 'a'"),
        ("delimiter", "ab", "--delimiter must be one ASCII character, no line break, not 'ab'"),
        ("key", 3, "--key must be text (str), not 3"),
        ("ttl", "{", "--ttl '{' has a lone {; for the brace itself write it twice (column 1)"),
        ("ttl", "{{3}}", f"--ttl {time}, or a template, not '{{{{3}}}}'"),
        ("strip", 1, "--strip must be True or False, not 1"),
    ]:
        with pytest.raises(UsageError) as caught:
            merged(LoadOptions, None, {name: value})
        assert str(caught.value).startswith(says), str(caught.value)
    with pytest.raises(UsageError, match=r"there is no option 'worker'; did you mean workers"):
        merged(LoadOptions, None, {"worker": 3})


def test_a_path_is_text_where_text_is_wanted() -> None:
    assert LoadOptions(key=Path("a/b")).key == "a/b"  # type: ignore[arg-type]


def test_the_longest_record_is_given_in_bytes_or_with_a_unit() -> None:
    sizes = {
        "1": 1,
        "500kB": 500_000,
        "64MB": 64_000_000,
        "1.5 MB": 1_500_000,
        "512MiB": 1 << 29,
        "2KiB": 2048,
    }
    for text, nbytes in sizes.items():
        assert option_values.record_bytes(text) == nbytes
    for text, reason in {
        "0": "from 1 byte to 512MiB",
        "513MiB": "to 512MiB",
        "much": "a size like",
        "1T": "a size",
        "1G": "to 512MiB",
    }.items():
        with pytest.raises(ValueError, match=reason):
            option_values.record_bytes(text)


@cases(
    ("given", "parsed"),
    [
        ("10.0.0.7", ("10.0.0.7", 0)),
        ("10.0.0.7:7000", ("10.0.0.7", 7000)),
        ("loader.example:1", ("loader.example", 1)),
        ("::1", ("::1", 0)),
        ("[::1]:7000", ("::1", 7000)),
        (("::1", 7000), ("::1", 7000)),
    ],
)
def test_an_address_to_listen_on_is_read_and_written(given: Any, parsed: tuple[str, int]) -> None:
    assert option_values.listening(given) == parsed
    assert option_values.listening(option_values.listening_text(parsed)) == parsed


@cases("given", ["", ":7000", "a b", "host:70000", "host:", "redis://x", "[::1", 7])
def test_what_is_no_address_to_listen_on_is_refused(given: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="must be"):
        option_values.listening(given)
