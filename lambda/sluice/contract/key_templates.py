"""Templates of keys, such as `prices/{exchange}/{name}.csv`: a placeholder is any text without a slash."""

import re
from functools import cache

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def key_pattern(template: str) -> re.Pattern[str]:
    """The keys a template such as `prices/{exchange}/{name}.csv` stands for: a placeholder is any text without /."""
    parts = PLACEHOLDER.split(template)
    literals, names = parts[::2], parts[1::2]
    if len(set(names)) != len(names) or any("{" in part or "}" in part for part in literals):
        raise ValueError("placeholders are lower-case names in braces, each used once")
    pattern = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        pattern += f"(?P<{name}>[^/]+){re.escape(literal)}"
    return re.compile(pattern, re.DOTALL)


def overlap(one: str, other: str) -> bool:
    """Whether there is a key that belongs to both of two `sluice:key` templates."""
    left, right = _tokens(one), _tokens(other)

    @cache
    def meet(i: int, j: int, i_begun: bool, j_begun: bool) -> bool:
        """Whether the rests can be the same text; a placeholder that has begun holds a character already."""
        if i == len(left) and j == len(right):
            return True
        if i_begun and meet(i + 1, j, False, j_begun):
            return True
        if j_begun and meet(i, j + 1, i_begun, False):
            return True
        if i == len(left) or j == len(right):
            return False
        a, b = left[i], right[j]
        if a is None and b is None:
            # One character for both; neither can stay at where both have begun.
            return not (i_begun and j_begun) and meet(i, j, True, True)
        if a is None:
            return b != "/" and meet(i, j + 1, True, False)
        if b is None:
            return a != "/" and meet(i + 1, j, False, True)
        return a == b and meet(i + 1, j + 1, False, False)

    return meet(0, 0, False, False)


def _tokens(template: str) -> list[str | None]:
    """The characters of a template, a placeholder being None."""
    parts = re.findall(r"\{[a-z_]+\}|.", template, re.DOTALL)
    return [None if part.startswith("{") else part for part in parts]
