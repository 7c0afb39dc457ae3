"""Processors: plain Python that turns the valid rows of an upload into its result.

A processor is called as `process(blocks, write, dataset, seed)`: it consumes every block of rows in file order, hands
the bytes of the result to `write` piece by piece, and knows no AWS. All it may draw by chance it draws from `seed`,
so that a retry writes the same bytes. It raises PermanentError (`REJECTED`) where the rows cannot make a result.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.processors.clean import clean
from sluice.processors.forecast import PRICE_TYPES, forecast


@dataclass(frozen=True)
class Processor:
    """What `sluice:processor` names. `field_types` are the types its dataset must have, in order; None: any."""

    process: Callable[[Iterable[Block], Callable[[bytes], object], Dataset, str], None]
    field_types: tuple[str, ...] | None


PROCESSORS = {"clean": Processor(clean, None), "forecast": Processor(forecast, PRICE_TYPES)}
FIELD_TYPES = {name: processor.field_types for name, processor in PROCESSORS.items()}
