"""Time: what is begun, what waits for a fresh invocation, what no invocation could finish."""

import dataclasses
import gzip

import pytest

from sluice import invocation as rules
from sluice.datasets import Catalogue
from sluice.errors import OutOfTimeError, PermanentError, Retry, TransientError
from sluice.invocation import Invocation
from sluice.processors import NEEDS
from support.deployment import DATASETS, PRICES, invocation

GB = 1_000_000_000


def accept(intake, upload, time, receives=1):
    return intake.accept(upload, receives=receives, sent=0, invocation=time)


def read(time, size, is_fast=True, chunks=(b"text",)):
    return b"".join(time.within(chunks, size, is_fast))


@pytest.fixture
def slow(monkeypatch):
    """A rate at which PRICES takes 12 of the 15 minutes: two in one file are too much for any invocation."""
    seconds, share = 720, 1024 / 1769
    monkeypatch.setattr(rules, "_FAST", len(PRICES) / seconds / share)


def test_the_limit_goes_with_memory_up_to_a_whole_core():
    limits = [invocation(900, memory_mb=memory).limit(is_fast=True) for memory in (512, 1024, 1769, 3538)]

    assert limits[1] == 2 * limits[0]
    assert limits[0] < limits[1] < limits[2] == limits[3]


@pytest.mark.parametrize("head", [b"a", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"])
@pytest.mark.parametrize("is_fast", [True, False])
def test_a_file_at_its_limit_is_read_and_a_larger_one_is_not(is_fast, head):
    time = invocation(900)
    limit = int(time.limit(is_fast=is_fast, is_compressed=head != b"a"))

    assert read(time, limit, is_fast, [head]) == head
    with pytest.raises(PermanentError, match="split it") as error:
        read(time, limit + 1, is_fast, [head])
    assert error.value.state == "REJECTED"


def test_the_reason_names_the_size_and_what_would_pass():
    with pytest.raises(PermanentError) as error:
        read(invocation(900), 6 * GB)

    assert error.value.reason == (
        "the file has 6.00 GB, and a file of this dataset can be processed in time up to 4.68 GB: "
        "split it and upload the parts"
    )


def test_what_a_fresh_invocation_could_finish_waits_for_one():
    with pytest.raises(OutOfTimeError):
        read(invocation(900, 500), 4 * GB)

    assert read(invocation(900, 875), 4 * GB) == b"text", "what was spent until the file is open is no reason"


def test_reading_stops_when_time_is_nearly_up():
    left = [900.0]

    def chunks():
        for seconds in (800, 31, 29, 20):
            left[0] = seconds
            yield b"chunk"

    read = []
    with pytest.raises(TransientError, match="ran out of time after 10 of 20 bytes"):
        read.extend(Invocation(lambda: left[0], 1024).within(chunks(), 20, True))

    assert read == [b"chunk"] * 2


def test_little_data_that_holds_much_is_found_out(aws):
    upload = aws.upload("prices/LSE/ABC.csv", gzip.compress(PRICES * 100_000, 9))
    seconds = iter([900.0] * 6 + [29.0] * 1000)

    outcome = accept(aws.intake(), upload, Invocation(lambda: next(seconds), 1024))

    assert outcome.state == "REJECTED"
    assert "in the 15 minutes there are: they were up after 0 of " in outcome.reason


def test_what_no_invocation_could_finish_is_rejected_whatever_its_event_said(aws, slow):
    upload = dataclasses.replace(aws.upload("prices/LSE/ABC.csv", PRICES * 2), size=0)

    outcome = accept(aws.intake(), upload, invocation(900))

    assert (outcome.state, "split it" in outcome.reason) == ("REJECTED", True)
    assert aws.results() == []
    assert [told["state"] for told in aws.told()] == ["REJECTED"]


def test_lacking_time_is_no_try(aws, slow):
    upload, intake = aws.upload("prices/LSE/ABC.csv", PRICES), aws.intake(max_tries=1)

    for receives in range(1, 5):
        with pytest.raises(Retry, match="too little time left") as retry:
            accept(intake, upload, invocation(900, 500), receives)
        assert retry.value.delay == 0
    [item] = aws.items()
    assert (item["state"], item["tries"], item["lease_until"]) == ("PROCESSING", "0", "0")

    assert accept(intake, upload, invocation(900), receives=5).state == "SUCCEEDED"
    assert [told["state"] for told in aws.told()] == ["SUCCEEDED"]


def test_lacking_time_on_the_last_receipt_goes_on_with_a_new_message(aws, slow):
    upload, intake = aws.upload("prices/LSE/ABC.csv", PRICES), aws.intake()

    assert accept(intake, upload, invocation(900, 500), receives=8) is None
    assert aws.queued() == [upload]

    assert accept(intake, upload, invocation(900, 20), receives=8) is None
    assert aws.queued() == [upload], "also where there is too little time for anything"
    assert aws.told() == []
    assert accept(intake, upload, invocation(900)).state == "SUCCEEDED"


def test_running_out_of_time_is_a_try(aws, monkeypatch):
    monkeypatch.setattr(rules, "_STOP", 901)
    upload, intake = aws.upload("prices/LSE/ABC.csv", PRICES), aws.intake()

    for receives in range(1, 4):
        with pytest.raises(Retry):
            accept(intake, upload, invocation(900, 800), receives)

    [told] = aws.told()
    assert told["state"] == "FAILED"
    assert "gave up after 3 attempts: TransientError: ran out of time after 0 of 252 bytes" in told["reason"]
    assert aws.results() == []


def test_compressed_bytes_count_for_more(aws, slow):
    packed = gzip.compress(PRICES)
    assert len(packed) < len(PRICES) < 5 * len(packed)

    assert "a compressed file" in accept(aws.intake(), aws.upload("prices/LSE/A.csv", packed), invocation(900)).reason


def test_a_dataset_without_a_fast_path_has_a_rate_of_its_own(aws, tmp_path, monkeypatch):
    text = (DATASETS / "people.yaml").read_text(encoding="utf-8")
    (tmp_path / "people.yaml").write_text(text + "encoding: windows-1252\n", encoding="utf-8")
    monkeypatch.setattr(rules, "_SLOW", 0.01)
    upload = aws.upload("people/staff.csv", b"id,email\n1,a@b.org\n")

    assert accept(aws.intake(catalogue=Catalogue(tmp_path, NEEDS)), upload, invocation(900)).state == "REJECTED"
    assert accept(aws.intake(), upload, invocation(900)) is None, "it has its final state"
    again = aws.upload("people/again.csv", b"id,email\n1,a@b.org\n")
    assert accept(aws.intake(), again, invocation(900)).state == "SUCCEEDED"
