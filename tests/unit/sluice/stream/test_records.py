"""Records as Lambda hands them over, and the objects that they become."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluice.stream.records import (
    Record,
    UnreadableBatchError,
    batch_name,
    parse_discarded,
    parse_records,
    raw_lines,
)
from support.readings import lines

SHARD = "shardId-000000000006"


@pytest.fixture
def records(event) -> list[Record]:
    return parse_records(event("kinesis"))


def test_records_are_read_as_they_are(records):
    assert [record.partition_key for record in records] == ["s1", "s2", "s1", "s1"]
    first = records[0]
    assert first.sequence == "49590338271490256608559692538361571095921575989136588898"
    assert (first.source, first.number) == (f"{SHARD}/s1", int(first.sequence))
    assert first.arrival == datetime(2026, 11, 28, 10, 5, 11, 987_000, tzinfo=UTC)
    assert first.data == b'{"sensor":"s1","time":"2026-11-28T10:05:10Z","temperature":20.1}'


def test_a_discarded_batch_has_the_same_records(records, event):
    document = event("discarded")

    assert parse_discarded(json.dumps(document).encode()) == records
    document["payload"] = json.loads(document["payload"])
    assert parse_discarded(json.dumps(document).encode()) == records, "its event as it is, not as text"


@pytest.mark.parametrize(
    "document", [b"", b"\xff", b"[]", b"{}", b'{"payload": "no"}', b'{"payload": {"Records": [{}]}}', b"[" * 99_999]
)
def test_what_holds_no_batch_is_refused(document: bytes):
    with pytest.raises(UnreadableBatchError):
        parse_discarded(document)


def test_a_batch_is_named_by_its_records(records):
    name = batch_name("temperature", records)

    first, last = records[0].sequence, records[-1].sequence
    assert name.startswith(f"temperature/2026/11/28/10/{SHARD}-{first}-{last}-")
    assert batch_name("temperature", list(records)) == name


def test_shares_of_a_shard_with_the_same_ends_have_names_of_their_own(records):
    """Worked on by partition key, or by fewer at once in a replay: one must not write over the other."""
    first, *middle, last = records
    names = {batch_name("temperature", [first, *between, last]) for between in ([], middle[:1], middle[1:])}

    assert len(names) == 3


def test_raw_lines_are_the_records(records):
    records[1] = replace(records[1], data=b"\xff\n")

    found = lines(raw_lines(records))

    assert found[0] == {
        "shard": SHARD,
        "sequence": records[0].sequence,
        "partition_key": "s1",
        "arrival": "2026-11-28T10:05:11.987+00:00",
        "data": records[0].data.decode(),
    }
    assert found[1]["data_base64"] == "/wo=" and "data" not in found[1]


def test_raw_lines_are_the_same_bytes_at_any_time(records, monkeypatch):
    before = raw_lines(records)
    monkeypatch.setattr("time.time", lambda: 2e9)

    assert raw_lines(records) == before
