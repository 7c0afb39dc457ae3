"""How often uploads of a dataset are expected: `sluice:expected`."""

import re
from datetime import timedelta

# ISO 8601-1, 5.5.2.3, as far as it says how long: months and years have no length of their own, and seconds are not
# looked for.
_DURATION = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,2})W"
    r"|(?:(?P<days>[0-9]{1,3})D)?(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,4})H)?(?:(?P<minutes>[0-9]{1,6})M)?)?)"
)
# The sweep looks every half hour (templates/sweep.yaml), at a day of the ledger in one read.
SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=366)


def compile_interval(setting: object) -> timedelta:
    """The time that an ISO 8601 duration such as "PT24H" or "P7D" stands for; raises ValueError for others."""
    match = isinstance(setting, str) and _DURATION.fullmatch(setting)
    parts = {name: int(number) for name, number in match.groupdict().items() if number} if match else {}
    if not SHORTEST <= timedelta(**parts) <= LONGEST:
        raise ValueError(
            "must be an ISO 8601 duration of weeks, or of days, hours and minutes, such as PT24H or P7D: an hour or "
            "more, 366 days at most"
        )
    return timedelta(**parts)
