"""The keys that files are uploaded under."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.exits import USAGE, CommandError
from operations.keys import key_for, key_templates
from sluice.contract.key_templates import key_pattern

TEMPLATES = {"prices": "prices/{exchange}/{name}.csv", "people": "people/{name}.csv", "deep": "a/{x}/b/{name}.json"}


@pytest.mark.parametrize(
    ("path", "dataset", "key"),
    [
        ("LSE/ABC.csv", "prices", "prices/LSE/ABC.csv"),
        ("/data/prices/LSE/ABC.csv", "prices", "prices/LSE/ABC.csv"),
        ("/data/other/LSE/ABC.csv", "prices", "prices/LSE/ABC.csv"),
        ("./staff.csv", "people", "people/staff.csv"),
        ("one/b/two.json", "deep", "a/one/b/two.json"),
        ("one/two.json", "deep", "a/one/b/two.json"),
        ("samples/prices/LSE/a b + ü.csv", None, "prices/LSE/a b + ü.csv"),
        ("people/staff.csv", None, "people/staff.csv"),
    ],
)
def test_a_key_follows_from_how_the_path_ends(path, dataset, key):
    assert key_for(PurePath(path), dataset, TEMPLATES) == key


@pytest.mark.parametrize(
    ("path", "dataset", "reason"),
    [
        ("ABC.csv", "prices", "prices/{exchange}/{name}.csv, and the path has nothing for {exchange}"),
        ("/ABC.csv", "prices", "nothing for {exchange}"),
        ("../ABC.csv", "prices", "nothing for {exchange}"),
        ("staff.txt", "people", "nothing for {name}.csv"),
        ("staff.csv", "staff", "no dataset staff in this tree: prices, people, deep are"),
        ("staff.csv", None, "Give --dataset, one of prices (prices/{exchange}/{name}.csv), people"),
        ("people/x/staff.csv", None, "which dataset is it of"),
    ],
)
def test_a_path_without_a_key_is_refused_with_what_to_do(path, dataset, reason):
    with pytest.raises(CommandError) as refused:
        key_for(PurePath(path), dataset, TEMPLATES)

    assert reason in str(refused.value) and refused.value.code == USAGE


def test_a_path_that_two_datasets_claim_is_refused():
    with pytest.raises(CommandError, match="which dataset is it of"):
        key_for(PurePath("a/b.csv"), None, {"one": "a/{name}.csv", "other": "a/b{rest}csv"})


@given(st.lists(st.text(), min_size=1, max_size=4), st.sampled_from([*TEMPLATES, None]))
def test_a_key_that_is_made_belongs_to_its_dataset(parts, dataset):
    try:
        key = key_for(PurePath(*parts), dataset, TEMPLATES)
    except CommandError:
        return
    claims = [name for name, template in TEMPLATES.items() if key_pattern(template).fullmatch(key)]
    assert claims == [dataset] if dataset else len(claims) == 1


def test_the_templates_are_those_of_this_tree():
    assert key_templates()["prices"] == "prices/{exchange}/{name}.csv"
