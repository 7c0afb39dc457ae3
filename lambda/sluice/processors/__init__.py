"""Processors: plain Python that turns the valid rows of an upload into its result.

A processor is called as `process(blocks, write, dataset, seed)`: it consumes every block of rows in file order, hands
the bytes of the result to `write` piece by piece, and knows no AWS. All it may draw by chance it draws from `seed`,
so that a retry writes the same bytes. It raises PermanentError (`REJECTED`) where the rows cannot make a result.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset, Needs
from sluice.processors.clean import clean
from sluice.processors.forecast import PRICE_TYPES, forecast
from sluice.processors.load import load


@dataclass(frozen=True)
class Processor:
    """What `sluice:processor` names, and what it needs of its dataset."""

    process: Callable[[Iterable[Block], Callable[[bytes], object], Dataset, str], None]
    needs: Needs = Needs()


PROCESSORS = {
    "clean": Processor(clean),
    "forecast": Processor(forecast, Needs(field_types=PRICE_TYPES, formats=("csv",), results=("csv",))),
    "load": Processor(load, Needs(table=True)),
}
NEEDS = {name: processor.needs for name, processor in PROCESSORS.items()}
