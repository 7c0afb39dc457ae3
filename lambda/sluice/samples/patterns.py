"""Texts that a regular expression matches, numbered by their length.

The expression is read by Python's own parser, which is no public interface: rstr and Hypothesis use it alike. Neither
does here: rstr gives other texts for the same seed in another process and knows nothing of lengths, so that a pattern
with a `maxLength` is hit by chance only; Hypothesis is made for tests. (exrex is under the AGPL.)
"""

import re._constants as op
import re._parser as parser
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import groupby

from sluice.samples.domains import Domain, UnsupportedError

# Longest texts by pattern, and how many lengths are combined with how many at most: a bound of time, not of use.
_LONGEST = 512
_WORK = 2_000_000
_PLAIN = string.ascii_lowercase + string.ascii_uppercase + string.digits
_PRINTABLE = _PLAIN + string.punctuation + " "
# Characters of a range are tried from its start.
_RANGE = 1000
_CATEGORIES: Mapping[object, Callable[[str], bool]] = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_NOT_DIGIT: lambda character: not character.isdecimal(),
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_NOT_SPACE: lambda character: not character.isspace(),
    op.CATEGORY_WORD: lambda character: character.isalnum() or character == "_",
    op.CATEGORY_NOT_WORD: lambda character: not (character.isalnum() or character == "_"),
}


@dataclass(frozen=True)
class _Node:
    """A part of an expression: how many texts it has of each length, and the text of a length by its number.

    `characters` are what it consists of, where it is one character of some.
    """

    counts: Mapping[int, int]
    text: Callable[[int, int], str]
    characters: str = ""


def _fixed(text: str) -> _Node:
    return _Node({len(text): 1}, lambda length, number: text)


_EMPTY, _NONE = _fixed(""), _Node({}, lambda length, number: "")


def pattern_domain(pattern: str, shortest: int, longest: int | None, wanted: int) -> Domain:
    """Texts of a length from `shortest` to `longest` (None: any) that match a pattern, `wanted` of them if possible.

    What looks around or is anchored is left out of account: such texts have to be tried. Raises UnsupportedError where
    the pattern refers back to what it has matched, has no such text, or needs more work than is reasonable.
    """
    parsed = parser.parse(pattern)
    least, most = parsed.getwidth()
    end = min(most, _LONGEST, _LONGEST if longest is None else longest)
    if max(shortest, least) > _LONGEST:
        raise UnsupportedError(f"its pattern asks for more than {_LONGEST} characters")
    limit = min(max(shortest, least) + 12, end)
    while True:
        node = _Builder(limit).sequence(parsed)
        lengths = sorted(length for length in node.counts if length >= shortest)
        size = sum(node.counts[length] for length in lengths)
        if size >= wanted or limit >= end:
            break
        limit = min(2 * limit, end)
    if not size:
        raise UnsupportedError("its pattern has no text of a length that is allowed")
    return by_length({length: node.counts[length] for length in lengths}, node.text)


def by_length(counts: Mapping[int, int], text: Callable[[int, int], str]) -> Domain:
    """The domain of texts of which there are so many of each length; `text(length, number)` is one of them."""

    def cell(number: int) -> str:
        for length, count in counts.items():
            if number < count:
                return text(length, number)
            number -= count
        raise IndexError(number)

    return Domain(list(counts.values()), cell)


def written(characters: str, length: int, number: int) -> str:
    """The text of a number, of so many of these characters as digits."""
    text = ""
    for _ in range(length):
        number, digit = divmod(number, len(characters))
        text += characters[digit]
    return text


