"""What CloudWatch counts and measures of uploads."""

import pytest

from sluice.cost import upload_cost
from sluice.metrics import PROCESS, STREAM, Meter
from sluice.upload import FAILED, IGNORED, PARTIAL, REJECTED, SUCCEEDED, Outcome, Stored, Upload
from support.metrics import of, read

UPLOAD = Upload("uploads", "prices/LSE/ABC.csv", "v", 5_000_000)
PARTIAL_OUTCOME = Outcome(PARTIAL, "why", "prices", 998, 2, result=Stored("results", "a", "v", "", 1))
ALL = {"environment": "staging", "service": "process"}


@pytest.fixture
def clock() -> list[float]:
    """What a clock shows, one time after the other."""
    return [100.0, 102.5]


@pytest.fixture
def meter(clock) -> Meter:
    return Meter("staging", PROCESS, clock=lambda: clock.pop(0), memory=lambda: 200.4)


def measured(meter: Meter, outcome: Outcome, batch: int = 10) -> None:
    meter.receive(1024, batch)
    meter.begin()
    meter.conclude(UPLOAD, outcome)


def test_uploads_and_rows_are_counted_by_state_and_by_dataset_and_state(meter, capsys):
    measured(meter, PARTIAL_OUTCOME)

    values = read(capsys.readouterr().out)
    counts = {"Uploads": [1], "RowsGood": [998], "RowsRejected": [2]}
    assert of(values, **ALL, state="PARTIAL") == counts
    assert of(values, **ALL, state="PARTIAL", dataset="prices") == counts


def test_the_rest_is_measured_over_all_and_by_dataset(meter, capsys):
    measured(meter, PARTIAL_OUTCOME)

    values = read(capsys.readouterr().out)
    measures = of(values, **ALL)
    assert measures.pop("CostPerUpload") == [pytest.approx(upload_cost(2.5, objects=1, batch=10) * 1e6, abs=0.01)]
    assert measures == {
        "Duration": [2.5],
        "Bytes": [5_000_000],
        "MemoryHeadroom": [824],
        "RejectedShare": [0.2],
        "FailedAttempts": [0],
    }
    assert of(values, **ALL, dataset="prices").keys() == {*measures, "CostPerUpload"}
    assert {value.name: value.unit for value in values} == {
        "Uploads": "Count",
        "RowsGood": "Count",
        "RowsRejected": "Count",
        "Duration": "Seconds",
        "Bytes": "Bytes",
        "MemoryHeadroom": "Megabytes",
        "RejectedShare": "Percent",
        "FailedAttempts": "Count",
        "CostPerUpload": "None",
    }


@pytest.mark.parametrize("state", [SUCCEEDED, PARTIAL, REJECTED, FAILED, IGNORED])
def test_dimensions_are_few_whatever_the_key_is(meter, capsys, state):
    measured(meter, Outcome(state, "why"))

    dimensions = {pair for value in read(capsys.readouterr().out) for pair in value.dimensions}
    assert dimensions == {*ALL.items(), ("state", state), ("dataset", "none")}


def test_a_line_names_the_upload_without_making_a_metric_of_it(meter, capsys):
    measured(meter, PARTIAL_OUTCOME)

    log = capsys.readouterr().out
    assert f'"upload_id":"{UPLOAD.id}"' in log.replace(" ", "")
    assert UPLOAD.key not in log


@pytest.mark.parametrize(
    ("outcome", "share"),
    [
        (Outcome(SUCCEEDED, "", "prices", 10), 0),
        (Outcome(PARTIAL, "", "prices", 3, 1), 25),
        # Nothing of it is used, however many rows are good.
        (Outcome(REJECTED, "", "prices", 3, 1), 100),
        (Outcome(REJECTED, "", "prices"), 100),
        (Outcome(IGNORED, ""), 0),
    ],
)
def test_the_rejected_share_is_that_of_rows_and_a_rejected_file_is_all_of_it(meter, capsys, outcome, share):
    measured(meter, outcome)

    assert of(read(capsys.readouterr().out), **ALL)["RejectedShare"] == [share]


def test_what_others_end_is_counted_and_not_measured(meter, capsys):
    meter.conclude(UPLOAD, Outcome(FAILED, "gave up", "prices"))

    assert {value.name for value in read(capsys.readouterr().out)} == {"Uploads", "RowsGood", "RowsRejected"}


def test_the_average_of_failed_attempts_is_their_share(meter, clock, capsys):
    clock += [0.0, 1.0, 2.0]
    measured(meter, Outcome(SUCCEEDED, "", "prices", 1))
    measured(meter, Outcome(FAILED, "gave up", "prices"))
    meter.begin()
    meter.fail()

    assert of(read(capsys.readouterr().out), **ALL)["FailedAttempts"] == [0, 1, 1]


def test_a_batch_of_a_stream_is_no_file_and_has_no_cost_of_its_own(capsys):
    meter = Meter("staging", STREAM, memory=lambda: 1)
    measured(meter, Outcome(SUCCEEDED, "", "temperature", 10))

    values = of(read(capsys.readouterr().out), environment="staging", service="stream")
    assert "CostPerUpload" not in values and values["RejectedShare"] == [0]


def test_a_small_file_costs_ten_millionths_of_a_dollar():
    one = upload_cost(0.03, objects=1, batch=10)

    # The write of its result, and that of the ledger, are most of it.
    assert 9e-6 < one < 11e-6
    assert upload_cost(0.03, objects=2, batch=10) - one == pytest.approx(5e-6)
    assert upload_cost(60.03, objects=1, batch=10) - one == pytest.approx(60 * 0.0000133334)
    assert upload_cost(0.03, objects=1, batch=1) - one == pytest.approx(0.9 * (0.2e-6 + 2 * 0.4e-6))
