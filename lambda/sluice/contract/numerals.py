"""Regular expressions of numbers that lie between bounds."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
# Longer numbers are left to the check of cells.
_DIGITS = 18
_MOST = 10**_DIGITS - 1


def numerals(bounds: Mapping[str, object], *, fraction: bool, json: bool) -> str | None:
    """Numerals that are certainly inside the bounds, with a fraction or not, as JSON has them or as text may.

    The bounds are constraints of Table Schema by their names. None where there are none such numerals.
    """
    least, most = _limits(bounds)
    signed = [
        ("" if json else "[+]?", max(least, 0), most),
        ("-", max(-most, 0), -least),
    ]
    parts = [sign + _magnitudes(low, high, fraction, json) for sign, low, high in signed if low <= high]
    return "|".join(parts) or None


def between(least: int, most: int) -> str:
    """Numerals without leading zeros from `least` to `most`, neither of them negative."""
    parts = []
    while least <= most:
        # As many digits as the lower bound has.
        end = min(most, 10 ** len(str(least)) - 1)
        parts.append(_alike(str(least), str(end)))
        least = end + 1
    return f"(?:{'|'.join(parts)})"


def _limits(bounds: Mapping[str, object]) -> tuple[int, int]:
    """The integers that the bounds leave between them."""
    least, most = -_MOST, _MOST
    for name, bound in bounds.items():
        bound = Decimal(str(bound))
        floor, ceiling = (int(bound.to_integral_value(way)) for way in (ROUND_FLOOR, ROUND_CEILING))
        if name == "minimum":
            least = max(least, ceiling)
        elif name == "exclusiveMinimum":
            least = max(least, floor + 1)
        elif name == "maximum":
            most = min(most, floor)
        else:
            most = min(most, ceiling - 1)
    return least, most


def _magnitudes(least: int, most: int, fraction: bool, json: bool) -> str:
    digits = f"[0-9]{{{1 if json else 0},{_DIGITS}}}"
    if most == _MOST and not (json or least):
        whole = f"[0-9]{{1,{_DIGITS}}}"
        return f"{whole}(?:\\.{digits})?" if fraction else whole
    whole = between(least, most)
    if not fraction:
        return whole
    if most == _MOST:
        return f"{whole}(?:\\.{digits})?"
    # What follows the point would exceed the bound itself.
    return f"(?:{whole}|{between(least, most - 1)}\\.{digits})" if least < most else whole


def _alike(least: str, most: str) -> str:
    """Numerals from `least` to `most`, which have the same number of digits."""
    if not least:
        return ""
    if set(least) == {"0"} and set(most) == {"9"}:
        return f"[0-9]{{{len(least)}}}"
    if least[0] == most[0]:
        return least[0] + _alike(least[1:], most[1:])
    rest = len(least) - 1
    parts = [least[0] + _alike(least[1:], "9" * rest)]
    if int(most[0]) - int(least[0]) > 1:
        parts.append(f"[{int(least[0]) + 1}-{int(most[0]) - 1}]" + (f"[0-9]{{{rest}}}" if rest else ""))
    parts.append(most[0] + _alike("0" * rest, most[1:]))
    return f"(?:{'|'.join(parts)})"
