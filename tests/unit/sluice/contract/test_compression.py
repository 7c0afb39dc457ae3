"""Compressed files, whole and damaged."""

import gzip

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract import compression
from sluice.contract.compression import RATIO_LIMITS, decompress
from sluice.errors import PermanentError
from sluice.upload import REJECTED

TEXT = b"".join(b"%d,somebody@example.org\n" % n for n in range(50_000))
COMPRESS = {"gzip": lambda data: gzip.compress(data, mtime=0), "zstd": zstd.compress}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("name", COMPRESS)
@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_compressed_bytes_are_decompressed_however_they_arrive(name, size):
    text = TEXT[:2000] if size < 1000 else TEXT

    assert b"".join(decompress(pieces(COMPRESS[name](text), size))) == text


@pytest.mark.parametrize("name", COMPRESS)
def test_files_that_were_joined_are_read_to_the_end(name):
    compress = COMPRESS[name]

    assert b"".join(decompress([compress(b"a\n") + compress(b"b\n")])) == b"a\nb\n"


@pytest.mark.parametrize("name", COMPRESS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_what_is_cut_off_is_rejected(name, share):
    data = COMPRESS[name](TEXT)

    with pytest.raises(PermanentError, match=f"{name} data is cut off") as raised:
        list(decompress([data[: max(5, int(len(data) * share))]]))
    assert raised.value.state == REJECTED


@pytest.mark.parametrize("name", COMPRESS)
def test_no_flipped_bit_goes_unseen(name):
    # zstd's checksum is an option of its writers; gzip always has one.
    options = {zstd.CompressionParameter.checksum_flag: 1}
    data = gzip.compress(TEXT, mtime=0) if name == "gzip" else zstd.compress(TEXT, options=options)

    for position in range(len(data) // 4, len(data) - 1, len(data) // 40):
        broken = bytearray(data)
        broken[position] ^= 1
        with pytest.raises(PermanentError, match=f"{name} data is (corrupt|cut off)"):
            list(decompress([bytes(broken)]))


def test_text_after_gzip_data_is_corruption():
    with pytest.raises(PermanentError, match="gzip data is corrupt"):
        list(decompress([gzip.compress(b"a\n") + b"b\n"]))


@given(st.binary().filter(lambda data: data[:2] != b"\x1f\x8b" and data[:4] != b"\x28\xb5\x2f\xfd"), st.integers(1, 9))
def test_what_is_not_compressed_is_left_as_it_is(data, size):
    assert b"".join(decompress(pieces(data, size))) == data


def test_a_failure_to_read_is_not_taken_for_corrupt_data():
    def chunks():
        yield gzip.compress(TEXT)[:1000]
        raise ConnectionResetError("reset by peer")

    with pytest.raises(ConnectionResetError):
        list(decompress(chunks()))


def test_memory_does_not_grow_with_how_far_the_data_expands():
    dense = gzip.compress(b"1,a@x.org\n" * (6 << 20), 9)

    assert max(map(len, decompress([dense]))) <= 1 << 20


@pytest.mark.parametrize("name", COMPRESS)
def test_what_grows_without_an_end_is_rejected_before_it_has_cost_much(monkeypatch, name):
    monkeypatch.setattr(compression, "_ANY_RATIO", 1 << 20)
    bomb, size, limit = COMPRESS[name](b"1,a@b.c\n" * (1 << 20)), 0, RATIO_LIMITS[name]

    with pytest.raises(PermanentError, match=f"the {name} data grows to more than {limit:,} times its size") as raised:
        for piece in decompress([bomb]):
            size += len(piece)

    assert (raised.value.state, size <= max(1 << 20, limit * len(bomb))) == (REJECTED, True)


@pytest.mark.parametrize("name", COMPRESS)
def test_rows_that_are_alike_are_no_bomb(monkeypatch, name):
    monkeypatch.setattr(compression, "_ANY_RATIO", 0)
    for text in (b"".join(b"%d,active,EUR,0.00,,,\n" % n for n in range(500_000)), b"7,active,EUR,0.00,,,\n" * 9):
        assert b"".join(decompress([COMPRESS[name](text)])) == text
