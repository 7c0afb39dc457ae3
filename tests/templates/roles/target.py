"""The roles by which the pipeline's steps act on the application."""

from templates.cfn import ACCOUNT, KEY_ID
from templates.decisions import Row, may, may_not
from templates.roles.names import (
    ARTIFACTS,
    BUCKETS,
    CHANGING_ROLES,
    FINDING_PREFIX_LISTS,
    INTAKE,
    LEDGER,
    PIPELINE,
    RUN,
    STACKS,
    TARGET,
    UPDATING,
    UPLOAD_TOPIC,
    UPLOADS,
    arn,
    role,
    stack,
)

# Of the target's roles that make change sets.
PLANNING = [
    may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml", {"aws:ResourceAccount": "999999999999"}),
    may_not("s3:PutObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Source/a1B2c3D"),
    may_not("s3:GetObject s3:PutObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
    may_not("s3:GetObject s3:PutObject", f"{ARTIFACTS}/tested/{'ab' * 32}"),
    *(
        may(
            "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
            "cloudformation:DescribeStacks cloudformation:GetTemplate cloudformation:ListChangeSets "
            "cloudformation:ListStackResources cloudformation:TagResource cloudformation:UntagResource",
            stack(name),
        )
        for name in ("sluice-staging", BUCKETS.name)
    ),
    may_not("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack("sluice-production")),
    may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack(PIPELINE.name)),
    may("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
    may_not("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
    may_not("iam:PassRole", role("somebody-elses"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
]


TABLE: dict[tuple[str, str], list[Row]] = {
    ("target", "UpdateRole"): [
        *(may(UPDATING, stack(name)) for name in (TARGET.name, STACKS["boundary"].name)),
        *(may_not(UPDATING, stack(name)) for name in (PIPELINE.name, "sluice-staging", "sluice-target-production")),
        may_not("cloudformation:DeleteStack cloudformation:UpdateStack", stack(TARGET.name)),
        may(CHANGING_ROLES, TARGET.arn("CloudFormationRole")),
        *(
            may_not(CHANGING_ROLES, other)
            for other in (PIPELINE.arn("PlanRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("iam:AttachRolePolicy iam:PassRole sts:AssumeRole", TARGET.arn("CloudFormationRole")),
        may(
            "iam:CreatePolicy iam:CreatePolicyVersion iam:DeletePolicy iam:DeletePolicyVersion iam:GetPolicy "
            "iam:GetPolicyVersion iam:ListEntitiesForPolicy iam:ListPolicyVersions",
            TARGET.ref("NetworkRights"),
        ),
        may_not("iam:CreatePolicyVersion iam:DeletePolicy", f"arn:aws:iam::{ACCOUNT}:policy/somebody-elses"),
        may(
            "iam:AttachRolePolicy iam:DetachRolePolicy",
            TARGET.arn("CloudFormationRole"),
            {"iam:PolicyARN": TARGET.ref("NetworkRights")},
        ),
        may_not("iam:AttachRolePolicy", role("Administrator"), {"iam:PolicyARN": TARGET.ref("NetworkRights")}),
        may_not(
            "iam:AttachRolePolicy",
            TARGET.arn("CloudFormationRole"),
            {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
        ),
    ],
    ("target", "PlanRole"): [
        *PLANNING,
        *FINDING_PREFIX_LISTS,
        may_not(
            "cloudformation:ExecuteChangeSet cloudformation:UpdateStack cloudformation:SetStackPolicy "
            "cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        # One that was never created as a whole.
        may("cloudformation:DeleteStack", stack("sluice-staging")),
        *(
            may_not("cloudformation:DeleteStack", stack(name))
            for name in (BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
        may_not("s3:ListBucket", UPLOADS),
        may_not("sts:AssumeRole", TARGET.arn("CloudFormationRole")),
    ],
    ("target", "DeployRole"): [
        may(
            "cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet cloudformation:DescribeStacks "
            "cloudformation:DescribeStackEvents",
            stack("sluice-staging"),
        ),
        may_not("cloudformation:ExecuteChangeSet", stack("sluice-production")),
        may_not("cloudformation:ExecuteChangeSet", stack(PIPELINE.name)),
        # It executes what was planned, and plans nothing itself.
        may_not(
            "cloudformation:CreateChangeSet cloudformation:UpdateStack cloudformation:DeleteStack "
            "cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
        may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
    ],
    ("target", "SmokeRole"): [
        may("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/smoke/x.csv"),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", "arn:aws:s3:::somebody-elses/smoke/x.csv"),
        may("s3:ListBucketVersions", UPLOADS, {"s3:prefix": "smoke/x.csv"}),
        may_not("s3:ListBucketVersions", UPLOADS, {"s3:prefix": "prices/"}),
        may_not("s3:ListBucketVersions", ARTIFACTS, {"s3:prefix": "smoke/x.csv"}),
        may("dynamodb:GetItem dynamodb:DeleteItem", LEDGER, {"dynamodb:LeadingKeys": "bucket/smoke/x.csv"}),
        may_not("dynamodb:GetItem dynamodb:DeleteItem", LEDGER, {"dynamodb:LeadingKeys": "bucket/people/x.csv"}),
        may_not("dynamodb:DeleteItem", arn("dynamodb", "table/x"), {"dynamodb:LeadingKeys": "b/smoke/x"}),
        may_not("dynamodb:UpdateItem dynamodb:Scan", LEDGER, {"dynamodb:LeadingKeys": "bucket/smoke/x.csv"}),
        may("sns:Subscribe", UPLOAD_TOPIC),
        may("sns:Unsubscribe", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:Subscribe sns:Unsubscribe", arn("sns", "somebody-elses")),
        may_not("sns:Publish", UPLOAD_TOPIC),
        may(
            "sqs:CreateQueue sqs:DeleteQueue sqs:DeleteMessage sqs:ReceiveMessage", arn("sqs", "smoke-sluice-staging-x")
        ),
        may_not("sqs:DeleteQueue sqs:DeleteMessage sqs:ReceiveMessage", INTAKE),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/good/sluice-staging.json"),
        may_not("s3:ListBucket", UPLOADS),
        *PLANNING,
        may("cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may("cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection", stack("sluice-staging")),
        *(
            may_not("cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection", stack(name))
            for name in (BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
    ],
}
