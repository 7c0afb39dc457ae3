"""What bounds the roles that CloudFormation makes: it takes nothing from them that they are granted, and ends there."""

import json
import re

import pytest

from templates.cfn import ACCOUNT, KEY_ID, REGION, ROOT, load, resources
from templates.decisions import Row, may, may_not
from templates.roles import TABLE
from templates.roles.names import (
    BOUNDARY,
    LEDGER,
    MASTER_SECRET,
    OTHER_SECRET,
    PIPELINE_ROLES,
    STACKS,
    STREAM,
    TARGET_ROLES,
    TOPIC_KEY,
    UPLOADS,
    arn,
    role,
    stack,
)
from templates.test_policies import decide, lines, listed, statements, with_only

DOCUMENT = STACKS["boundary"].properties("Boundary")["PolicyDocument"]
# Made by who deploys: scripts/bootstrap, the owner, a partner.
MADE_OTHERWISE = ("boundary", "github-oidc", "partner-bucket", "pipeline", "target", "teardown")
BOUNDED = [role_of for role_of in TABLE if role_of[0] not in MADE_OTHERWISE]
GRANTS = [(role_of, action, row) for role_of in BOUNDED for action, row in lines(role_of, True)]

BEYOND = [
    may_not(
        "iam:CreateRole iam:PutRolePolicy iam:AttachRolePolicy iam:PassRole iam:UpdateAssumeRolePolicy "
        "iam:DeleteRolePermissionsBoundary iam:PutRolePermissionsBoundary",
        STACKS["iam"].arn("ProcessRole"),
    ),
    may_not("iam:CreatePolicyVersion iam:SetDefaultPolicyVersion", BOUNDARY),
    may_not("iam:CreateUser iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/sluice-staging-x"),
    *(may_not("sts:AssumeRole iam:GetRole", other) for other in (*PIPELINE_ROLES, *TARGET_ROLES, role("Admin"))),
    may_not("sts:AssumeRole", f"arn:aws:iam::999999999999:role/{STACKS['iam'].ref('ProcessRole')}"),
    may_not(
        "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack "
        "cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet",
        stack("sluice-staging"),
    ),
    may_not("cloudformation:GetTemplate cloudformation:DescribeStacks", stack("somebody-elses")),
    may_not(
        "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration lambda:AddPermission lambda:CreateFunction",
        STACKS["lambda"].arn("Process"),
    ),
    may_not("lambda:InvokeFunction lambda:GetFunction", arn("lambda", "function:somebody-elses")),
    may_not("s3:DeleteObject s3:DeleteObjectVersion s3:PutObjectAcl", f"{UPLOADS}/prices/LSE/ABC.csv"),
    may_not("s3:PutBucketPolicy s3:DeleteBucket s3:PutLifecycleConfiguration s3:PutBucketNotification", UPLOADS),
    *(
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"arn:aws:s3:::{bucket}/prices/LSE/ABC.csv")
        for bucket in ("somebody-elses", "sluice-production-buckets-x", STACKS["pipeline"].ref("Artifacts"))
    ),
    # A partner's bucket may be any: it is written to under samples/, and never read.
    may_not("s3:GetObject s3:DeleteObject", "arn:aws:s3:::somebody-elses/samples/a.csv"),
    may_not("dynamodb:DeleteTable dynamodb:DeleteItem dynamodb:Scan dynamodb:PutResourcePolicy", LEDGER),
    may_not("dynamodb:GetItem dynamodb:PutItem dynamodb:Query", arn("dynamodb", "table/somebody-elses")),
    may_not("kinesis:DeleteStream kinesis:PutResourcePolicy kinesis:MergeShards", STREAM),
    may_not("kinesis:GetRecords kinesis:PutRecords", arn("kinesis", "stream/sluice-production-Stream-x")),
    may_not("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:CreateGrant kms:DisableKey", TOPIC_KEY),
    may_not("kms:Decrypt", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}"),
    may_not("secretsmanager:GetSecretValue secretsmanager:PutSecretValue", OTHER_SECRET),
    may_not("secretsmanager:PutSecretValue secretsmanager:DeleteSecret", MASTER_SECRET),
    may_not("sns:Subscribe sns:AddPermission sns:DeleteTopic", STACKS["notifications"].ref("UploadTopic")),
    may_not("sns:Publish", arn("sns", "somebody-elses")),
    may_not("sqs:PurgeQueue sqs:AddPermission sqs:SetQueueAttributes", STACKS["queue"].arn("Intake")),
    may_not("sqs:ReceiveMessage sqs:SendMessage", arn("sqs", "somebody-elses")),
    may_not("logs:DeleteLogGroup logs:GetLogEvents logs:PutRetentionPolicy", STACKS["logs"].arn("Process")),
    may_not("logs:PutLogEvents", STACKS["pipeline"].arn("BuildLog")),
    may_not("ec2:RunInstances ec2:CreateVpcEndpoint ec2:AuthorizeSecurityGroupIngress", arn("ec2", "subnet/subnet-0a")),
    may_not("rds:DeleteDBCluster rds:ModifyDBCluster rds:RestoreDBClusterFromSnapshot", arn("rds", "cluster:sluice-x")),
    may_not("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
    may_not("apigateway:POST apigateway:DELETE apigateway:PATCH", f"arn:aws:apigateway:{REGION}::/apis/x"),
    may_not("apigateway:GET", "arn:aws:apigateway:somewhere-else-1::/apis/x"),
    may_not("organizations:LeaveOrganization account:CloseAccount codebuild:StartBuild ecs:RunTask", "*"),
]
# What only looks at how something is set up.
READS_BY_VERB = re.compile(r"[a-z0-9-]+:(Describe|Detect|Get|Get[A-Z][a-z]+|List)\*|s3:Get\*Configuration")


