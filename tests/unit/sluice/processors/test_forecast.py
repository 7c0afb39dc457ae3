"""The forecast, against its definition worked by hand."""

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.check import Block
from sluice.contract.descriptor import load_dataset
from sluice.errors import PermanentError
from sluice.processors import NEEDS
from sluice.processors.forecast import choose_window, forecast, predict

PRICES = load_dataset(Path(__file__).parents[4] / "lambda" / "datasets" / "prices.yaml", NEEDS)


def rows(prices: list[str], start: date = date(2026, 2, 20)) -> list[bytes]:
    return [f"ABC,{start + timedelta(days=n):%d-%m-%Y},{price}\n".encode() for n, price in enumerate(prices)]


def blocks(given: list[bytes], size: int = 7) -> list[Block]:
    starts = range(0, len(given), size)
    return [Block(b"".join(given[at : at + size]), len(given[at : at + size]), at + 1) for at in starts]


def run(given: list[bytes], seed: str = "seed") -> list[str]:
    pieces: list[bytes] = []
    forecast(blocks(given), pieces.append, PRICES, seed)
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


@given(st.integers(10, 60), st.integers(1, 70), st.text())
def test_the_window_is_ten_consecutive_rows_and_the_same_for_the_same_seed(count, size, seed):
    given_rows = [f"{number}\n".encode() for number in range(count)]

    window, seen = choose_window(blocks(given_rows, size), random.Random(seed))

    first = int(window[0])
    assert seen == count
    assert window == [row[:-1] for row in given_rows[first : first + 10]]
    assert choose_window(blocks(given_rows, 1), random.Random(seed)) == (window, seen), "however the rows are cut"


def test_every_start_is_equally_likely():
    given_blocks = blocks([f"{number}\n".encode() for number in range(14)])
    draws = 20_000

    starts = Counter(int(choose_window(given_blocks, random.Random(seed))[0][0]) for seed in range(draws))

    assert sorted(starts) == [0, 1, 2, 3, 4]
    # Five times the standard deviation of a share of one fifth.
    assert all(abs(count - draws / 5) < 5 * (draws * 0.2 * 0.8) ** 0.5 for count in starts.values())


def test_a_row_with_a_line_end_inside_stays_whole():
    given_blocks = [Block(b'"A\nBC",01-01-2026,5\n', 1, 1), *blocks(rows(["1"] * 9))]

    assert choose_window(given_blocks, random.Random(0))[0][0] == b'"A\nBC",01-01-2026,5'
