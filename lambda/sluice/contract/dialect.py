"""How a delimited file is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written (https://specs.frictionlessdata.io/csv-dialect/)."""

    delimiter: str = ","
    quote: str = '"'
    header: bool = True
