"""What the stacks of a deployment ask for: their templates, with what was given to them and what it made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import request_scope
from ministack.services.cloudformation import engine

from local.cloud import Cloud

ANYTHING = "\N{WHITE SQUARE}"
"""Stands in a text for what a resource gives by GetAtt, which its stack tells nobody."""


@dataclass(frozen=True)
class Resource:
    logical: str
    kind: str
    physical: str
    properties: dict[str, Any]
    """As CloudFormation resolves them, but for attributes of resources of the same stack: ANYTHING."""


def resources(cloud: Cloud, stack: str) -> Iterator[Resource]:
    """The resources of a stack, and of those nested in it."""
    cloudformation = cloud.client("cloudformation")
    [known] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    there = {
        one["LogicalResourceId"]: {"PhysicalResourceId": one["PhysicalResourceId"], "Attributes": _Attributes()}
        for one in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    }
    template = engine._parse_template(cloudformation.get_template(StackName=stack)["TemplateBody"])
    given = [{"Key": one["ParameterKey"], "Value": one["ParameterValue"]} for one in known.get("Parameters", [])]
    for logical, one, properties in _resolved(cloud, template, given, there, known):
        physical = there[logical]["PhysicalResourceId"]
        yield Resource(logical, one["Type"], physical, properties)
        if one["Type"] == "AWS::CloudFormation::Stack":
            yield from resources(cloud, physical)


def _resolved(cloud: Cloud, template: dict, given: list, there: dict, stack: dict) -> list[tuple[str, dict, dict]]:
    """(logical id, resource as written, its properties) of those whose condition holds."""
    with request_scope(cloud.account, cloud.region):
        parameters = engine._resolve_parameters(template, given)
        conditions = engine._evaluate_conditions(template, parameters)

        def resolve(value: Any) -> Any:
            return engine._resolve_refs(value, there, parameters, conditions, {}, stack["StackName"], stack["StackId"])

        return [
            (logical, one, resolve(one.get("Properties", {})))
            for logical, one in template["Resources"].items()
            if conditions.get(one.get("Condition"), True)
        ]


class _Attributes(dict):
    """Every attribute, unknown."""

    def __contains__(self, attribute: object) -> bool:
        return True

    def __getitem__(self, attribute: str) -> str:
        return ANYTHING
