"""The forecast, against its definition worked by hand."""

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.check import Row
from sluice.contract.descriptor import load_dataset
from sluice.errors import PermanentError
from sluice.processors import FIELD_TYPES
from sluice.processors.forecast import choose_window, forecast, predict

PRICES = load_dataset(Path(__file__).parents[4] / "lambda" / "datasets" / "prices.yaml", FIELD_TYPES)


def rows(prices: list[str], start: date = date(2026, 2, 20)) -> list[Row]:
    return [Row(n + 1, [], ["ABC", start + timedelta(days=n), Decimal(price)]) for n, price in enumerate(prices)]


def run(given_rows: list[Row], seed: str = "seed") -> list[str]:
    pieces: list[bytes] = []
    forecast(given_rows, pieces.append, PRICES, seed)
    return b"".join(pieces).decode().splitlines()


def test_worked_by_hand():
    # Sorted: 10..19, so p1 = 18; p2 = 18 + (10 - 18) / 2 = 14; p3 = 14 + (14 - 18) / 4 = 13.
    prices = ["19", "18", "17", "16", "15", "14", "13", "12", "11", "10"]

    assert run(rows(prices)) == ["ABC,02-03-2026,18", "ABC,03-03-2026,14", "ABC,04-03-2026,13"]


def test_the_second_highest_counts_ties():
    assert predict([Decimal(n) for n in (5, 9, 9, 1, 1, 1, 1, 1, 1, 7)])[0] == 9


def test_prices_round_half_even_to_the_decimals_of_the_input():
    # p1 = 1.05; p2 = 1.05 + (1.00 - 1.05) / 2 = 1.025 -> 1.02; p3 = 1.025 - 0.025 / 4 = 1.01875 -> 1.02
    prices = ["1.05", "1.05", "1.00", "1.00", "1.00", "1.00", "1.00", "1.00", "1.00", "1.00"]

    assert [line.rsplit(",")[-1] for line in run(rows(prices))] == ["1.05", "1.02", "1.02"]


def test_very_long_prices_stay_exact():
    prices = ["9" * 40 + ".5"] * 9 + ["1"]

    assert run(rows(prices))[0].endswith("9" * 40 + ".5")


@pytest.mark.parametrize("count", [0, 9])
def test_fewer_than_ten_rows_make_no_forecast(count):
    with pytest.raises(PermanentError, match=f"needs 10 valid rows, the file has {count}") as rejected:
        run(rows(["1"] * count))

    assert rejected.value.state == "REJECTED"


def test_no_day_follows_the_last_one():
    with pytest.raises(PermanentError, match="no calendar"):
        run(rows(["1"] * 10, date(9999, 12, 20)))


@given(st.integers(10, 60), st.text())
def test_the_window_is_ten_consecutive_rows_and_the_same_for_the_same_seed(count, seed):
    given_rows = rows([str(n) for n in range(count)])

    window, seen = choose_window(given_rows, random.Random(seed))

    first = window[0].number - 1
    assert seen == count
    assert window == given_rows[first : first + 10]
    assert choose_window(given_rows, random.Random(seed)) == (window, seen)


def test_every_start_is_equally_likely():
    given_rows = rows(["1"] * 14)
    draws = 20_000

    starts = Counter(choose_window(given_rows, random.Random(seed))[0][0].number for seed in range(draws))

    assert sorted(starts) == [1, 2, 3, 4, 5]
    # Five times the standard deviation of a share of one fifth.
    assert all(abs(count - draws / 5) < 5 * (draws * 0.2 * 0.8) ** 0.5 for count in starts.values())
