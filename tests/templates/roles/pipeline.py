"""The roles of the pipeline's steps."""

from templates.cfn import KEY_ID
from templates.decisions import Row, may, may_not
from templates.roles.names import (
    ARTIFACTS,
    BUILD_LOG,
    CHANGING_ROLES,
    CONNECTION,
    FUNCTION,
    LOG_GROUP,
    OTHER_KEY,
    OTHER_ROLES,
    PIPELINE,
    PROCESS_LOG,
    RUN,
    STACKS,
    TARGET,
    TESTED,
    UPDATING,
    UPLOAD_TOPIC,
    UPLOADS,
    arn,
    role,
    stack,
)

# Of every project that works for the pipeline.
BUILDS = [
    may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
    may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
    may("s3:GetBucketAcl s3:GetBucketLocation", ARTIFACTS),
    may_not("s3:GetBucketAcl s3:GetBucketLocation", UPLOADS),
    may_not("s3:PutObject s3:DeleteObject", f"{RUN}/Source/a1B2c3D"),
    may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", "arn:aws:s3:::somebody-elses/x/Source/a1B2c3D"),
    may_not("iam:PutRolePolicy iam:PassRole", TARGET.arn("CloudFormationRole")),
    may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
]


TABLE: dict[tuple[str, str], list[Row]] = {
    ("pipeline", "PipelineRole"): [
        may("s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketVersioning", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation s3:GetBucketVersioning", UPLOADS),
        may_not("s3:PutBucketPolicy s3:DeleteBucket s3:ListBucket", ARTIFACTS),
        may("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{RUN}/Build/a1B2c3D"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/releases/abcd-abcd.json"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may("codeconnections:UseConnection codestar-connections:UseConnection", CONNECTION),
        may_not("codeconnections:UseConnection", arn("codeconnections", "connection/somebody-elses")),
        *(
            may("codebuild:StartBuild codebuild:BatchGetBuilds", PIPELINE.arn(project))
            for project in ("Update", "Build", "Plan", "Smoke")
        ),
        may_not("codebuild:StartBuild codebuild:BatchGetBuilds", arn("codebuild", "project/somebody-elses")),
        may("sts:AssumeRole", TARGET.arn("DeployRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("DeployRole")),
        may_not("cloudformation:ExecuteChangeSet cloudformation:CreateChangeSet", stack("sluice-staging")),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
        may_not("iam:PutRolePolicy iam:AttachRolePolicy", PIPELINE.arn("PipelineRole")),
    ],
    ("pipeline", "UpdateRole"): [
        may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may("s3:GetBucketAcl s3:GetBucketLocation", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation", UPLOADS),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject s3:DeleteObject", f"{ARTIFACTS}/templates/x.yaml"),
        may("sts:AssumeRole", TARGET.arn("UpdateRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("UpdateRole")),
        may(UPDATING, stack(PIPELINE.name)),
        *(may_not(UPDATING, stack(name)) for name in (TARGET.name, "sluice-staging", "sluice-pipeline-production")),
        may_not("cloudformation:DeleteStack cloudformation:UpdateStack", stack(PIPELINE.name)),
        may(CHANGING_ROLES, PIPELINE.arn("PlanRole")),
        *(
            may_not(CHANGING_ROLES, other)
            for other in (TARGET.arn("PlanRole"), STACKS["iam"].arn("ProcessRole"), role("Administrator"))
        ),
        may_not("iam:AttachRolePolicy iam:CreateUser", PIPELINE.arn("PlanRole")),
        may("iam:PassRole", PIPELINE.arn("PlanRole"), {"iam:PassedToService": "codebuild.amazonaws.com"}),
        *(
            may("iam:PassRole", passed, {"iam:PassedToService": "codepipeline.amazonaws.com"})
            for passed in (PIPELINE.arn("PipelineRole"), TARGET.arn("DeployRole"))
        ),
        may_not("iam:PassRole", TARGET.arn("PlanRole"), {"iam:PassedToService": "codepipeline.amazonaws.com"}),
        may_not("iam:PassRole", PIPELINE.arn("PlanRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may_not("iam:PassRole", role("Administrator"), {"iam:PassedToService": "codebuild.amazonaws.com"}),
        may(
            "codebuild:BatchGetProjects codebuild:CreateProject codebuild:DeleteProject codebuild:UpdateProject",
            PIPELINE.arn("Plan"),
        ),
        may_not("codebuild:UpdateProject codebuild:DeleteProject", arn("codebuild", "project/somebody-elses")),
        may_not("codebuild:StartBuild", PIPELINE.arn("Plan")),
        may(
            "codepipeline:GetPipeline codepipeline:GetPipelineState codepipeline:ListTagsForResource "
            "codepipeline:StartPipelineExecution codepipeline:TagResource codepipeline:UntagResource "
            "codepipeline:UpdatePipeline",
            arn("codepipeline", PIPELINE.ref("Pipeline")),
        ),
        may_not("codepipeline:UpdatePipeline", arn("codepipeline", "somebody-elses")),
        may_not(
            "codepipeline:PutApprovalResult codepipeline:DeletePipeline codepipeline:OverrideStageCondition",
            arn("codepipeline", f"{PIPELINE.ref('Pipeline')}/Approve"),
        ),
        may(
            "codeconnections:GetConnection codeconnections:ListTagsForResource codeconnections:PassConnection "
            "codeconnections:TagResource codeconnections:UntagResource codestar-connections:PassConnection",
            CONNECTION,
        ),
        may_not("codeconnections:PassConnection", arn("codeconnections", "connection/somebody-elses")),
        may_not("codeconnections:DeleteConnection codeconnections:UseConnection", CONNECTION),
        may(
            "logs:CreateLogGroup logs:DeleteLogGroup logs:GetDataProtectionPolicy logs:ListTagsForResource "
            "logs:PutRetentionPolicy logs:TagResource logs:UntagResource",
            PIPELINE.arn("BuildLog"),
        ),
        may_not("logs:DeleteLogGroup logs:PutRetentionPolicy", LOG_GROUP),
        may("logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies", "*"),
        may(
            "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
            "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe "
            "sns:TagResource sns:UntagResource",
            PIPELINE.ref("AlertTopic"),
        ),
        may(
            "sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe",
            f"{PIPELINE.ref('AlertTopic')}:{KEY_ID}",
        ),
        may_not("sns:DeleteTopic sns:SetTopicAttributes sns:Subscribe", UPLOAD_TOPIC),
        may(
            "events:DeleteRule events:DescribeRule events:ListTagsForResource events:ListTargetsByRule events:PutRule "
            "events:PutTargets events:RemoveTargets events:TagResource events:UntagResource",
            arn("events", f"rule/{PIPELINE.ref('Unfinished')}"),
        ),
        may_not("events:PutRule events:DeleteRule", arn("events", "rule/somebody-elses")),
        may(
            "s3:ListBucket s3:PutBucketOwnershipControls s3:PutBucketPolicy s3:PutBucketPublicAccessBlock "
            "s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration "
            "s3:TagResource s3:UntagResource s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration "
            "s3:GetBucketAbac s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration "
            "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
            "s3:GetBucketPolicy s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning "
            "s3:GetBucketWebsite s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration "
            "s3:GetInventoryConfiguration s3:GetLifecycleConfiguration s3:GetMetricsConfiguration "
            "s3:GetReplicationConfiguration s3:ListTagsForResource",
            ARTIFACTS,
        ),
        may_not("s3:PutBucketPolicy s3:PutLifecycleConfiguration", UPLOADS),
        # A replacement of what holds data, decrypts or is authorised by hand is not the pipeline's to make.
        may_not("s3:DeleteBucket s3:CreateBucket", ARTIFACTS),
        may(
            "kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags "
            "kms:PutKeyPolicy kms:TagResource kms:UntagResource kms:UpdateKeyDescription",
            PIPELINE.arn("AlertKey"),
        ),
        may_not("kms:DescribeKey kms:PutKeyPolicy", OTHER_KEY),
        may_not("kms:ScheduleKeyDeletion kms:Decrypt", PIPELINE.arn("AlertKey")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
    ],
    ("pipeline", "BuildRole"): [
        may("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may_not("logs:CreateLogGroup", BUILD_LOG),
        may("s3:GetBucketAcl s3:GetBucketLocation s3:ListBucket", ARTIFACTS),
        may_not("s3:GetBucketAcl s3:GetBucketLocation s3:ListBucket", UPLOADS),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:PutObject", f"{RUN}/Source/a1B2c3D"),
        may("s3:PutObject", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/releases/abcd-abcd.json"),
        may_not("s3:DeleteObject s3:DeleteObjectVersion", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:PutObject s3:GetObject s3:GetObjectVersion", f"{ARTIFACTS}/elsewhere/x"),
        may_not("s3:PutObject s3:GetObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("cloudformation:UpdateStack cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("lambda:UpdateFunctionCode lambda:InvokeFunction", FUNCTION),
        may_not(
            "iam:PassRole", TARGET.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
    ],
    ("pipeline", "PlanRole"): [
        *BUILDS,
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject", f"{ARTIFACTS}/plans/plan-1.md"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may("s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:PutObject s3:GetObjectVersion", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("sts:AssumeRole", TARGET.arn("PlanRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("PlanRole")),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may("s3:GetObject", f"arn:aws:s3:::{TESTED}/tested/{'ab' * 32}"),
        may("s3:ListBucket", f"arn:aws:s3:::{TESTED}"),
        may_not("s3:PutObject", f"arn:aws:s3:::{TESTED}/tested/{'ab' * 32}"),
        may_not("s3:GetObject", f"arn:aws:s3:::{TESTED}/artifacts/{'ab' * 32}.zip"),
        may_not("s3:ListBucket", UPLOADS),
    ],
    ("pipeline", "SmokeRole"): [
        *BUILDS,
        may("s3:GetObject s3:GetObjectVersion", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:GetObjectVersion", f"{RUN}/Build/a1B2c3D"),
        may("s3:PutObject s3:GetObject", f"{ARTIFACTS}/good/sluice-staging.json"),
        may("s3:PutObject", f"{ARTIFACTS}/tested/{'ab' * 32}"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may_not("s3:PutObject s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:ListBucket", ARTIFACTS),
        may_not("s3:ListBucket", UPLOADS),
        may("sts:AssumeRole", TARGET.arn("SmokeRole")),
        *(may_not("sts:AssumeRole", other) for other in OTHER_ROLES if other != TARGET.arn("SmokeRole")),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack("sluice-staging")),
        may_not("s3:PutObject s3:GetObject s3:DeleteObjectVersion", f"{UPLOADS}/smoke/x.csv"),
    ],
}
