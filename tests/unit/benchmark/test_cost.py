"""What a million small files cost, by what is counted and what is measured."""

import pytest

from benchmark import cost
from benchmark.cost import Measured


def test_each_request_has_its_price():
    by = cost.small_files(Measured(cpu_seconds=0.010, wait_seconds=0.005, log_bytes=574, item_bytes=900))["by"]

    # Of 1,024 MB a function has 0.58 of a core: 10 ms become 17.3; 5 of waiting stay 5.
    assert by == {
        "s3_put": 5.00,
        "s3_get": 0.40,
        "dynamodb_write_unit": 2.5,
        "sqs_request": 0.48,
        "sns_publish": 0.50,
        "lambda_request": 0.02,
        "lambda_arm_gb_second": 0.3,
        "logs_gb": 0.32,
    }


def test_the_sum_is_that_of_its_parts():
    spent = cost.small_files(Measured(cpu_seconds=0.010, wait_seconds=0.005, log_bytes=574, item_bytes=900))
    assert spent["usd"] == pytest.approx(sum(spent["by"].values()))


def test_a_kilobyte_more_in_the_ledger_is_two_more_units():
    small, large = (cost.small_files(Measured(0.01, 0.005, 500, size))["by"] for size in (1024, 1025))
    assert large["dynamodb_write_unit"] - small["dynamodb_write_unit"] == pytest.approx(1.25, abs=0.01)


def test_a_terabyte_is_a_thousand_times_a_gigabyte():
    assert cost.large_files(10.0, 0.0) == pytest.approx(1000 * 10 / (1024 / 1769) * 0.0000133334, abs=0.01)
