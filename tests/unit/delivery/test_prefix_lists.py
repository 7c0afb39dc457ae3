"""What is looked up of a region's prefix lists, and when nothing is."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from delivery.plan import PlanError
from delivery.prefix_lists import SERVICES, completed

GIVEN = {"Environment": "staging", "EnableDatabase": "true"}


@pytest.fixture(params=["us-east-1", "eu-central-1"])
def ec2(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("ec2", request.param)


def names(ec2: Any) -> dict[str, str]:
    """The names of the region's lists by id."""
    return {one["PrefixListId"]: one["PrefixListName"] for one in ec2.describe_managed_prefix_lists()["PrefixLists"]}


def test_both_lists_are_those_of_the_region(ec2: Any) -> None:
    ec2.create_managed_prefix_list(PrefixListName="our.s3", MaxEntries=1, AddressFamily="IPv4")
    found = completed({"ec2": ec2}.__getitem__, GIVEN | {"S3PrefixListId": ""})
    assert found.items() >= GIVEN.items() and found.keys() == {*GIVEN, *SERVICES}
    for parameter, service in (("S3PrefixListId", "s3"), ("DynamoDbPrefixListId", "dynamodb")):
        assert names(ec2)[found[parameter]] == f"com.amazonaws.{ec2.meta.region_name}.{service}"


def test_what_is_given_stays(ec2: Any) -> None:
    given = GIVEN | {"DynamoDbPrefixListId": "pl-0a"}
    found = completed({"ec2": ec2}.__getitem__, given)
    assert found["DynamoDbPrefixListId"] == "pl-0a" and found["S3PrefixListId"] in names(ec2)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"EnableDatabase": "false"},
        {"EnableDatabase": "true", "S3PrefixListId": "pl-0a", "DynamoDbPrefixListId": "pl-0b"},
    ],
)
def test_nothing_is_asked_that_is_not_needed(parameters: dict[str, str]) -> None:
    """There is not even a client."""
    assert completed({}.__getitem__, parameters) == parameters


def test_a_list_that_is_not_there_is_named(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERVICES, "DynamoDbPrefixListId", "dynamo")
    absent = rf"com\.amazonaws\.{ec2.meta.region_name}\.dynamo"
    with pytest.raises(PlanError, match=rf"there is no prefix list {absent}, .* EnableDatabase to false"):
        completed({"ec2": ec2}.__getitem__, GIVEN)
