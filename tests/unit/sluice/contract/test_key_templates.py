"""Templates of keys, and whether two of them claim the same one."""

import itertools

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.key_templates import key_pattern, overlap
from support.datasets import DATASETS


def test_no_two_datasets_claim_the_same_key():
    """Such a key would belong to neither. It is asked here, once a build, and not at every cold start."""
    keys = {path.name: yaml.safe_load(path.read_text())["sluice:key"] for path in DATASETS.glob("*.yaml")}
    clashes = [pair for pair in itertools.combinations(keys, 2) if overlap(*(keys[name] for name in pair))]

    assert not clashes, "make their sluice:key exclusive"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/{x}.csv", "a/{y}.csv", True),
        ("a/{x}.csv", "b/{x}.csv", False),
        ("a/{x}.csv", "a/{x}.tsv", False),
        ("a/{x}/{y}", "a/{x}", False),
        ("{x}-b/c", "a-{y}/c", True),
        ("{x}{y}", "a", False),
        ("{x}{y}", "ab", True),
        ("a/b.csv", "a/b.csv", True),
    ],
)
def test_templates_overlap_where_one_key_is_both(one, other, expected):
    assert overlap(one, other) is overlap(other, one) is expected


pieces = st.lists(st.sampled_from(["a", "b", "/", "{}"]), min_size=1, max_size=3)
# Long enough for a shared key of any two templates of three pieces each.
keys = ["".join(key) for length in range(1, 7) for key in itertools.product("ab/", repeat=length)]


def template(parts: list[str]) -> str:
    return "".join(f"{{{'xyz'[n]}}}" if part == "{}" else part for n, part in enumerate(parts))


@given(pieces, pieces)
def test_templates_overlap_exactly_where_they_share_a_key(one, other):
    patterns = [key_pattern(template(parts)) for parts in (one, other)]
    shared = any(all(pattern.fullmatch(key) for pattern in patterns) for key in keys)
    assert overlap(template(one), template(other)) is shared
