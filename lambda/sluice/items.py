"""Items of DynamoDB as Python's values, and reads of many of them."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sluice.errors import TransientError

Attribute = str | int | Decimal | dict | frozenset | None

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_BATCH = 100
_BATCH_TRIES = 8


def get_items(dynamodb: Any, table: str, keys: list[dict], **options: Any) -> Iterator[dict]:
    """The items of the keys, those that there are: 100 a request, asking again for what DynamoDB leaves out.

    `options` are further members of the request, such as ConsistentRead. Raises TransientError where DynamoDB goes on
    leaving something out.
    """
    for start in range(0, len(keys), _BATCH):
        request = {table: {"Keys": list(map(to_item, keys[start : start + _BATCH])), **options}}
        for attempt in range(_BATCH_TRIES):
            answer = dynamodb.batch_get_item(RequestItems=request)
            yield from map(from_item, answer["Responses"].get(table, []))
            if not (request := answer.get("UnprocessedKeys")):
                break
            time.sleep(0.05 * 2**attempt)
        else:
            raise TransientError(f"DynamoDB did not read {len(request[table]['Keys'])} items of the table {table}")


def to_item(values: dict) -> dict:
    """Values as DynamoDB takes them, of the kinds that our tables have.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
    """
    return {name: _attribute(value) for name, value in values.items()}


def from_item(item: dict) -> dict:
    """The values of an item; numbers are Decimal."""
    return {name: _value(attribute) for name, attribute in item.items()}


def _attribute(value: Attribute) -> dict:
    match value:
        case None:
            return {"NULL": True}
        case str():
            return {"S": value}
        case int() | Decimal():
            return {"N": str(value)}
        case dict():
            return {"M": to_item(value)}
        case frozenset():
            return {"SS": sorted(value)}
    raise TypeError(f"our tables hold no {type(value).__name__}")


def _value(attribute: dict) -> str | Decimal | dict | frozenset | None:
    [(kind, value)] = attribute.items()
    match kind:
        case "NULL":
            return None
        case "S":
            return value
        case "N":
            return Decimal(value)
        case "M":
            return from_item(value)
        case "SS":
            return frozenset(value)
    raise TypeError(f"our tables hold no attribute of the type {kind}")
