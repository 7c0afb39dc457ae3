"""What each role may and may not do: decisions taken off-line from the templates, against the table in roles/.

The table is complete: every action and every resource of every statement has a line that needs it, and every resource
and every condition that narrows a statement has a line that it refuses.
"""

import json
from collections.abc import Iterator

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from templates.cfn import EVERYTHING, REGION, Stack, deployment, resources
from templates.decisions import Row, allows, may
from templates.roles import TABLE
from templates.roles.names import STACKS
from templates.roles.names import stack as stack_arn

ROLES = [
    (name, logical)
    for name, one in STACKS.items()
    for logical, resource in one.resources.items()
    if resource["Type"] == "AWS::IAM::Role"
]


def policies(template: str, logical: str, stacks: dict[str, Stack] = STACKS) -> list[dict]:
    """The role's own policies, and those that other resources give it."""
    found = stacks[template]
    given = [
        resource["Properties"]
        for stack in stacks.values()
        for resource in stack.resources.values()
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        and found.ref(logical) in resource["Properties"].get("Roles", [])
    ]
    return [policy["PolicyDocument"] for policy in (*found.properties(logical)["Policies"], *given)]


def statements(template: str, logical: str) -> Iterator[tuple[str, dict]]:
    for document in policies(template, logical):
        for statement in document["Statement"]:
            yield f"{logical}.{statement['Sid']}", statement


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def decide(documents: list[dict], action: str, row: Row) -> bool:
    return any(allows(document, action, row.resource, row.context) for document in documents)


def with_only(statement: dict, **changes: object) -> list[dict]:
    return [{"Statement": [{key: value for key, value in (statement | changes).items() if value is not None}]}]


def lines(role_of: tuple[str, str], is_allowed: bool) -> list[tuple[str, Row]]:
    """(action, row) of the table's lines that allow, or of those that do not."""
    return [(action, row) for row in TABLE[role_of] if row.is_allowed is is_allowed for action in row.actions.split()]


each_role = pytest.mark.parametrize("role_of", TABLE, ids=lambda role_of: role_of[1])

@each_role
def test_decision(role_of: tuple[str, str]) -> None:
    documents = policies(*role_of)
    asked = [(action, row) for row in TABLE[role_of] for action in row.actions.split()]
    wrong = [f"{action}: {row}" for action, row in asked if decide(documents, action, row) is not row.is_allowed]
    assert wrong == []


def test_the_plan_of_production_deletes_no_stack() -> None:
    documents = policies("target", "PlanRole", deployment("production"))
    asked = may("cloudformation:CreateChangeSet cloudformation:DeleteStack", stack_arn("sluice-production"))
    assert [decide(documents, action, asked) for action in asked.actions.split()] == [True, False]


def test_every_role_is_in_the_table() -> None:
    assert sorted(TABLE) == sorted(ROLES)


@each_role
def test_every_action_has_a_line_that_needs_it(role_of: tuple[str, str]) -> None:
    for sid, statement in statements(*role_of):
        only = with_only(statement)
        needed = {action for action, row in lines(role_of, True) if decide(only, action, row)}
        assert set(listed(statement["Action"])) <= needed, sid


@each_role
def test_every_resource_has_a_line_that_needs_it(role_of: tuple[str, str]) -> None:
    for sid, statement in statements(*role_of):
        for resource in listed(statement["Resource"]):
            only = with_only(statement, Resource=resource)
            assert any(decide(only, *line) for line in lines(role_of, True)), f"{sid}: {resource}"


@each_role
def test_everything_that_narrows_has_a_line_that_it_refuses(role_of: tuple[str, str]) -> None:
    """Or a wider resource, or a lost condition, would change no line."""
    for sid, statement in statements(*role_of):
        wider = []
        if statement["Resource"] != "*":
            wider.append(with_only(statement, Resource="*"))
        if "Condition" in statement:
            wider.append(with_only(statement, Condition=None))
        for documents in wider:
            assert any(decide(documents, *line) for line in lines(role_of, False)), f"{sid}: {documents}"


# Where a statement is on every resource there is, and why.
EVERY_RESOURCE = {
    **{
        f"{function}Role.Trace": "these actions know no resources"
        for function in (
            *("Process", "Sweep", "Drift", "Migrate", "Rotate", "Stream", "Rollup", "Simulate"),
            *("Query", "Submit", "Generate"),
        )
    },
    "CloudFormationRole.DescribeAlarms": "or composite alarms are left out: NEEDS_EVERYTHING",
    "DriftRole.DescribeAlarms": "likewise",
    "CloudFormationRole.MakeTaggedKeys": "the key does not exist yet; a tag is demanded instead",
    "CloudFormationRole.DescribeLogGroups": "these actions know no resources",
    "DriftRole.DescribeDetectionsAndLogGroups": "these actions know no resources",
    "UpdateRole.DescribeLogGroups": "likewise",
    "CloudFormationRole.StopARelease": "this action knows no resources",
    "CloudFormationRole.MakeEventSourceMappings": "the mapping does not exist yet; its function is demanded instead",
    "CloudFormationRole.DescribeNetworks": "these actions know no resources",
    "CloudFormationRole.DescribeDatabases": "likewise",
    "DriftRole.ReadNetworks": "likewise",
    "DriftRole.ListZones": "this action knows no resources",
    "StreamRole.ListStreams": "likewise",
    "RollupRole.ListStreams": "likewise",
    "CloudFormationRole.ListZones": "likewise",
    "CloudFormationRole.ResizeStreams": "these actions know no resources",
    "CloudFormationRole.DeliverAccessLogs": "likewise",
    "CloudFormationRole.RequestCertificates": "a certificate is no resource before it is there",
    "PlanRole.FindPrefixLists": "this action knows no resources",
    "Planner.FindPrefixLists": "likewise",
    "ProcessRole.DescribeTheVpc": "likewise; and code that runs in the function cannot use them",
    "MigrateRole.DescribeTheVpc": "likewise",
    "RotateRole.DescribeTheVpc": "likewise",
}


