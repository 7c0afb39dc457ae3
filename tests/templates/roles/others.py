"""The roles of stacks that are deployed by themselves."""

from templates.cfn import KEY_ID, RANDOM, REGION
from templates.decisions import Row, may, may_not
from templates.roles.names import (
    ARTIFACTS,
    BUCKETS,
    BUILD_LOG,
    CLUSTER,
    CONNECTION,
    DATABASE,
    FUNCTION,
    LEDGER,
    LOOK,
    LOOK_ARN,
    OTHER_TAG,
    OWN_TAG,
    PIPELINE,
    PLAN,
    PLAN_ARN,
    RUN,
    STACKS,
    TARGET,
    TEARDOWN_LOG,
    UPLOADS,
    WRITER,
    arn,
    role,
    stack,
)

TABLE: dict[tuple[str, str], list[Row]] = {
    ("teardown", "Role"): [
        may("logs:CreateLogStream logs:PutLogEvents", TEARDOWN_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may("codeconnections:GetConnection codeconnections:GetConnectionToken", CONNECTION),
        may_not("codeconnections:GetConnectionToken", arn("codeconnections", "connection/somebody-elses")),
        may_not("codeconnections:PassConnection codeconnections:DeleteConnection", CONNECTION),
        may("cloudformation:DeleteStack cloudformation:DescribeStacks", stack("sluice-staging")),
        may("cloudformation:ListStackResources", stack("sluice-staging")),
        may("cloudformation:ListStackResources", stack(BUCKETS.name)),
        *(
            may_not(
                "cloudformation:DeleteStack cloudformation:DescribeStacks cloudformation:ListStackResources",
                stack(name),
            )
            for name in ("sluice-production", f"sluice-production-Buckets-{RANDOM}", PIPELINE.name)
        ),
        may_not(
            "cloudformation:UpdateStack cloudformation:CreateChangeSet cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        may("s3:DeleteBucket s3:ListBucketMultipartUploads s3:ListBucketVersions", UPLOADS),
        may("s3:AbortMultipartUpload s3:DeleteObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{UPLOADS}/people/staff.csv"),
        *(
            may_not("s3:DeleteBucket s3:ListBucketVersions s3:DeleteObjectVersion s3:AbortMultipartUpload", resource)
            for bucket in (ARTIFACTS, f"arn:aws:s3:::sluice-production-buckets-{RANDOM.lower()}")
            for resource in (bucket, f"{bucket}/x")
        ),
        may("dynamodb:DeleteTable dynamodb:DescribeTable", LEDGER),
        may_not("dynamodb:DeleteTable", arn("dynamodb", f"table/sluice-production-Ledger-{RANDOM}")),
        may_not("dynamodb:Scan dynamodb:UpdateTable", LEDGER),
        may("rds:DeleteDBCluster rds:DescribeDBClusters", CLUSTER),
        may("rds:DeleteDBInstance", WRITER),
        may_not("rds:DeleteDBCluster", arn("rds", "cluster:sluice-production-database-x")),
        may_not("rds:ModifyDBCluster rds:CreateDBClusterSnapshot", CLUSTER),
        may("kms:ScheduleKeyDeletion", DATABASE.arn("Key"), OWN_TAG),
        may_not("kms:ScheduleKeyDeletion", DATABASE.arn("Key"), OTHER_TAG),
        may_not("kms:ScheduleKeyDeletion", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", OWN_TAG),
        may_not("kms:Decrypt", DATABASE.arn("Key"), OWN_TAG),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
    ],
    ("teardown", "ScheduleRole"): [
        may("codebuild:StartBuild", STACKS["teardown"].arn("Teardown")),
        may_not("codebuild:StartBuild", arn("codebuild", "project/somebody-elses")),
        may_not("codebuild:UpdateProject codebuild:StopBuild", STACKS["teardown"].arn("Teardown")),
    ],
    ("github-oidc", "Planner"): [
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        # Nothing that is deployed, tested or approved, nor what CodePipeline hands over.
        *(
            may_not("s3:PutObject s3:DeleteObject s3:DeleteObjectVersion", f"{ARTIFACTS}/{key}")
            for key in ("templates/x.yaml", "artifacts/x.zip", "releases/x.json", "plans/x.md", "tested/x", "x")
        ),
        may_not("s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:DeleteObject s3:PutObjectAcl", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", "arn:aws:s3:::somebody-elses/pull-requests/x.yaml"),
        may_not("s3:PutObject s3:GetObject s3:GetObjectVersion", f"{UPLOADS}/pull-requests/ABC.csv"),
        *(
            may("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack(name), named)
            for name in ("sluice-staging", BUCKETS.name)
            for named in (LOOK, LOOK_ARN)
        ),
        *(
            may_not("cloudformation:CreateChangeSet cloudformation:DeleteChangeSet", stack(name), named)
            for name in ("sluice-staging", BUCKETS.name)
            for named in (PLAN, PLAN_ARN)
        ),
        may(
            "cloudformation:DescribeChangeSet cloudformation:DescribeStacks cloudformation:GetTemplate "
            "cloudformation:TagResource cloudformation:UntagResource",
            stack("sluice-staging"),
        ),
        may("cloudformation:DescribeChangeSet cloudformation:ListStackResources", stack(BUCKETS.name)),
        *(
            may_not(
                "cloudformation:ExecuteChangeSet cloudformation:CreateStack cloudformation:UpdateStack "
                "cloudformation:DeleteStack cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection "
                "cloudformation:ContinueUpdateRollback cloudformation:RollbackStack",
                stack(name),
                LOOK,
            )
            for name in ("sluice-staging", BUCKETS.name, "sluice-production", PIPELINE.name)
        ),
        *(
            may_not("cloudformation:CreateChangeSet cloudformation:DescribeChangeSet", stack(name), LOOK)
            for name in ("sluice-production", f"sluice-production-Buckets-{RANDOM}", PIPELINE.name, "sluice-github")
        ),
        may("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
        may_not("iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        *(
            may_not("iam:PassRole", other, {"iam:PassedToService": "cloudformation.amazonaws.com"})
            for other in (PIPELINE.arn("PipelineRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("sts:AssumeRole iam:PutRolePolicy", TARGET.arn("CloudFormationRole")),
        may_not("iam:PutRolePolicy iam:UpdateAssumeRolePolicy", STACKS["github-oidc"].arn("Planner")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
    ],
}
