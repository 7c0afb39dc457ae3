"""A CloudFormation for unit tests: what `delivery.stack` uses of it."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError


def refusal(message: str, code: str = "ValidationError") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AnyOperation")


class CloudFormation:
    """Stacks that have one resource.

    An operation takes time: each look at the events lets three more of them happen.
    """

    def __init__(self) -> None:
        self.stacks: dict[str, dict] = {}
        self.plans: dict[str, dict] = {}
        self.calls: list[str] = []
        self.breaks = ""
        self._events: list[dict] = []
        self._coming: list[dict] = []

    def add_stack(self, name: str, status: str, outputs: dict[str, str] | None = None) -> dict:
        found = [{"OutputKey": key, "OutputValue": value} for key, value in (outputs or {}).items()]
        stack_id = f"arn:aws:cloudformation:us-east-1:111122223333:stack/{name}/{len(self.stacks)}"
        self.stacks[name] = {"StackName": name, "StackId": stack_id, "StackStatus": status, "Outputs": found}
        return self.stacks[name] | {"Parameters": []}

    def describe_stacks(self, StackName: str) -> dict:
        for stack in self.stacks.values():
            if StackName in (stack["StackName"], stack["StackId"]) and stack["StackStatus"] != "DELETE_COMPLETE":
                return {"Stacks": [json.loads(json.dumps(stack))]}
        raise refusal(f"Stack with id {StackName} does not exist")

    def create_change_set(self, **plan: object) -> dict:
        name, template = plan["StackName"], json.loads(plan["TemplateBody"])
        exists = name in self.stacks and self.stacks[name]["StackStatus"] not in (
            "REVIEW_IN_PROGRESS",
            "DELETE_COMPLETE",
        )
        assert plan["ChangeSetType"] == ("UPDATE" if exists else "CREATE")
        assert plan["Capabilities"] == ["CAPABILITY_IAM"]
        stack = self.stacks[name] if exists else self.add_stack(name, "REVIEW_IN_PROGRESS")
        before = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
        values = {key: definition.get("Default") for key, definition in template["Parameters"].items()}
        for one in plan["Parameters"]:
            if one["ParameterKey"] not in values:
                raise refusal(f"Parameters: [{one['ParameterKey']}] do not exist in the template")
            previous = one.get("UsePreviousValue") and before[one["ParameterKey"]]
            values[one["ParameterKey"]] = one.get("ParameterValue", previous)
        if "/" not in values.get("Repository", "/"):
            raise refusal("Parameter Repository must be owner/name of a GitHub repository")
        is_new = values != before or template != stack.get("Template")
        self.plans[plan["ChangeSetName"]] = {"stack": name, "values": values, "template": template, "is_new": is_new}
        return {"Id": plan["ChangeSetName"]}

    def describe_change_set(self, StackName: str, ChangeSetName: str) -> dict:
        plan = self.plans[ChangeSetName]
        if not plan["is_new"]:
            reason = "The submitted information didn't contain changes. Submit different information."
            return {"Status": "FAILED", "StatusReason": reason}
        plan["looks"] = plan.get("looks", 0) + 1
        change = {
            "Action": "Modify",
            "Replacement": "True",
            "LogicalResourceId": "Bucket",
            "ResourceType": "AWS::S3::Bucket",
        }
        return {
            "Status": "CREATE_IN_PROGRESS" if plan["looks"] == 1 else plan["template"].get("Plan", "CREATE_COMPLETE"),
            "StatusReason": "bad template",
            "StackId": self.stacks[plan["stack"]]["StackId"],
            "Changes": [{"ResourceChange": change}],
        }

    def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
        del self.plans[ChangeSetName]

    def execute_change_set(self, StackName: str, ChangeSetName: str) -> None:
        plan = self.plans.pop(ChangeSetName)
        stack = self.stacks[plan["stack"]]
        doing = "CREATE" if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else "UPDATE"
        self._happen(stack, f"{doing}_IN_PROGRESS")
        if self.breaks:
            rollback = "ROLLBACK" if doing == "CREATE" else "UPDATE_ROLLBACK"
            self._happen(stack, f"{doing}_FAILED", "Other", "Resource creation cancelled")
            self._happen(stack, f"{doing}_FAILED", "Bucket", self.breaks)
            self._happen(stack, f"{rollback}_IN_PROGRESS")
            self._happen(stack, f"{rollback}_COMPLETE")
            return
        stack["Template"] = plan["template"]
        stack["Parameters"] = [{"ParameterKey": key, "ParameterValue": one} for key, one in plan["values"].items()]
        stack["Outputs"] = [
            {"OutputKey": key, "OutputValue": value} for key, value in plan["template"].get("Outputs", {}).items()
        ]
        self._happen(stack, f"{doing}_COMPLETE", "Bucket")
        self._happen(stack, f"{doing}_COMPLETE")

    def delete_stack(self, StackName: str) -> None:
        self.calls.append("delete_stack")
        stack = self.stacks[StackName]
        self._happen(stack, "DELETE_IN_PROGRESS")
        self._happen(stack, "DELETE_FAILED" if self.breaks else "DELETE_COMPLETE")

    def update_termination_protection(self, StackName: str, EnableTerminationProtection: bool) -> None:
        self.calls.append("update_termination_protection")
        self.stacks[StackName]["EnableTerminationProtection"] = EnableTerminationProtection

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation == "describe_stack_events"
        return self

    def paginate(self, StackName: str) -> Iterator[dict]:
        for event in [self._coming.pop(0) for _ in self._coming[:3]]:
            self._events.insert(0, event)
            if event["PhysicalResourceId"] == event["StackId"]:
                stack = next(one for one in self.stacks.values() if one["StackId"] == event["StackId"])
                stack["StackStatus"] = event["ResourceStatus"]
        yield {"StackEvents": [event for event in self._events if event["StackId"] == StackName]}

    def _happen(self, stack: dict, status: str, resource: str = "", reason: str = "") -> None:
        self._coming.append(
            {
                "EventId": str(len(self._events) + len(self._coming)),
                "StackId": stack["StackId"],
                "PhysicalResourceId": resource.lower() or stack["StackId"],
                "LogicalResourceId": resource or stack["StackName"],
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )
