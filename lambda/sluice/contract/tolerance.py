"""How many bad rows turn `PARTIAL` into `REJECTED`: `sluice:reject`."""

import re
from dataclasses import dataclass
from fractions import Fraction

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)%")


@dataclass(frozen=True)
class Tolerance:
    """From how many rejected rows on, or from which share of all rows on, a file is rejected; None: never."""

    count: int | None = None
    share: Fraction | None = None

    def exceeded(self, rejected: int, rows: int) -> str | None:
        """Why a file with so many rejected rows of so many is rejected, None where it is not."""
        reason = f"{rejected:,} of {rows:,} rows break the contract, and the dataset rejects a file from "
        if self.count is not None and rejected >= self.count:
            return f"{reason}{self.count:,} on"
        if self.share is not None and rejected and rejected >= self.share * rows:
            return f"{reason}{float(self.share * 100):g}% on"
        return None


def compile_tolerance(setting: object) -> Tolerance:
    """The tolerance that a count such as 100, or a share such as "5%", stands for; raises ValueError for others."""
    if type(setting) is int and setting > 0:
        return Tolerance(count=setting)
    match = isinstance(setting, str) and _SHARE.fullmatch(setting)
    share = Fraction(match[1]) / 100 if match else Fraction(0)
    if not 0 < share <= 1:
        raise ValueError('must be a number of rows, 1 or more, or a share of them such as "5%", 100% at most')
    return Tolerance(share=share)
