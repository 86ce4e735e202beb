"""Decompressing streams: whole, in pieces, member behind member, damaged and cut short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import SourceError
from etl.source.storage.compression import MAGIC_BYTES, ByteStream, decompressed, sniff, split_name
from tests.cases import cases
from tests.examples import examples
from tests.unit.source.streams import CODECS, SUFFIX, Bytes, compress

TEXT = b"".join(b"%d: a line of text\n" % (number * 7919) for number in range(20_000))


def text_of(stream: ByteStream, nbytes: int = 1 << 16) -> bytes:
    pieces = []
    while piece := stream.read(nbytes):
        assert len(piece) <= nbytes
        pieces.append(piece)
    return b"".join(pieces)


def decompress(data: bytes, codec: str, *, most: int = 1 << 30, nbytes: int = 1 << 16) -> bytes:
    return text_of(decompressed(Bytes(data, most), codec, "x"), nbytes)


@cases(
    ("path", "expected"),
    [
        ("x.csv.gz", ("x.csv", "gzip")),
        ("x.csv.GZ", ("x.csv", "gzip")),
        ("folder.gz/x.csv", ("folder.gz/x.csv", None)),
        ("a/x.jsonl.zst", ("a/x.jsonl", "zstd")),
        ("x.bz2", ("x", "bz2")),
        ("x.tsv.xz", ("x.tsv", "xz")),
        ("x.lz4", ("x", "lz4")),
        ("x.csv", ("x.csv", None)),
        (".gz", (".gz", None)),
        ("gz", ("gz", None)),
        ("x.gz.csv", ("x.gz.csv", None)),
        ("", ("", None)),
    ],
)
def test_the_last_suffix_names_the_codec(path: str, expected: tuple[str, str | None]) -> None:
    assert split_name(path) == expected


def test_every_codec_has_a_suffix() -> None:
    assert {split_name(f"x{suffix}")[1] for suffix in SUFFIX.values()} == set(CODECS)


@cases("codec", CODECS)
@cases("data", [b"", b"a line\n"])
def test_the_first_bytes_tell_the_codec(codec: str, data: bytes) -> None:
    assert sniff(compress(codec, data)[:MAGIC_BYTES]) == codec


@cases("head", [b"", b"a line\n", b"BZh is a word", b"BZh9", b"\x1f\x8b", b"{}", b"PAR1\0\0"])
def test_text_is_not_taken_for_compressed_data(head: bytes) -> None:
    assert sniff(head) is None


def test_a_stream_without_a_codec_is_given_back() -> None:
    raw = Bytes(b"text")
    assert decompressed(raw, None, "x") is raw


@pytest.mark.parametrize("codec", CODECS)
class TestEveryCodec:
    def test_the_text_is_what_was_compressed(self, codec: str) -> None:
        assert decompress(compress(codec, TEXT), codec) == TEXT

    def test_bytes_may_come_in_one_by_one(self, codec: str) -> None:
        assert decompress(compress(codec, TEXT[:3000]), codec, most=1) == TEXT[:3000]

    def test_text_may_be_read_in_small_pieces(self, codec: str) -> None:
        assert decompress(compress(codec, TEXT[:3000]), codec, nbytes=7) == TEXT[:3000]

    def test_compressed_nothing_is_nothing(self, codec: str) -> None:
        assert decompress(compress(codec, b""), codec) == b""

    def test_members_one_behind_the_other_are_read_whole(self, codec: str) -> None:
        members = [compress(codec, part) for part in (TEXT[:1000], b"", TEXT[1000:50_000], TEXT[50_000:])]
        assert decompress(b"".join(members), codec) == TEXT

    def test_all_bytes_are_consumed_at_the_end(self, codec: str) -> None:
        raw = Bytes(compress(codec, TEXT))
        stream = decompressed(raw, codec, "x")
        assert text_of(stream) == TEXT
        assert stream.consumed == len(compress(codec, TEXT))
        assert stream.read(10) == b""

    def test_closing_closes_the_input(self, codec: str) -> None:
        raw = Bytes(compress(codec, b"x"))
        decompressed(raw, codec, "x").close()
        assert raw.closed

    @pytest.mark.parametrize("members", [1, 2])
    def test_data_cut_short_is_an_error_wherever_it_is_cut(self, codec: str, members: int) -> None:
        whole = compress(codec, TEXT[:2000])
        for length in range(1, len(whole)):
            data = whole * (members - 1) + whole[:length]
            with pytest.raises(SourceError, match=r"^(the \w+ data of )?x is cut short"):
                decompress(data, codec)

    def test_the_error_says_how_far_it_came(self, codec: str) -> None:
        data = compress(codec, TEXT)[:-5]
        with pytest.raises(SourceError, match=rf"by byte {len(data):,}, behind [\d,]+ bytes of text"):
            decompress(data, codec, nbytes=1000)

    def test_an_empty_file_is_an_error(self, codec: str) -> None:
        with pytest.raises(SourceError, match="x is empty"):
            decompress(b"", codec)

    def test_text_with_a_wrong_name_is_an_error_that_says_so(self, codec: str) -> None:
        with pytest.raises(SourceError, match=f"x is not {codec} data, which its name says it is"):
            decompress(b"id,name\n1,Anna\n", codec)

    def test_bytes_behind_the_last_member_are_an_error(self, codec: str) -> None:
        with pytest.raises(SourceError, match=r"data of x is (damaged|cut short)"):
            decompress(compress(codec, TEXT) + b"something else", codec)

    def test_a_damaged_checksum_or_end_is_an_error(self, codec: str) -> None:
        data = bytearray(compress(codec, TEXT))
        data[-3] ^= 0x55
        with pytest.raises(SourceError, match=r"data of x is (damaged|cut short)"):
            decompress(bytes(data), codec)

    def test_errors_of_the_input_come_through_as_they_are(self, codec: str) -> None:
        class Failing(Bytes):
            def read(self, nbytes: int) -> bytes:
                if self.consumed > 5000:
                    raise SourceError("the file has changed")
                return super().read(nbytes)

        stream = decompressed(Failing(compress(codec, TEXT), most=1000), codec, "x")
        with pytest.raises(SourceError, match=r"^the file has changed$"):
            text_of(stream)

    @examples(0.75)
    @given(
        parts=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
        most=st.integers(1, 50),
        nbytes=st.integers(1, 500),
    )
    def test_any_bytes_in_any_pieces_come_out_as_they_went_in(
        self, codec: str, parts: list[bytes], most: int, nbytes: int
    ) -> None:
        data = b"".join(compress(codec, part) for part in parts)
        assert decompress(data, codec, most=most, nbytes=nbytes) == b"".join(parts)


@cases("codec", CODECS)
def test_a_bomb_is_decompressed_no_faster_than_it_is_read(codec: str) -> None:
    data = compress(codec, bytes(10_000_000))
    stream = decompressed(Bytes(data), codec, "x")
    assert all(len(stream.read(50_000)) <= 50_000 for _ in range(20))


def test_zeros_between_xz_streams_are_padding() -> None:
    data = compress("xz", b"one\n") + bytes(8) + compress("xz", b"two\n") + bytes(4)
    for most in (1, 3, 1 << 20):
        assert decompress(data, "xz", most=most) == b"one\ntwo\n"


def test_damage_in_the_second_xz_stream_is_not_passed_over() -> None:
    second = bytearray(compress("xz", b"two\n"))
    second[3] ^= 1
    with pytest.raises(SourceError, match="xz data of x is damaged"):
        decompress(compress("xz", b"one\n") + bytes(second), "xz")


def test_a_skippable_frame_may_stand_before_zstd_data() -> None:
    frame = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    assert decompress(frame + compress("zstd", b"text\n"), "zstd") == b"text\n"