class _Builder:
    """Makes nodes that know of texts up to a length."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._work = _WORK

    def sequence(self, parsed: parser.SubPattern) -> _Node:
        nodes: list[_Node] = []
        for literal, group in groupby(parsed, lambda part: part[0] is op.LITERAL):
            if literal:
                text = "".join(chr(argument) for _, argument in group)
                nodes.append(_fixed(text) if len(text) <= self._limit else _NONE)
            else:
                nodes += [self._node(code, argument) for code, argument in group]
        return reduce(lambda rest, node: self._pair(node, rest), reversed(nodes)) if nodes else _EMPTY

    def _node(self, code: object, argument: object) -> _Node:
        match code:
            case op.NOT_LITERAL:
                return self._characters(_members([(op.NEGATE, None), (op.LITERAL, argument)]))
            case op.ANY:
                return self._characters(_PLAIN)
            case op.IN:
                return self._characters(_members(argument))
            case op.BRANCH:
                return self._choice([self.sequence(option) for option in argument[1]])
            case op.SUBPATTERN:
                return self.sequence(argument[-1])
            case op.ATOMIC_GROUP:
                return self.sequence(argument)
            case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
                return self._repeat(*argument)
            case op.AT | op.ASSERT | op.ASSERT_NOT:
                return _EMPTY
        raise UnsupportedError("its pattern refers to what another part of it has matched")

    def _characters(self, characters: str) -> _Node:
        if not (characters and self._limit):
            return _NONE
        return _Node({1: len(characters)}, lambda length, number: characters[number], characters)

    def _choice(self, options: list[_Node]) -> _Node:
        counts: dict[int, int] = {}
        for option in options:
            for length, count in option.counts.items():
                counts[length] = counts.get(length, 0) + count

        def text(length: int, number: int) -> str:
            for option in options:
                if number < (count := option.counts.get(length, 0)):
                    return option.text(length, number)
                number -= count
            raise IndexError(number)

        return _Node(counts, text)

    def _pair(self, first: _Node, rest: _Node) -> _Node:
        self._work -= len(first.counts) * len(rest.counts)
        if self._work < 0:
            raise UnsupportedError("its pattern is too complex to make up texts from")
        counts: dict[int, int] = {}
        for one, count in first.counts.items():
            for other, more in rest.counts.items():
                if one + other <= self._limit:
                    counts[one + other] = counts.get(one + other, 0) + count * more

        def text(length: int, number: int) -> str:
            for one, count in first.counts.items():
                more = rest.counts.get(length - one, 0)
                if number < count * more:
                    return first.text(one, number // more) + rest.text(length - one, number % more)
                number -= count * more
            raise IndexError(number)

        return _Node(counts, text)

    def _repeat(self, least: int, most: int, parsed: parser.SubPattern) -> _Node:
        node, times, options = self.sequence(parsed), _EMPTY, []
        if characters := node.characters:
            lengths = range(least, min(most, self._limit) + 1)
            return _Node(
                {length: len(characters) ** length for length in lengths},
                lambda length, number: written(characters, length, number),
            )
        # What may be empty is repeated no more often than there is room for characters.
        for count in range(min(most, max(least, self._limit)) + 1):
            if count:
                times = self._pair(node, times)
            if not times.counts:
                break
            if count >= least:
                options.append(times)
        return self._choice(options)


def _members(items: list[tuple[object, object]]) -> str:
    """Characters of a set, plain ones if it has any."""
    negated = items[0][0] is op.NEGATE

    def matches(character: str) -> bool:
        return negated != any(_holds(code, argument, character) for code, argument in items)

    for candidates in (_PLAIN, _PRINTABLE, "\t\n", map(chr, range(0xA1, 0x250)), _named(items)):
        if found := "".join(filter(matches, candidates)):
            return found
    return ""


def _holds(code: object, argument: object, character: str) -> bool:
    match code:
        case op.LITERAL:
            return ord(character) == argument
        case op.RANGE:
            return argument[0] <= ord(character) <= argument[1]
        case op.CATEGORY:
            return _CATEGORIES[argument](character)
    return False


def _named(items: list[tuple[object, object]]) -> Iterator[str]:
    """The characters that a set names itself."""
    for code, argument in items:
        if code is op.LITERAL:
            yield chr(argument)
        elif code is op.RANGE:
            yield from map(chr, range(argument[0], min(argument[1], argument[0] + _RANGE) + 1))