# What does less where it is allowed on less.
NEEDS_EVERYTHING = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    "cloudwatch:DescribeAlarms",
}


@each_role
def test_no_statement_is_wider_than_it_must_be(role_of: tuple[str, str]) -> None:
    for sid, statement in statements(*role_of):
        assert statement["Effect"] == "Allow" and not statement.keys() & {"NotAction", "NotResource"}
        assert not [action for action in listed(statement["Action"]) if "*" in action], sid
        for resource in listed(statement["Resource"]):
            assert (resource == "*") == (sid in EVERY_RESOURCE), sid
            # A bucket's objects, a log's streams, or the start of a name: never a whole service.
            assert resource == "*" or len(resource.split("*")[0].split(":", 5)[5]) >= 4, f"{sid}: {resource}"


def test_the_actions_on_every_resource_know_no_narrower_one() -> None:
    """By the service authorization reference, as cfn-lint ships it, for the actions that no condition narrows."""
    services = load_resource(AdditionalSpecs, "Policies.json")
    for role_of in TABLE:
        for sid, statement in statements(*role_of):
            if statement["Resource"] == "*" and "Condition" not in statement:
                for action in set(listed(statement["Action"])) - NEEDS_EVERYTHING:
                    service, name = action.lower().split(":")
                    assert not services[service]["Actions"][name].get("Resources"), f"{sid}: {action}"


@each_role
def test_a_role_keeps_within_the_size_of_inline_policies(role_of: tuple[str, str]) -> None:
    """10,240 characters without spaces: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    stacks = STACKS | deployment("production", **EVERYTHING)
    if role_of[1] not in stacks[role_of[0]].resources:
        # Of the simulator, which production has not.
        stacks = STACKS
    managed = [
        resource["Properties"]["PolicyDocument"]
        for stack in stacks.values()
        for resource in stack.resources.values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    inline = [document for document in policies(*role_of, stacks) if document not in managed]
    assert sum(len(json.dumps(document, separators=(",", ":"))) for document in inline) <= 10_240
    # On the same page.
    assert all(len(json.dumps(document, separators=(",", ":"))) <= 6_144 for document in managed)


def given(**settings: str) -> dict[str, list[dict]]:
    """The policies of each role of a deployment, with those that later stacks give it."""
    stacks = deployment(**settings)
    return {role: policies("iam", role, stacks) for role in stacks["iam"].resources if role.endswith("Role")}


def test_without_what_is_optional_no_role_has_rights_on_it() -> None:
    words = ("secretsmanager:", "ec2:", "rds:", "kinesis:", "apigateway:", "acm:", "route53:")
    for role, documents in given().items():
        assert not [word for word in words if word in json.dumps(documents)], role
    # Of what comes with the one, the other has nothing.
    for role, documents in given(EnableApi="true").items():
        assert not [word for word in words[:4] if word in json.dumps(documents)], role
    reading = json.dumps(given(EnableStream="true")["QueryRole"])
    assert "Windows" in reading and not [word for word in ("Ledger", "results", "index/") if word in reading]
    listing = json.dumps(given(EnableApi="true")["QueryRole"])
    assert "Ledger" in listing and "Windows" not in listing


def test_what_is_optional_gives_the_other_roles_no_more_rights() -> None:
    before, after = given(), given(EnableStream="true", EnableApi="true")
    assert {role for role in before if before[role] != after[role]} == {"DriftRole"}


NOT_FOR_DRIFT = {
    "kms:Decrypt": "nothing that it reads is encrypted with a key that it would have to use",
    "secretsmanager:GetSecretValue": "a secret's value is not in the template, and nobody's to read who compares",
    "s3:getObject": "our API is not described by an object",
    "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation": "no endpoint of ours is of that kind",
}


def test_the_drift_check_may_read_every_type_that_the_templates_use() -> None:
    """CloudFormation reads with the caller's rights what the types' read handlers ask for."""
    allowed = {action for action, _ in lines(("iam", "DriftRole"), True)}
    for name, _, resource in resources():
        if resource["Type"].startswith("Custom::"):
            continue
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource["Type"]).schema.get("handlers", {})
        if name not in ("boundary", "pipeline", "target", "teardown", "github-oidc") and "read" in handlers:
            assert set(handlers["read"]["permissions"]) - set(NOT_FOR_DRIFT) <= allowed, resource["Type"]
