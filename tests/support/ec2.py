"""An EC2 for unit tests: what `delivery.prefix_lists` uses of it."""

from collections.abc import Callable
from types import SimpleNamespace

REGION = "eu-central-1"
LOOKED_UP = {"S3PrefixListId": "pl-0a", "DynamoDbPrefixListId": "pl-0b"}
_NAMES = {f"com.amazonaws.{REGION}.{service}": f"pl-0{digit}" for service, digit in (("s3", "a"), ("dynamodb", "b"))}


class Ec2:
    """A region with its prefix lists; `ask` is told of each action."""

    meta = SimpleNamespace(region_name=REGION)

    def __init__(self, ask: Callable[[str], None] = lambda action: None) -> None:
        self._ask = ask

    def get_paginator(self, operation: str) -> "Ec2":
        assert operation == "describe_managed_prefix_lists"
        return self

    def paginate(self, Filters: list[dict]) -> list[dict]:
        self._ask("ec2:DescribeManagedPrefixLists")
        [asked] = Filters
        assert asked["Name"] == "prefix-list-name"
        # One list a page.
        return [
            {"PrefixLists": [{"PrefixListName": name, "PrefixListId": _NAMES[name]}]}
            for name in asked["Values"]
            if name in _NAMES
        ]
