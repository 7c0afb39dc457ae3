"""The stream's benchmark: its readings are good, its question is fixed, and its units are those of DynamoDB's rules."""

import json

import pytest

from benchmark import streams
from benchmark.streaming import BATCH, CONTENDERS, SENSORS, event, reading
from sluice.stream.readings import check_reading
from sluice.stream.records import parse_records
from support.datasets import dataset


def test_every_record_is_a_reading():
    temperature = dataset("temperature")
    records = parse_records(event(3))

    for number, record in enumerate(records, 3 * BATCH):
        found, errors = check_reading(record, temperature, 1)
        assert errors == [] and found.window.sensor == record.partition_key == reading(number)[0]
    assert len({record.number for record in [*records, *parse_records(event(4))]}) == 2 * BATCH


def test_the_question_asks_for_as_many_windows_however_many_readings_there_are():
    questions = [streams.question(size) for size in (1_000, 100_000, 1_000_000)]

    assert [len(set(windows)) for windows in questions] == [84, 84, 84]
    assert questions[0][0].start <= reading(999)[1] < questions[0][0].end


def test_a_read_of_one_item_is_half_a_unit_for_four_kilobytes_begun():
    item = {"id": {"S": "é" * 2046}, "n": {"N": "-21.5"}}
    assert streams.item_bytes(item) == 2 + 4092 + 1 + 3

    small = {"id": {"S": "1"}}
    assert streams.get_units([item, small, None]) == 1 + 0.5 + 0.5
    assert streams.scan_units([item, small]) == 1
    assert streams.scan_units([small] * 1365) == 0.5 and streams.scan_units([small] * 1366) == 1.0


def test_a_size_is_known_of_all_that_windows_have():
    item = {"applied": {"M": {"a": {"SS": ["1-2", "3-4"]}}}, "count": {"N": "0"}}

    assert streams.item_bytes(item) == 7 + 3 + 1 + 6 + 2 + 5 + 1
    with pytest.raises(ValueError):
        streams.item_bytes({"a": {"BOOL": True}})


@pytest.fixture
def report() -> dict:
    # A batch has 50 seconds of 20 sensors: the two that are measured reach from 00:00:50 to 00:02:30.
    requests = {"s3:PutObject": 4, "dynamodb:PutItem": 2 * SENSORS + 2 * SENSORS, "sns:Publish": 2}
    run = {"seconds": 2.0, "records": 2 * BATCH, "requests": requests}
    naive = run | {"seconds": 20.0, "requests": {"s3:PutObject": 1000, "dynamodb:PutItem": 1000}}
    runs = {name: [naive if name == "naive" else run] for name in CONTENDERS}
    reads = [{"readings": 1_000_000, "ours": 42.0, "naive": 21_000, "naive_is_computed": True}]
    return streams._report(runs, 2, reads)


def test_the_report_is_of_what_was_counted(report):
    assert report["ratios"]["stream_vs_naive"] == 10
    assert report["ratios"]["s3_requests_vs_naive"] == 0.004
    assert report["ratios"]["read_units_vs_naive"] == 0.002
    assert report["s3_puts_a_batch"] == 2 and report["window_writes_a_sensor_minute_of_a_batch"] == 1
    assert report["requests_per_1000_records"]["stream"]["sns"] == 2
    assert report["sensors"] == SENSORS


def test_the_table_says_what_is_computed(report):
    assert "computed from the size of an item" in streams.table(json.loads(json.dumps(report)))
