"""Datasets whose uploads stay away."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.ledger_reader import LedgerReader
from sluice.overdue import overdue
from sluice.processors import NEEDS
from sluice.upload import REJECTED, SUCCEEDED, Outcome, Upload
from support.deployment import DATASETS

NOW = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> Dataset:
    """A dataset that expects an upload a day."""
    return replace(Catalogue(DATASETS, NEEDS)["prices"], expected=timedelta(hours=24))


def end(aws, when: datetime, state: str = SUCCEEDED, dataset: str = "prices") -> None:
    aws.clock.now = when.timestamp()
    upload = Upload("uploads", f"{dataset}/{when:%d%H%M}.csv", "1", 1)
    claim = aws.ledger.claim(upload, lease=330, max_tries=3, sent=0)
    aws.ledger.finish(upload, claim.attempt, Outcome(state, "why", dataset))


@pytest.mark.parametrize(
    ("hours", "names"),
    [(0.1, []), (1, []), (23.9, []), (24, []), (24.1, ["prices"]), (72, ["prices"])],
)
def test_a_dataset_is_overdue_where_the_last_upload_is_older_than_expected(aws, prices, hours, names):
    end(aws, NOW - timedelta(hours=hours + 24))
    end(aws, NOW - timedelta(hours=hours))

    assert overdue([prices], LedgerReader(aws.dynamodb, "ledger"), NOW) == names


def test_a_dataset_that_never_had_an_upload_is_overdue_and_others_do_not_count(aws, prices):
    end(aws, NOW, dataset="people")

    assert overdue([prices], LedgerReader(aws.dynamodb, "ledger"), NOW) == ["prices"]


def test_an_upload_that_was_rejected_has_arrived(aws, prices):
    end(aws, NOW, REJECTED)

    assert overdue([prices], LedgerReader(aws.dynamodb, "ledger"), NOW) == []


def test_nothing_is_read_for_a_dataset_that_expects_nothing(aws, prices, requests):
    requests.clear()

    assert overdue([replace(prices, expected=None)], LedgerReader(aws.dynamodb, "ledger"), NOW) == []
    assert requests == []


def test_one_read_a_day_and_none_after_the_newest_upload(aws, prices, requests):
    end(aws, NOW - timedelta(days=2))
    requests.clear()

    assert overdue([replace(prices, expected=timedelta(days=30))], LedgerReader(aws.dynamodb, "ledger"), NOW) == []
    assert requests == ["Query"] * 3
