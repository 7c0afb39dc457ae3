"""Three predicted prices from ten consecutive ones."""

import math
import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from sluice.contract.check import Block
from sluice.contract.delimited import format_row, parse_row
from sluice.contract.descriptor import Dataset
from sluice.errors import PermanentError
from sluice.upload import REJECTED

WINDOW = 10
PREDICTED = 3
PRICE_TYPES = ("string", "date", "number")
# Digits of the arithmetic: enough for it to be exact, as a number cell has 1,000 before and after its point at most.
_PRECISION = 5000


def forecast(blocks: Iterable[Block], write: Callable[[bytes], object], dataset: Dataset, seed: str) -> None:
    """Takes ten consecutive rows from a random start and writes the next three, in the input's own format.

    Rows are (stock id, date, price). The prices are rounded half-even to the decimals of the ten prices; the dates
    follow the tenth row's day by day. Raises PermanentError (`REJECTED`) for fewer than ten rows.
    """
    window, count = choose_window(blocks, random.Random(seed))  # repeatable  # nosec B311
    if window is None:
        raise PermanentError(REJECTED, f"a forecast needs {WINDOW} valid rows, the file has {count}")
    fields = dataset.fields
    rows = [
        [field.check(text)[0] for field, text in zip(fields, parse_row(line, dataset.dialect), strict=True)]
        for line in window
    ]
    stock, last_date, _ = rows[-1]
    try:
        dates = [last_date + timedelta(days=day) for day in range(1, PREDICTED + 1)]
    except OverflowError:
        raise PermanentError(REJECTED, f"no calendar has the days after {last_date}") from None
    prices = [price for _, _, price in rows]
    unit = Decimal(1).scaleb(min(price.as_tuple().exponent for price in prices))
    with localcontext(prec=_PRECISION):
        predicted = [price.quantize(unit, ROUND_HALF_EVEN) for price in predict(prices)]
    for row in zip([stock] * PREDICTED, dates, predicted, strict=True):
        write(format_row([field.write(value) for field, value in zip(fields, row, strict=True)], dataset.dialect))


def predict(prices: list[Decimal]) -> list[Decimal]:
    """The next three prices, unrounded: p1 the second-highest of the given ones (ties count), p2 half of the way
    from p1 to the last, then p_k = p_(k-1) + (p_(k-1) - p_(k-2)) / 2^(k-1)."""
    first = sorted(prices)[-2]
    predicted = [first, first + (prices[-1] - first) / 2]
    for k in range(3, PREDICTED + 1):
        predicted.append(predicted[-1] + (predicted[-1] - predicted[-2]) / 2 ** (k - 1))
    return predicted


def choose_window(blocks: Iterable[Block], chance: random.Random) -> tuple[list[bytes] | None, int]:
    """Ten consecutive rows, every start equally likely, in one pass over any number of rows, and that number.

    Start t replaces the one kept before with probability 1/t. The next start to do so is drawn directly, since
    none of t+1..m does with probability t/m: the k = 1 case of Algorithm L (Li, 1994), about ln(n) draws. So all
    but a few blocks are only counted.
    """
    chosen, start, count = None, 1, 0
    tail: list[bytes] = []
    for block in blocks:
        first = count - len(tail) + 1
        count += block.rows
        lines = tail + block.lines() if start + WINDOW - 1 <= count else []
        while start + WINDOW - 1 <= count:
            chosen = lines[start - first : start - first + WINDOW]
            start = math.floor(start / (1.0 - chance.random())) + 1
        tail = (tail + block.last(WINDOW - 1))[1 - WINDOW :]
    return chosen, count