def test_every_role_that_cloudformation_makes_has_the_boundary() -> None:
    made = {
        (name, logical)
        for name, found in STACKS.items()
        for logical, one in found.resources.items()
        if one["Type"] == "AWS::IAM::Role" and one["Properties"].get("PermissionsBoundary") == BOUNDARY
    }
    assert sorted(made) == sorted(BOUNDED)


def test_everything_that_cloudformation_makes_is_asked_for_the_boundary() -> None:
    """As written: also what is behind a condition has it."""
    for name, logical, resource in resources("AWS::IAM::Role"):
        if name not in MADE_OTHERWISE:
            assert resource["Properties"]["PermissionsBoundary"] == {"Ref": "PermissionsBoundaryArn"}, logical


@pytest.mark.parametrize("role_of", BOUNDED, ids=lambda role_of: role_of[1])
def test_what_a_role_may_the_boundary_leaves_it(role_of: tuple[str, str]) -> None:
    taken = [(action, str(row)) for action, row in lines(role_of, True) if not decide([DOCUMENT], action, row)]
    # And on the whole of what it is granted it on, which an action on many resources is asked for.
    taken += [
        (action, resource)
        for _, statement in statements(*role_of)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not decide([DOCUMENT], action, may(action, resource))
    ]
    assert taken == []


@pytest.mark.parametrize("row", BEYOND, ids=str)
def test_what_nobody_of_the_application_does_is_beyond_the_boundary(row: Row) -> None:
    assert [action for action in row.actions.split() if decide([DOCUMENT], action, row)] == []


@pytest.mark.parametrize("statement", DOCUMENT["Statement"], ids=lambda statement: statement["Sid"])
def test_nothing_is_left_to_roles_that_none_has(statement: dict) -> None:
    """What goes from the roles goes from here."""
    for action in listed(statement["Action"]):
        only = with_only(statement, Action=action)
        assert any(decide(only, asked, row) for _, asked, row in GRANTS), action
        assert "*" not in action or READS_BY_VERB.fullmatch(action), action
    for resource in listed(statement["Resource"]):
        only = with_only(statement, Resource=resource)
        assert any(decide(only, asked, row) for _, asked, row in GRANTS), resource


@pytest.mark.parametrize("statement", DOCUMENT["Statement"], ids=lambda statement: statement["Sid"])
def test_a_wider_boundary_would_be_seen(statement: dict) -> None:
    if statement["Resource"] != "*":
        wider = with_only(statement, Resource="*")
        assert any(decide(wider, action, row) for row in BEYOND for action in row.actions.split())


def test_the_boundary_keeps_within_the_size_of_a_policy() -> None:
    """6,144 characters: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    text = json.dumps(DOCUMENT, separators=(",", ":"))
    assert len(text.replace("staging", "production").replace(REGION, "ap-southeast-1")) <= 6_144


def test_the_boundary_is_given_on_unchanged() -> None:
    """From the stack of boundary.yaml to CloudFormation's role, and through the plan to every role."""
    assert "PermissionsBoundaryArn=$PERMISSIONS_BOUNDARY" in (ROOT / "buildspec-plan.yml").read_text()
    variables = STACKS["pipeline"].properties("Plan")["Environment"]["EnvironmentVariables"]
    assert {"Name": "PERMISSIONS_BOUNDARY", "Value": BOUNDARY} in variables
    assert "Default" not in load("root")["Parameters"]["PermissionsBoundaryArn"]
