"""Which deployment a command is about, and what it consists of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import typer

from delivery import stack as stacks
from delivery.advice import region
from delivery.changes import STACK
from operations.entries import Entries
from operations.exits import USAGE, CommandError
from operations.keys import key_templates
from sluice.ledger_reader import Entry

Client = Callable[[str], Any]

# What templates/root.yaml tells of each deployment, whatever its stack is called.
_OUTPUTS = frozenset({"UploadsBucket", "LedgerTable", "IntakeQueueUrl"})


@dataclass(frozen=True)
class Resource:
    """A resource by its path of logical ids (`Queue/Intake`); `name` is its physical id, `stack` that of its stack."""

    path: str
    kind: str
    name: str
    stack: str

    @property
    def logical_id(self) -> str:
        """Its name in its template."""
        return self.path.rpartition("/")[2]


class Deployment:
    """A root stack in AWS, or in the local cloud."""

    def __init__(self, client: Client, described: dict) -> None:
        """`client` makes a boto3 client of a service, `described` is the root stack as CloudFormation describes it."""
        self.client = client
        self.stack = described["StackName"]
        self.stack_id = described["StackId"]
        self.outputs = stacks.outputs_of(described)

    @cached_property
    def resources(self) -> list[Resource]:
        """All resources of the stack and of those nested in it."""
        return list(walk(self.client("cloudformation"), self.stack_id))

    @cached_property
    def entries(self) -> Entries:
        """The ledger."""
        buckets = [self.outputs[name] for name in ("UploadsBucket", "LakeBucket") if name in self.outputs]
        return Entries(self.client("dynamodb"), self.outputs["LedgerTable"], buckets, key_templates())

    def entry(self, name: str, version_id: str | None = None) -> Entry:
        """The upload of an id, or the newest version of a key, or the one that is asked for.

        Raises CommandError where the ledger knows of none.
        """
        found = self.versions(name)
        if version_id is None:
            return found[0]
        for entry in found:
            if entry.upload.version_id == version_id:
                return entry
        known = ", ".join(entry.upload.version_id for entry in found)
        raise CommandError(f"{name} has no version {version_id} in the ledger, which knows {known}")

    def versions(self, name: str) -> list[Entry]:
        """The upload of an id, or all versions of a key from the newest on; raises CommandError for none."""
        if found := self.entries.of(name):
            return found
        raise CommandError(
            f"the ledger of {self.stack} knows no upload {name}: look for it with `scripts/sluice status --since 7d`. "
            "What was uploaded a moment ago comes within seconds, and what is lost within the hour"
        )

    def of_kind(self, kind: str) -> list[Resource]:
        """The resources of a type, such as `AWS::SQS::Queue`."""
        return [resource for resource in self.resources if resource.kind == kind]


def clients() -> Client:
    """Clients by your usual AWS configuration: AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, ~/.aws/..."""
    return boto3.Session(region_name=region()).client


def find(environment: str | None = None, stack: str | None = None) -> Deployment:
    """The deployment of an environment, or of a root stack by its name; without either, the only one there is.

    Raises typer.BadParameter for both, CommandError where there is none, or none that is meant.
    """
    if environment and stack:
        raise typer.BadParameter("give --environment or --stack, not both")
    client = clients()
    cloudformation = client("cloudformation")
    name = stack or (f"sluice-{environment}" if environment else None)
    if name is None:
        return Deployment(client, _only(cloudformation))
    found = stacks.describe(cloudformation, name)
    if found is None:
        raise CommandError(f"there is no stack {name}; {_there_are(_roots(cloudformation))}")
    if not _is_root(found):
        raise CommandError(
            f"{name} ({found['StackStatus']}) is no deployment of Sluice, or one that was never finished: it has no "
            f"outputs {', '.join(sorted(_OUTPUTS))}. Release it first, or name another one"
        )
    return Deployment(client, found)


def walk(cloudformation: Any, stack: str, path: str = "") -> Iterator[Resource]:
    """The resources of a stack, each nested stack followed by its own. What has no physical id is left out."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for resource in (one for page in pages for one in page["StackResourceSummaries"]):
        # A resource whose creation failed has no name.
        if not resource.get("PhysicalResourceId") or resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        found = Resource(
            path + resource["LogicalResourceId"], resource["ResourceType"], resource["PhysicalResourceId"], stack
        )
        yield found
        if found.kind == STACK:
            yield from walk(cloudformation, found.name, f"{found.path}/")


def _only(cloudformation: Any) -> dict:
    found = _roots(cloudformation)
    if len(found) != 1:
        raise CommandError(f"{_there_are(found)}", USAGE if found else 1)
    return found[0]


def _roots(cloudformation: Any) -> list[dict]:
    pages = cloudformation.get_paginator("describe_stacks").paginate()
    return [stack for page in pages for stack in page["Stacks"] if not stack.get("RootId") and _is_root(stack)]


def _is_root(stack: dict) -> bool:
    return stacks.outputs_of(stack).keys() >= _OUTPUTS


def _there_are(found: list[dict]) -> str:
    if not found:
        return (
            "there is no deployment of Sluice in this account and region: check AWS_PROFILE, AWS_REGION and "
            "AWS_ENDPOINT_URL, or deploy one as README.md says"
        )
    names = ", ".join(sorted(stack["StackName"] for stack in found))
    return f"the deployments here are {names}: choose one with --environment or --stack"
