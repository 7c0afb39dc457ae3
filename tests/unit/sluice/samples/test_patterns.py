"""Texts of patterns: each matches, all of them are there, and lengths are kept."""

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.samples.domains import UnsupportedError, shuffled
from sluice.samples.patterns import pattern_domain

ATOMS = st.sampled_from(
    [
        "a",
        "bc",
        ".",
        r"\d",
        r"\W",
        r"\S",
        "[^a-c]",
        "[x-z_]",
        "[^\\x00-\\x7f]",
        "é",
        r"\.",
        "[^\\n]",
        "(?:d|ef|)",
        "\\s",
    ]
)
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,3}", "{2,}", "+?", "*+"])
PIECES = st.builds("({}){}".format, ATOMS, REPEATS)
EXPRESSIONS = st.recursive(
    PIECES,
    lambda inner: st.builds("({}{}){}".format, inner, inner, REPEATS) | st.builds("(?:{}|{})".format, inner, inner),
    max_leaves=4,
)


@given(EXPRESSIONS, st.integers(0, 4), st.none() | st.integers(4, 9), st.integers(0))
def test_every_text_matches_its_pattern_and_has_a_length_that_is_allowed(pattern, shortest, longest, seed):
    try:
        domain = pattern_domain(pattern, shortest, longest, 100)
    except UnsupportedError:
        return
    random = Random(seed)
    for number in (0, domain.size - 1, domain.pick(random), domain.pick(random)):
        text = domain.cell(number)
        # What never gives back may not match what it would have had to leave.
        assert re.fullmatch(pattern.replace("*+", "*"), text), text
        assert shortest <= len(text) <= (longest or 10**6)
    with pytest.raises(IndexError):
        domain.cell(domain.size)


@pytest.mark.parametrize(
    ("pattern", "lengths", "texts"),
    [
        ("[ab]{0,2}c?", (0, None), {"", "a", "b", "c", "aa", "ab", "ba", "bb", "ac", "bc", "aac", "abc", "bac", "bbc"}),
        ("(x|yy)+", (3, 3), {"xxx", "xyy", "yyx"}),
        ("^(?=a)a(?!b)[bc]$", (0, None), {"ab", "ac"}),
        ("(?:ab){2}|[0-2]", (2, None), {"abab"}),
        ("[^ -~]", (0, None), {"\t", "\n"}),
        ("[α-γ]", (0, None), {"α", "β", "γ"}),
        ("(?>a|b)(?P<name>c)?+", (0, 1), {"a", "b"}),
        ("", (0, None), {""}),
    ],
)
def test_a_pattern_has_exactly_its_texts(pattern, lengths, texts):
    domain = pattern_domain(pattern, *lengths, 100)

    assert {domain.cell(number) for number in range(domain.size)} == texts
    assert domain.size == len(texts)


def test_a_pattern_has_as_many_texts_as_are_wanted():
    assert pattern_domain("(xa?)+", 0, None, 10**6).size >= 10**6


@given(st.integers(0, 200), st.integers(0))
def test_a_shuffle_has_every_number_once(size, seed):
    assert sorted(shuffled(size, Random(seed))) == list(range(size))
    assert list(shuffled(size, Random(seed))) == list(shuffled(size, Random(seed)))
