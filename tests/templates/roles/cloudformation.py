"""The role that CloudFormation deploys the application by."""

from templates.cfn import ACCOUNT, KEY_ID, RANDOM, REGION
from templates.decisions import Row, may, may_not
from templates.roles.deploying import APIS, DATABASES, NETWORKS, STREAMS
from templates.roles.names import (
    ALIAS,
    ARTIFACTS,
    BOUNDARY,
    BUCKETS,
    DASHBOARD,
    FUNCTION,
    INTAKE,
    LEDGER,
    MAPPING,
    NEW_TAG,
    OTHER_DASHBOARD,
    OTHER_KEY,
    OTHER_NEW_TAG,
    OTHER_TAG,
    OWN_TAG,
    PIPELINE,
    PIPELINE_ROLES,
    RELEASE,
    RELEASES,
    RUN,
    SCHEDULE,
    STACKS,
    TARGET_ROLES,
    TOPIC_KEY,
    UPLOAD_TOPIC,
    UPLOADS,
    WITHIN,
    arn,
    role,
    stack,
)

GIVING_RIGHTS = "iam:CreateRole iam:PutRolePermissionsBoundary iam:PutRolePolicy"
TABLE: dict[tuple[str, str], list[Row]] = {
    ("target", "CloudFormationRole"): [
        *NETWORKS,
        *DATABASES,
        *STREAMS,
        *APIS,
        may(
            "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
            "cloudformation:ExecuteChangeSet "
            "cloudformation:CreateStack cloudformation:UpdateStack cloudformation:DeleteStack "
            "cloudformation:DescribeStacks cloudformation:GetStackPolicy cloudformation:GetTemplate "
            "cloudformation:TagResource cloudformation:UntagResource",
            stack(BUCKETS.name),
        ),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack(PIPELINE.name)),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack(f"sluice-production-Buckets-{RANDOM}")),
        may("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml"),
        may("s3:GetObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may("s3:GetObject", f"{ARTIFACTS}/pull-requests/{'ab' * 32}.yaml"),
        may_not("s3:GetObject", f"{ARTIFACTS}/templates/{'ab' * 32}.yaml", {"aws:ResourceAccount": "999999999999"}),
        may_not("s3:GetObject", f"{RUN}/Source/a1B2c3D"),
        may_not("s3:PutObject s3:DeleteObject", f"{ARTIFACTS}/artifacts/{'ab' * 32}.zip"),
        may(
            "s3:CreateBucket s3:DeleteBucket s3:ListBucket s3:PutBucketNotification s3:PutBucketOwnershipControls "
            "s3:PutBucketPublicAccessBlock s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration "
            "s3:PutLifecycleConfiguration s3:TagResource s3:UntagResource s3:GetBucketPolicy s3:PutBucketPolicy "
            "s3:DeleteBucketPolicy s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration s3:GetBucketAbac "
            "s3:GetBucketAcl s3:GetBucketCORS s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration "
            "s3:GetBucketNotification s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls "
            "s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite "
            "s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration s3:GetInventoryConfiguration "
            "s3:GetLifecycleConfiguration s3:GetMetricsConfiguration s3:GetReplicationConfiguration "
            "s3:ListTagsForResource",
            UPLOADS,
        ),
        may_not("s3:PutBucketPolicy s3:DeleteBucket s3:PutLifecycleConfiguration", ARTIFACTS),
        may_not("s3:PutBucketPolicy s3:DeleteBucket", f"arn:aws:s3:::sluice-production-buckets-{RANDOM.lower()}"),
        may_not("s3:GetObject s3:PutObject s3:DeleteObject s3:DeleteObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutBucketAcl s3:PutReplicationConfiguration", UPLOADS),
        may(
            "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
            "sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue",
            INTAKE,
        ),
        may_not("sqs:SendMessage sqs:ReceiveMessage sqs:PurgeQueue", INTAKE),
        may_not("sqs:DeleteQueue sqs:SetQueueAttributes", arn("sqs", "somebody-elses")),
        may(
            "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
            "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:Subscribe "
            "sns:TagResource sns:UntagResource",
            UPLOAD_TOPIC,
        ),
        may("sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:Publish", UPLOAD_TOPIC),
        may_not("sns:DeleteTopic sns:SetTopicAttributes sns:Subscribe", arn("sns", "somebody-elses")),
        may("kms:CreateKey", "*", NEW_TAG),
        may_not("kms:CreateKey", "*"),
        may_not("kms:CreateKey", "*", OTHER_NEW_TAG),
        may("kms:TagResource", TOPIC_KEY, NEW_TAG),
        may("kms:TagResource kms:UntagResource", TOPIC_KEY, OWN_TAG),
        may_not("kms:TagResource kms:UntagResource", OTHER_KEY, OTHER_TAG),
        # Nor is a key of another deployment made ours by a tag.
        may_not("kms:TagResource", OTHER_KEY, NEW_TAG | OTHER_TAG),
        may(
            "kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags",
            TOPIC_KEY,
        ),
        may_not("kms:DescribeKey", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}"),
        may("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", TOPIC_KEY, OWN_TAG),
        may_not("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", OTHER_KEY),
        may_not("kms:PutKeyPolicy kms:ScheduleKeyDeletion kms:UpdateKeyDescription", OTHER_KEY, OTHER_TAG),
        may_not("kms:PutKeyPolicy", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", OWN_TAG),
        may_not("kms:Decrypt kms:GenerateDataKey kms:CreateGrant kms:DisableKeyRotation", TOPIC_KEY, OWN_TAG),
        may(
            "dynamodb:CreateTable dynamodb:DeleteTable dynamodb:DescribeContinuousBackups "
            "dynamodb:DescribeContributorInsights dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable "
            "dynamodb:DescribeTimeToLive dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource dynamodb:TagResource "
            "dynamodb:UntagResource dynamodb:UpdateContinuousBackups dynamodb:UpdateTable dynamodb:UpdateTimeToLive",
            LEDGER,
        ),
        may_not("dynamodb:PutItem dynamodb:UpdateItem dynamodb:Scan dynamodb:PutResourcePolicy", LEDGER),
        may_not("dynamodb:DeleteTable", arn("dynamodb", "table/somebody-elses")),
        may(
            "logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteMetricFilter logs:DescribeMetricFilters "
            "logs:GetDataProtectionPolicy logs:ListTagsForResource logs:PutMetricFilter logs:PutRetentionPolicy "
            "logs:TagResource logs:UntagResource",
            STACKS["logs"].arn("Process"),
        ),
        may_not("logs:DeleteLogGroup logs:PutRetentionPolicy", PIPELINE.arn("BuildLog")),
        may("logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies", "*"),
        may_not("logs:GetLogEvents logs:DeleteResourcePolicy", "*"),
        may(
            "iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies "
            "iam:ListRolePolicies iam:TagRole iam:UntagRole iam:UpdateAssumeRolePolicy iam:UpdateRole "
            "iam:UpdateRoleDescription",
            STACKS["iam"].arn("ProcessRole"),
        ),
        may(GIVING_RIGHTS, STACKS["iam"].arn("ProcessRole"), WITHIN),
        # Without the boundary, or with another one, there is no role and no right of one.
        *(
            may_not(GIVING_RIGHTS, STACKS["iam"].arn("ProcessRole"), other)
            for other in ({}, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"})
        ),
        may_not("iam:CreatePolicyVersion iam:SetDefaultPolicyVersion iam:DeletePolicy iam:CreatePolicy", BOUNDARY),
        # It cannot give itself, nor the other roles of the pipeline, anything more.
        *(
            may_not("iam:PutRolePolicy iam:UpdateAssumeRolePolicy iam:DeleteRole", other, WITHIN)
            for other in (*TARGET_ROLES, *PIPELINE_ROLES)
        ),
        may_not("iam:AttachRolePolicy iam:DeleteRolePermissionsBoundary", STACKS["iam"].arn("ProcessRole"), WITHIN),
        may_not("iam:CreateUser iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/sluice-staging-x"),
        may("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may("iam:PassRole", STACKS["sweep"].arn("ScheduleRole"), {"iam:PassedToService": "scheduler.amazonaws.com"}),
        may("iam:PassRole", STACKS["iam"].arn("ReleaseRole"), {"iam:PassedToService": "codedeploy.amazonaws.com"}),
        may_not("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "ec2.amazonaws.com"}),
        may_not("iam:PassRole", role("Administrator"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may(
            "lambda:CreateFunction lambda:DeleteFunction lambda:GetFunction lambda:GetFunctionCodeSigningConfig "
            "lambda:GetFunctionConfiguration lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig "
            "lambda:GetRuntimeManagementConfig lambda:ListVersionsByFunction lambda:PublishVersion "
            "lambda:PutFunctionRecursionConfig lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode "
            "lambda:UpdateFunctionConfiguration "
            "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias lambda:UpdateAlias",
            FUNCTION,
        ),
        may("lambda:GetProvisionedConcurrencyConfig", ALIAS),
        may_not("lambda:InvokeFunction lambda:AddPermission lambda:CreateFunctionUrlConfig", FUNCTION),
        may_not("lambda:UpdateFunctionCode lambda:DeleteFunction", arn("lambda", "function:somebody-elses")),
        may("lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": ALIAS}),
        may_not(
            "lambda:CreateEventSourceMapping", "*", {"lambda:FunctionArn": arn("lambda", "function:somebody-elses")}
        ),
        may(
            "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:UpdateEventSourceMapping",
            MAPPING,
            {"lambda:FunctionArn": ALIAS},
        ),
        may_not(
            "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:UpdateEventSourceMapping",
            MAPPING,
            {"lambda:FunctionArn": arn("lambda", "function:somebody-elses")},
        ),
        may_not(
            "lambda:DeleteEventSourceMapping",
            f"arn:aws:lambda:{REGION}:999999999999:event-source-mapping:{KEY_ID}",
            {"lambda:FunctionArn": ALIAS},
        ),
        may("lambda:ListTags lambda:TagResource lambda:UntagResource", MAPPING),
        may_not("lambda:TagResource lambda:UntagResource", arn("lambda", "function:somebody-elses")),
        may(
            "codedeploy:CreateApplication codedeploy:DeleteApplication codedeploy:GetApplication "
            "codedeploy:GetApplicationRevision codedeploy:ListTagsForResource codedeploy:RegisterApplicationRevision "
            "codedeploy:TagResource codedeploy:UntagResource",
            arn("codedeploy", f"application:{RELEASES}"),
        ),
        may(
            "codedeploy:CreateDeployment codedeploy:CreateDeploymentGroup codedeploy:DeleteDeploymentGroup "
            "codedeploy:GetDeployment codedeploy:GetDeploymentGroup codedeploy:ListDeployments "
            "codedeploy:UpdateDeploymentGroup",
            RELEASE,
        ),
        may("codedeploy:GetDeploymentConfig", arn("codedeploy", "deploymentconfig:CodeDeployDefault.LambdaAllAtOnce")),
        may("codedeploy:StopDeployment", "*"),
        may_not("codedeploy:DeleteApplication", arn("codedeploy", "application:somebody-elses")),
        may_not("codedeploy:CreateDeployment", arn("codedeploy", "deploymentgroup:somebody-elses/x")),
        may_not("codedeploy:GetDeploymentConfig", arn("codedeploy", "deploymentconfig:somebody-elses")),
        may_not("codedeploy:ContinueDeployment", RELEASE),
        may(
            "scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule scheduler:UpdateSchedule", SCHEDULE
        ),
        may_not("scheduler:DeleteSchedule scheduler:UpdateSchedule", arn("scheduler", "schedule/default/other")),
        may_not("scheduler:CreateScheduleGroup", arn("scheduler", "schedule-group/default")),
        may(
            "cloudwatch:DeleteAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm "
            "cloudwatch:PutCompositeAlarm cloudwatch:TagResource cloudwatch:UntagResource",
            arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}"),
        ),
        may_not(
            "cloudwatch:DeleteAlarms cloudwatch:PutMetricAlarm cloudwatch:PutCompositeAlarm",
            arn("cloudwatch", "alarm:somebody-elses"),
        ),
        may("cloudwatch:DescribeAlarms", "*"),
        may("cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:PutDashboard", DASHBOARD),
        may_not("cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:PutDashboard", OTHER_DASHBOARD),
        may_not(
            "cloudwatch:DisableAlarmActions", arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}")
        ),
    ],
}
