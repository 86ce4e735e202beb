"""Remote files over the wire: a web server and a fake S3, both of the test's own, on the loopback."""

from __future__ import annotations

import base64
import gzip
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from etl.errors import SourceError
from etl.plan import Projection
from etl.source.storage.remote import find_remote, open_remote
from etl.source.text.find import find_text
from etl.source.text.lines import Lines
from etl.source.text.stream import TextStream
from tests.server.fake_s3 import put

TEXT = b"".join(b"%d some text %d\n" % (number, number * number) for number in range(40_000))


@dataclass
class Site:
    """What a web server has, and how it behaves."""

    files: dict[str, bytes]
    modified_at: float = 1e9
    ranges: bool = True
    sizes: bool = True
    encoding: str = ""
    password: str = ""
    cut_after: int | None = None
    requests: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *args: Any) -> None:
        self.site = site
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        self.site.requests.append(str(args[0]))

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path, _, query = self.path.partition("?")
        if self.site.password:
            expected = "Basic " + base64.b64encode(self.site.password.encode()).decode()
            if self.headers["Authorization"] != expected:
                return self.refuse(401)
        if path == "/signed.txt" and query != "sig=a%2Fb%2Bc%3D":
            return self.refuse(403)
        if path not in self.site.files:
            return self.refuse(404)
        data = self.site.files[path]
        wanted = self.headers["Range"] if self.site.ranges else None
        if wanted:
            start, _, stop = wanted.removeprefix("bytes=").partition("-")
            part = data[int(start) : int(stop) + 1 if stop else None]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}")
            data = part
        else:
            self.send_response(200)
        self.send_header("Last-Modified", formatdate(self.site.modified_at, usegmt=True))
        if path.endswith("/"):
            self.send_header("Content-Type", "text/html")
        if self.site.encoding:
            self.send_header("Content-Encoding", self.site.encoding)
        if self.site.sizes:
            self.send_header("Content-Length", str(len(data)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if body:
            self.wfile.write(data[: self.site.cut_after])
            if self.site.cut_after is not None:
                self.close_connection = True
        return None

    def refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away, which is what some tests are about."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, str]]:
    """A web server and its address."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    site = Site({})
    with Server(("127.0.0.1", 0), partial(Handler, site)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield site, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def source_of(*sources: str) -> TextStream:
    source = find_text(sources, Lines())
    assert isinstance(source, TextStream)
    return source


def text(source: TextStream) -> bytes:
    return b"".join(block.payload or b"" for block in source.blocks(100_000))


class TestHttp:
    @pytest.mark.parametrize("sizes", [True, False])
    @pytest.mark.parametrize("name", ["/x.txt", "/x.txt.gz"])
    def test_a_file_is_read_whole_in_one_request(
        self, site: tuple[Site, str], name: str, sizes: bool
    ) -> None:
        there, address = site
        there.sizes = sizes
        data = gzip.compress(TEXT) if name.endswith(".gz") else TEXT
        there.files[name] = data
        source = source_of(address + name)
        assert source.nbytes == (len(data) if sizes else None)
        assert source.names == (address + name,)
        there.requests.clear()
        blocks = list(source.blocks(100_000))
        assert b"".join(block.payload or b"" for block in blocks) == TEXT
        assert sum(block.nbytes for block in blocks) == len(data)
        assert sum(request.startswith("GET") for request in there.requests) == (1 if sizes else 2)
        source.verify_unchanged()

    def test_its_records_are_numbered_through_all_files(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.files.update({"/a.txt": b"1\n2\n", "/b.txt.gz": gzip.compress(b"3\n")})
        source = source_of(f"{address}/b.txt.gz", f"{address}/a.txt")
        reader = source.open(Projection(names=frozenset({"line"}), line=True))
        batches = [batch for block in source.blocks(99) for batch in reader.read(block)]
        lines = pa.concat_arrays([batch.line for batch in batches]).to_pylist()
        numbers = pa.concat_arrays([batch.numbers for batch in batches]).to_pylist()
        assert (numbers, lines) == ([0, 1, 2], [b"3", b"1", b"2"])

    def test_a_server_that_compresses_on_its_own_is_understood(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.encoding = "gzip"
        there.files.update({"/x.txt": gzip.compress(TEXT), "/x.txt.gz": gzip.compress(TEXT)})
        assert text(source_of(f"{address}/x.txt")) == TEXT
        assert text(source_of(f"{address}/x.txt.gz")) == TEXT

    def test_links_of_a_page_are_a_folder(self, site: tuple[Site, str]) -> None:
        there, address = site
        page = b"".join(b'<a href="%s">x</a>' % name for name in (b"b.txt", b"a.txt", b".c.txt", b"_d"))
        there.files.update({"/f/": page, "/f/a.txt": b"a\n", "/f/b.txt": b"bb\n", "/f/.c.txt": b"c\n"})
        for glob in ("/f/", "/f/*.txt"):
            found = [file for file in find_remote(address + glob) if "/." not in file.name]
            assert [(file.name, file.nbytes) for file in found] == [
                (f"{address}/f/a.txt", 2),
                (f"{address}/f/b.txt", 3),
            ]

    def test_a_signature_is_sent_as_it_was_signed(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.files["/signed.txt"] = TEXT
        assert text(source_of(f"{address}/signed.txt?sig=a%2Fb%2Bc%3D")) == TEXT

    def test_user_and_password_of_the_uri_are_sent(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.files["/x.txt"] = TEXT
        there.password = "anna:s3cr/t"
        with_password = address.replace("//", "//anna:s3cr%2Ft@")
        source = source_of(f"{with_password}/x.txt")
        assert text(source) == TEXT
        assert source.names == (f"{address}/x.txt",)
        with pytest.raises(SourceError, match=r"refuses it \(HTTP status 401\)") as raised:
            find_remote(f"{with_password}/x.txt".replace("s3cr", "wrong"))
        assert "wrong" not in str(raised.value)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/nothing.txt?key=sesame", r"/nothing\.txt: there is nothing there \(HTTP status 404\)"),
            ("/signed.txt?key=sesame", r"/signed\.txt: the server refuses it \(HTTP status 403\)"),
            ("/f/*.txt", r"no file matches http://127.*/f/\*\.txt"),
        ],
    )
    def test_what_the_server_says_is_passed_on(self, site: tuple[Site, str], path: str, message: str) -> None:
        there, address = site
        there.files["/signed.txt"] = TEXT
        with pytest.raises(SourceError, match=message) as raised:
            find_remote(address + path)
        assert "sesame" not in str(raised.value)

    def test_a_connection_that_ends_too_early_is_an_error(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.files["/x.txt"] = TEXT
        source = source_of(f"{address}/x.txt")
        there.cut_after = 300_000
        with pytest.raises(
            SourceError, match=r"cannot read http://127.*/x\.txt at byte .*: the connection ended before"
        ):
            text(source)

    def test_a_file_that_changes_meanwhile_is_an_error(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.files["/x.txt"] = TEXT
        source = source_of(f"{address}/x.txt")
        there.files["/x.txt"] = TEXT[:-10]
        with pytest.raises(SourceError, match=r"x\.txt changed while it was read"):
            text(source)
        there.files["/x.txt"] = TEXT
        there.modified_at += 5
        with pytest.raises(SourceError, match=r"x\.txt changed while it was read"):
            source.verify_unchanged()
        del there.files["/x.txt"]
        with pytest.raises(SourceError, match=r"x\.txt: there is nothing there"):
            source.verify_unchanged()

    def test_parquet_is_read_anywhere_in_it(self, site: tuple[Site, str]) -> None:
        there, address = site
        table = pa.table({"n": list(range(1000))})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        there.files["/x.parquet"] = sink.getvalue().to_pybytes()
        (file,) = find_remote(f"{address}/x.parquet")
        opened, nbytes = open_remote(file)
        assert nbytes == opened.size() == len(there.files["/x.parquet"])
        assert pq.ParquetFile(opened).read().equals(table)

    def test_a_server_without_sizes_cannot_give_parquet(self, site: tuple[Site, str]) -> None:
        there, address = site
        there.sizes = False
        there.files["/x.parquet"] = b"PAR1"
        (file,) = find_remote(f"{address}/x.parquet")
        with pytest.raises(SourceError, match="does not tell the size"):
            open_remote(file)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"cannot read http://127\.0\.0\.1:1/x: .*connect"):
        find_remote("http://anna:secret@127.0.0.1:1/x?key=sesame")


class TestS3:
    @pytest.mark.parametrize("path", ["x.txt", "a folder/x é%2541.txt.gz"])
    def test_an_object_is_a_stream(self, bucket: tuple[Any, str], s3: str, path: str) -> None:
        data = gzip.compress(TEXT) if path.endswith(".gz") else TEXT
        put(bucket, path.replace("%25", "%"), data)
        source = source_of(f"s3://{bucket[1]}/{path}?{s3}")
        assert source.nbytes == len(data)
        blocks = list(source.blocks(100_000))
        assert b"".join(block.payload or b"" for block in blocks) == TEXT
        assert sum(block.nbytes for block in blocks) == len(data)
        source.verify_unchanged()

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("", ["a.txt", "b%3F.txt", "d/c.txt", "d/e/f.csv"]),
            ("d/", ["d/c.txt", "d/e/f.csv"]),
            ("*.txt", ["a.txt", "b%3F.txt"]),
            ("**/*.txt", ["a.txt", "b%3F.txt", "d/c.txt"]),
            ("d/*/*.csv", ["d/e/f.csv"]),
        ],
    )
    def test_folders_and_globs_are_listed_in_order(
        self, bucket: tuple[Any, str], s3: str, path: str, expected: list[str]
    ) -> None:
        for name in ("b?.txt", "a.txt", "d/e/f.csv", "d/c.txt", "_hidden/x.csv", "d/.x.csv"):
            put(bucket, name, f"{name}\n".encode())
        found = find_remote(f"s3://{bucket[1]}/{path}?{s3}")
        assert [file.name.removeprefix(f"s3://{bucket[1]}/") for file in found] == expected
        for file in found:
            file.verify_unchanged()
            assert file.open().read(100).endswith(b"\n")

    def test_parquet_is_read_anywhere_in_it(self, bucket: tuple[Any, str], s3: str) -> None:
        table = pa.table({"n": list(range(1000))})
        pq.write_table(table, f"{bucket[1]}/x.parquet", filesystem=bucket[0])
        (file,) = find_remote(f"s3://{bucket[1]}/x.parquet?{s3}")
        opened, nbytes = open_remote(file)
        assert nbytes == opened.size()
        assert pq.ParquetFile(opened).read().equals(table)

    def test_an_object_that_changes_is_noticed(self, bucket: tuple[Any, str], s3: str) -> None:
        put(bucket, "x.txt", TEXT)
        source = source_of(f"s3://{bucket[1]}/x.txt?{s3}")
        put(bucket, "x.txt", TEXT[:-10])
        with pytest.raises(SourceError, match=r"x\.txt changed while it was read"):
            text(source)
        with pytest.raises(SourceError, match=r"x\.txt changed while it was read"):
            source.verify_unchanged()

    @pytest.mark.parametrize("path", ["x.txt", "*.txt", "f/"])
    @pytest.mark.parametrize("exists", [True, False])
    def test_what_is_not_there_is_an_error(
        self, bucket: tuple[Any, str], s3: str, path: str, exists: bool
    ) -> None:
        name = bucket[1] if exists else "no-such-bucket"
        with pytest.raises(SourceError, match=f"s3://{name}/") as raised:
            find_remote(f"s3://KEY:sesame@{name}/{path}?{s3}")
        assert "sesame" not in str(raised.value)
