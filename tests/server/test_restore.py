"""Hashes by RESTORE on real servers that check every byte: the same hashes as by HSET, also afterwards."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from etl.cli.main import main
from etl.encode.rdb.hashes import LISTPACK, ZIPLIST, HashEncoding
from etl.encode.rdb.payload import payload
from etl.encode.rdb.probe import objection, probe
from etl.encode.strategies.restore import RestoreEncoder
from etl.plan import Batch, BatchResult, Refusal, Wire
from etl.sink.error_replies import error_reply
from etl.template import parse_template
from tests.examples import examples
from tests.support import RealServer, StartServer, data_size
from tests.support.versions import NEW, OLD, SYSTEM, binary_of

Record = dict[bytes, bytes]

STRICT = ("--sanitize-dump-payload", "yes", "--rdbcompression", "no")

EDGES = [0, 127, 128, 4095, 4096, 2**15, 2**23, 2**31, 2**63, 2**64]
LENGTHS = [0, 1, 62, 63, 64, 65, 124, 125, 126, 127, 128, 4094, 4095, 4096, 16383, 16384]


@dataclass(frozen=True, slots=True)
class Place:
    """Where hashes of a form are loaded: ``start`` starts a server that checks every byte."""

    form: HashEncoding
    start: Callable[[], RealServer]

    def encoder(self, expiry: str = "", if_exists: str = "replace") -> RestoreEncoder:
        return RestoreEncoder(template("r:{id}"), tuple(map(template, expiry.split())), if_exists, self.form)

    def restore(
        self, server: RealServer, records: list[Record], member: RestoreEncoder | None = None
    ) -> BatchResult:
        member = member or self.encoder()
        batch = batch_of(records)
        wire = member.encode(batch)
        return member.read_replies(batch, wire, answers(server, wire))


@pytest.fixture(params=[OLD, SYSTEM, NEW])
def place(request: pytest.FixtureRequest, start_server: StartServer) -> Place:
    binary = binary_of(request.param)
    if request.param == OLD:
        return Place(ZIPLIST, lambda: start_server(*STRICT, binary=binary))
    return Place(LISTPACK, lambda: start_server(*STRICT, "--enable-debug-command", "yes", binary=binary))


def template(text: str) -> Any:
    return parse_template(text, option="--key")


def batch_of(records: list[Record], **more: list[bytes]) -> Batch:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [pa.array([record.get(name) for record in records], pa.binary()) for name in names]
    texts = [name.decode("utf-8", "surrogateescape") for name in names]
    beside = {"id": [b"%d" % at for at in range(len(records))], **more}
    columns += [pa.array(values, pa.binary()) for values in beside.values()]
    return Batch(fields=pa.RecordBatch.from_arrays(columns, [*texts, *beside]), spread=tuple(texts))


def answers(server: RealServer, wire: Wire) -> list[Any]:
    """Send a wire as it is and give the replies."""
    reader = hiredis.Reader(replyError=error_reply)
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(b"".join(bytes(buffer) for buffer in wire.buffers))
        replies: list[Any] = []
        while len(replies) < wire.commands:
            reader.feed(connection.recv(1 << 16))
            while (reply := reader.gets()) is not False:
                replies.append(reply)
    return replies


names = st.one_of(
    st.sampled_from([b"", b"a", b"7", b"-4097", b"007", b"\0", b"n" * 63, b"n" * 64, b"n" * 4096]),
    st.text("abc", min_size=1, max_size=3).map(str.encode),
)
values = st.one_of(
    st.builds(
        lambda edge, sign, step: b"%d" % (sign * edge + step),
        st.sampled_from(EDGES),
        st.sampled_from([1, -1]),
        st.sampled_from([-1, 0, 1]),
    ),
    st.sampled_from([b"007", b"-0", b"+1", b"1.10", b"1e5", b"", b" 1", b"1\0"]),
    st.builds(
        lambda length, byte: byte * length, st.sampled_from(LENGTHS), st.sampled_from([b"v", b"\xff", b"9"])
    ),
    st.binary(max_size=100),
    st.text(max_size=30).map(str.encode),
)
hashes = st.lists(st.dictionaries(names, values, min_size=1, max_size=8), min_size=1, max_size=10)


def changed(client: Redis, key: str, record: Record) -> list[Any]:
    """Change a hash in all ways, and say what the server answers and what is left of it."""
    first, last = next(iter(record)), list(record)[-1]
    said = [
        client.hset(key, first, "new"),
        client.hset(key, "added", "x" * 70),
        client.hset(key, "count", 41),
        client.hincrby(key, "count"),
        client.hset(key, last, "-129"),
        client.hincrby(key, last, 1),
        client.hget(key, last),
        client.hdel(key, first),
        client.hexists(key, first),
    ]
    return [*said, client.hgetall(key)]


@examples(1.5)
@given(records=hashes)
def any_hashes_are_the_same_by_both_ways(
    place: Place, strict_server: RealServer, other: RealServer, records: list[Record]
) -> None:
    client = strict_server.client()
    client.flushall()
    assert place.restore(strict_server, records) == BatchResult(written=len(records))
    for at, record in enumerate(records):
        client.hset(f"h:{at}", mapping=record)  # type: ignore[arg-type]
    client.execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]
    elsewhere = other.client()
    for at, record in enumerate(records):
        ours, theirs = f"r:{at}", f"h:{at}"
        assert client.hgetall(ours) == client.hgetall(theirs) == record
        assert client.hlen(ours) == len(record)
        assert {name: client.hget(ours, name) for name in record} == record
        elsewhere.restore("k", 0, client.dump(ours) or b"", replace=True)
        assert elsewhere.hgetall("k") == record
        assert changed(client, ours, record) == changed(client, theirs, record)


def test_any_hashes_are_the_same_by_restore_and_by_hset(place: Place) -> None:
    any_hashes_are_the_same_by_both_ways(place, place.start(), place.start())


@pytest.mark.parametrize(
    "record",
    [
        {b"f%d" % at: b"%d" % at for at in range(512)},
        {b"f%d" % at: b"%d" % at for at in range(513)},
        {b"f%d" % at: b"x" * 4000 for at in range(16)},
        {b"f%d" % at: b"x" * 4000 for at in range(17)},
        {b"f": b"x" * 1_000_000, b"g": b"1"},
        {b"n" * 100_000: b"1", b"g": b"y" * 70_000},
    ],
)
def test_large_hashes_are_restored_among_small_ones(place: Place, record: Record) -> None:
    server = place.start()
    small = {b"a": b"1", b"b": b"two"}
    records = [small, record, small, record]
    assert place.restore(server, records) == BatchResult(written=4)
    server.client().execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]
    assert [server.client().hgetall(f"r:{at}") for at in range(4)] == records


def test_what_the_server_dumps_is_what_was_sent(place: Place) -> None:
    server = place.start()
    records = [{b"#": b"%d" % at, b"v": b"x" * at, b"n": b"%d" % -(at**4)} for at in range(300)]
    place.restore(server, records)
    dumped = [server.client().dump(f"r:{at}") or b"" for at in range(300)]
    sent = [payload(list(record.items()), place.form) for record in records]
    # Without the last ten bytes: the version, which is the server's own, and the checksum of all before it.
    assert [one[:-10] for one in dumped] == [one[:-10] for one in sent]


def test_a_value_of_more_than_64_bytes_leaves_the_hash_compact(place: Place) -> None:
    server = place.start()
    place.restore(server, [{b"a": b"1", b"note": b"x" * 70}])
    client = server.client()
    client.hset("h", mapping={"a": "1", "note": "x" * 70})
    assert client.object("encoding", "r:0") == place.form.encoding.encode()
    assert client.object("encoding", "h") == b"hashtable"
    client.execute_command("DEBUG", "RELOAD")  # type: ignore[no-untyped-call]
    assert client.hgetall("r:0") == client.hgetall("h")


@pytest.mark.parametrize(
    ("if_exists", "result", "left"),
    [
        ("replace", BatchResult(written=2), b"new"),
        ("skip", BatchResult(written=1, skipped=1), b"old"),
        ("fail", BatchResult(written=1, refusals=(Refusal(0, "its key exists"),)), b"old"),
    ],
)
def test_a_key_that_is_there_is_treated_as_told(
    place: Place, if_exists: str, result: BatchResult, left: bytes
) -> None:
    server = place.start()
    client = server.client()
    client.hset("r:0", "v", "old")
    found = place.restore(server, [{b"v": b"new"}, {b"v": b"x" * 5000}], place.encoder(if_exists=if_exists))
    assert found == result
    assert client.hget("r:0", "v") == left
    assert client.hget("r:1", "v") == b"x" * 5000


def test_a_key_of_another_type_is_replaced(place: Place) -> None:
    server = place.start()
    server.client().set("r:0", "a string", ex=100)
    assert place.restore(server, [{b"v": b"new"}]) == BatchResult(written=1)
    assert server.client().hgetall("r:0") == {b"v": b"new"}
    assert server.client().ttl("r:0") == -1


@pytest.mark.parametrize("record", [{b"v": b"small"}, {b"v": b"x" * 5000}])
def test_a_key_expires_when_told(place: Place, record: Record) -> None:
    server = place.start()
    client = server.client()
    now = int(time.time())
    for expiry in (
        "PX 500000",
        "EX 500",
        "EX {ttl}",
        f"EXAT {now + 500}",
        "EXAT {at}",
        f"PXAT {now + 500}000",
    ):
        member = place.encoder(expiry)
        batch = batch_of([record], ttl=[b"500"], at=[b"%d" % (now + 500)])
        assert answers(server, member.encode(batch)) == [b"OK"]
        assert client.hgetall("r:0") == record
        assert 480 <= client.ttl("r:0") <= 501
    past = place.encoder("EXAT 1000000000")
    assert answers(server, past.encode(batch_of([record]))) == [b"OK"]
    assert client.exists("r:0") == 0


# The probe


def test_a_real_server_has_no_objection_and_keeps_nothing(place: Place) -> None:
    server = place.start()
    assert objection(answers(server, probe(b"etl:{j}:probe", place.form)), place.form) is None
    assert data_size(server.client()) == 0


def test_a_user_who_may_not_restore_is_an_objection(place: Place) -> None:
    server = place.start()
    server.client().acl_setuser("default", enabled=True, commands=["-restore"])
    said = objection(answers(server, probe(b"p", place.form)), place.form)
    assert said is not None
    assert said.startswith(f"RESTORE of a {place.form.encoding} was refused: NOPERM")


def test_each_form_is_for_servers_of_its_own_time(place: Place) -> None:
    server = place.start()
    (other,) = {LISTPACK, ZIPLIST} - {place.form}
    said = objection(answers(server, probe(b"p", other)), other)
    assert said == (
        "OBJECT ENCODING answered b'listpack' instead of b'ziplist'"
        if other is ZIPLIST
        else "RESTORE of a listpack was refused: ERR DUMP payload version or checksum are wrong"
    )
    assert data_size(server.client()) == 0


def test_a_load_takes_the_form_of_the_server(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, place: Place
) -> None:
    server = place.start()
    source = tmp_path / "users.csv"
    note = "x" * 70
    source.write_text("id,name,note\n" + "".join(f"{at},user {at},{note}\n" for at in range(500)))
    for verb, field in (("load", "written"), ("verify", "equal")):
        options = ("--to", server.url, "--key", "user:{id}", "--workers", "1", "--json")
        assert main([verb, str(source), *options]) == 0
        assert json.loads(capsys.readouterr().out)["records"][field] == 500
    client: Any = server.client()
    assert client.info("commandstats")["cmdstat_restore"]["calls"] >= 500
    assert {client.object("encoding", f"user:{at}") for at in range(500)} == {place.form.encoding.encode()}
    assert client.hgetall("user:7") == {b"id": b"7", b"name": b"user 7", b"note": note.encode()}
