"""Stacks in CloudFormation, and what of them has drifted.

CloudFormation looks at one stack at a time and leaves out the nested ones:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/detect-drift-stack.html
"""

from collections.abc import Iterator
from typing import Any

from sluice.drift import Drifted, Finding

_STACK = "AWS::CloudFormation::Stack"


class Stacks:
    """A root stack and its nested stacks."""

    def __init__(self, cloudformation: Any, root: str) -> None:
        self._cloudformation = cloudformation
        self._root = root

    def start(self) -> dict[str, str]:
        """Lets CloudFormation look at every stack; the detections by the stacks' paths, `""` for the root.

        Raises ClientError where a stack is being changed.
        """
        return {
            path: self._cloudformation.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
            for path, stack in self._tree("", self._root)
        }

    def finding(self, path: str, detection: str) -> Finding | None:
        """What a detection has found; None while it goes on."""
        answer = self._cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] == "DETECTION_IN_PROGRESS":
            return None
        failed = answer["DetectionStatus"] == "DETECTION_FAILED"
        stack = answer["StackId"]
        return Finding(
            path=path,
            stack_id=stack,
            # What could be checked is found even so.
            drifted=tuple(self._drifted(path, stack)),
            problem=answer.get("DetectionStatusReason", "no reason is given") if failed else "",
        )

    def _tree(self, path: str, stack: str) -> Iterator[tuple[str, str]]:
        yield path, stack
        for resource in self._cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
            if resource["ResourceType"] == _STACK:
                yield from self._tree(f"{path}{resource['LogicalResourceId']}/", resource["PhysicalResourceId"])

    def _drifted(self, path: str, stack: str) -> Iterator[Drifted]:
        more: dict[str, str] = {}
        while True:
            answer = self._cloudformation.describe_stack_resource_drifts(
                StackName=stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **more
            )
            for one in answer["StackResourceDrifts"]:
                yield Drifted(
                    path=path + one["LogicalResourceId"],
                    kind=one["ResourceType"],
                    status=one["StackResourceDriftStatus"],
                    properties=tuple(change["PropertyPath"] for change in one.get("PropertyDifferences", [])),
                )
            if "NextToken" not in answer:
                return
            more = {"NextToken": answer["NextToken"]}
