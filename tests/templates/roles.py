"""The table of what each role may and may not do; test_policies.py compares it with the templates."""

from templates.cfn import ACCOUNT, KEY_ID, RANDOM, REGION, deployment
from templates.decisions import Row, may, may_not

STACKS = deployment()
PIPELINE, BUCKETS, QUEUE = STACKS["pipeline"], STACKS["buckets"], STACKS["queue"]
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ffffffff-ffff-ffff-ffff-ffffffffffff"


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def stack(name: str) -> str:
    return arn("cloudformation", f"stack/{name}/{KEY_ID}")


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


ARTIFACTS = PIPELINE.arn("Artifacts")
RUN = f"{ARTIFACTS}/sluice-pipeline-stag"  # the pipeline's name, cut to 20 characters
UPLOADS, RESULTS = BUCKETS.arn("Uploads"), BUCKETS.arn("Results")
INTAKE, DEAD_LETTERS = QUEUE.arn("Intake"), QUEUE.arn("DeadLetters")
LEDGER = STACKS["ledger"].arn("Ledger")
UPLOAD_TOPIC, ALERT_TOPIC = STACKS["notifications"].ref("UploadTopic"), STACKS["notifications"].ref("AlertTopic")
TOPIC_KEY = STACKS["notifications"].arn("Key")
PROCESS_LOG = STACKS["logs"].arn("Process").removesuffix("*") + "log-stream:2026/11/20/[1]abc"
SWEEP_LOG = STACKS["logs"].arn("Sweep").removesuffix("*") + "log-stream:2026/11/20/[1]abc"
BUILD_LOG = PIPELINE.arn("BuildLog").removesuffix("*") + "log-stream:abc"
CONNECTION = PIPELINE.ref("Connection")
FUNCTION = STACKS["lambda"].arn("Process")
ALIAS = STACKS["lambda"].ref("ProcessAlias")
SWEEP, SWEEP_ALIAS = STACKS["lambda"].arn("Sweep"), STACKS["lambda"].ref("SweepAlias")
SCHEDULE = arn("scheduler", f"schedule/default/{STACKS['sweep'].ref('Schedule')}")
MAPPING = arn("lambda", f"event-source-mapping:{KEY_ID}")
[TAG] = STACKS["notifications"].properties("Key")["Tags"]
OTHER_STACK = f"sluice-production-Notifications-{RANDOM}"
OWN_TAG = {f"aws:ResourceTag/{TAG['Key']}": TAG["Value"]}
NEW_TAG = {f"aws:RequestTag/{TAG['Key']}": TAG["Value"]}
OTHER_TAG = {f"aws:ResourceTag/{TAG['Key']}": OTHER_STACK}
OTHER_NEW_TAG = {f"aws:RequestTag/{TAG['Key']}": OTHER_STACK}

TABLE: dict[tuple[str, str], list[Row]] = {
    ("iam", "ProcessRole"): [
        may("sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility", INTAKE),
        may("sqs:SendMessage", INTAKE),
        may_not("sqs:ReceiveMessage sqs:DeleteMessage sqs:SendMessage", DEAD_LETTERS),
        may_not("sqs:PurgeQueue sqs:SetQueueAttributes", INTAKE),
        may("s3:GetObjectVersion", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may_not("s3:PutObject s3:DeleteObject s3:DeleteObjectVersion s3:GetObject", f"{UPLOADS}/prices/LSE/ABC.csv"),
        may("s3:PutObject s3:AbortMultipartUpload s3:GetObject", f"{RESULTS}/prices/LSE/ABC_predicted.csv"),
        may_not("s3:DeleteObject s3:DeleteObjectVersion s3:PutObjectAcl", f"{RESULTS}/prices/LSE/ABC_predicted.csv"),
        may_not("s3:GetObjectVersion s3:PutObject s3:GetObject", "arn:aws:s3:::somebody-elses/prices/LSE/ABC.csv"),
        may("s3:ListBucket", UPLOADS),
        may("s3:ListBucket", RESULTS),
        may_not("s3:ListBucket", ARTIFACTS),
        may_not("s3:PutBucketPolicy s3:PutBucketNotification s3:DeleteBucket", UPLOADS),
        may("dynamodb:UpdateItem", LEDGER),
        may_not("dynamodb:DeleteItem dynamodb:PutItem dynamodb:Scan dynamodb:DeleteTable", LEDGER),
        may_not("dynamodb:UpdateItem", arn("dynamodb", "table/somebody-elses")),
        may("sns:Publish", UPLOAD_TOPIC),
        may_not("sns:Publish", ALERT_TOPIC),
        may_not("sns:Subscribe", UPLOAD_TOPIC),
        may("kms:GenerateDataKey kms:Decrypt", TOPIC_KEY),
        may_not("kms:GenerateDataKey kms:Decrypt", OTHER_KEY),
        may_not("kms:ScheduleKeyDeletion kms:PutKeyPolicy", TOPIC_KEY),
        may("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", BUILD_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", SWEEP_LOG),
        may_not("logs:CreateLogGroup logs:DeleteLogStream logs:GetLogEvents", PROCESS_LOG),
        may_not("sts:AssumeRole iam:PassRole", PIPELINE.arn("CloudFormationRole")),
    ],
    ("iam", "SweepRole"): [
        may("s3:ListBucketVersions", UPLOADS),
        may_not("s3:ListBucketVersions", RESULTS),
        may_not("s3:GetObject s3:GetObjectVersion s3:PutObject s3:DeleteObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may("dynamodb:BatchGetItem dynamodb:UpdateItem", LEDGER),
        may_not("dynamodb:BatchGetItem dynamodb:UpdateItem", arn("dynamodb", "table/somebody-elses")),
        may_not("dynamodb:DeleteItem dynamodb:PutItem dynamodb:BatchWriteItem dynamodb:Scan", LEDGER),
        may("sqs:SendMessage", INTAKE),
        may_not("sqs:SendMessage", DEAD_LETTERS),
        may_not("sqs:ReceiveMessage sqs:DeleteMessage sqs:PurgeQueue sqs:SetQueueAttributes", INTAKE),
        may("sns:Publish", UPLOAD_TOPIC),
        may_not("sns:Publish", ALERT_TOPIC),
        may_not("sns:Subscribe", UPLOAD_TOPIC),
        may("kms:GenerateDataKey kms:Decrypt", TOPIC_KEY),
        may_not("kms:GenerateDataKey kms:Decrypt", OTHER_KEY),
        may("logs:CreateLogStream logs:PutLogEvents", SWEEP_LOG),
        may_not("logs:CreateLogStream logs:PutLogEvents", PROCESS_LOG),
        may_not("logs:CreateLogGroup logs:DeleteLogStream logs:GetLogEvents", SWEEP_LOG),
        may("lambda:InvokeFunction", SWEEP_ALIAS),
        # Only what is released, and never the other function.
        may_not("lambda:InvokeFunction", SWEEP),
        may_not("lambda:InvokeFunction", ALIAS),
        may_not("lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration", SWEEP),
    ],
    ("sweep", "ScheduleRole"): [
        may("lambda:InvokeFunction", SWEEP_ALIAS),
        may_not("lambda:InvokeFunction", SWEEP),
        may_not("lambda:InvokeFunction", ALIAS),
        may_not("lambda:UpdateFunctionCode", SWEEP),
        may_not("sqs:SendMessage", INTAKE),
    ],
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
        may("codebuild:StartBuild codebuild:BatchGetBuilds", PIPELINE.arn("Build")),
        may_not("codebuild:StartBuild codebuild:BatchGetBuilds", arn("codebuild", "project/somebody-elses")),
        may(
            "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
            "cloudformation:ExecuteChangeSet cloudformation:DescribeStacks cloudformation:DescribeStackEvents "
            "cloudformation:TagResource cloudformation:UntagResource",
            stack("sluice-staging"),
        ),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack("sluice-production")),
        may_not("cloudformation:CreateChangeSet cloudformation:ExecuteChangeSet", stack(PIPELINE.name)),
        may_not(
            "cloudformation:UpdateStack cloudformation:DeleteStack cloudformation:SetStackPolicy "
            "cloudformation:UpdateTerminationProtection",
            stack("sluice-staging"),
        ),
        may(
            "iam:PassRole", PIPELINE.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
        may_not("iam:PassRole", PIPELINE.arn("CloudFormationRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may_not("iam:PassRole", role("somebody-elses"), {"iam:PassedToService": "cloudformation.amazonaws.com"}),
        may_not("iam:PutRolePolicy iam:AttachRolePolicy", PIPELINE.arn("PipelineRole")),
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
            "iam:PassRole", PIPELINE.arn("CloudFormationRole"), {"iam:PassedToService": "cloudformation.amazonaws.com"}
        ),
    ],
    ("pipeline", "CloudFormationRole"): [
        may(
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
            "logs:CreateLogGroup logs:DeleteLogGroup logs:GetDataProtectionPolicy logs:ListTagsForResource "
            "logs:PutRetentionPolicy logs:TagResource logs:UntagResource",
            STACKS["logs"].arn("Process"),
        ),
        may_not("logs:DeleteLogGroup logs:PutRetentionPolicy", PIPELINE.arn("BuildLog")),
        may("logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies", "*"),
        may_not("logs:GetLogEvents logs:PutResourcePolicy", "*"),
        may(
            "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:GetRole iam:GetRolePolicy "
            "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:PutRolePolicy iam:TagRole iam:UntagRole "
            "iam:UpdateAssumeRolePolicy iam:UpdateRole iam:UpdateRoleDescription",
            STACKS["iam"].arn("ProcessRole"),
        ),
        # It cannot give itself, nor the other roles of the pipeline, anything more.
        *(
            may_not("iam:PutRolePolicy iam:UpdateAssumeRolePolicy iam:DeleteRole", PIPELINE.arn(logical))
            for logical in ("CloudFormationRole", "PipelineRole", "BuildRole")
        ),
        may_not("iam:AttachRolePolicy iam:DeleteRolePermissionsBoundary", STACKS["iam"].arn("ProcessRole")),
        may_not("iam:CreateUser iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/sluice-staging-x"),
        may("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may("iam:PassRole", STACKS["sweep"].arn("ScheduleRole"), {"iam:PassedToService": "scheduler.amazonaws.com"}),
        may_not("iam:PassRole", STACKS["iam"].arn("ProcessRole"), {"iam:PassedToService": "ec2.amazonaws.com"}),
        may_not("iam:PassRole", role("Administrator"), {"iam:PassedToService": "lambda.amazonaws.com"}),
        may(
            "lambda:CreateFunction lambda:DeleteFunction lambda:GetFunction lambda:GetFunctionCodeSigningConfig "
            "lambda:GetFunctionConfiguration lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig "
            "lambda:GetRuntimeManagementConfig lambda:ListTags lambda:ListVersionsByFunction lambda:PublishVersion "
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
            "scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule scheduler:UpdateSchedule", SCHEDULE
        ),
        may_not("scheduler:DeleteSchedule scheduler:UpdateSchedule", arn("scheduler", "schedule/default/other")),
        may_not("scheduler:CreateScheduleGroup", arn("scheduler", "schedule-group/default")),
        may(
            "cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource "
            "cloudwatch:PutMetricAlarm cloudwatch:TagResource cloudwatch:UntagResource",
            arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}"),
        ),
        may_not("cloudwatch:DeleteAlarms cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:somebody-elses")),
        may_not(
            "cloudwatch:DisableAlarmActions", arn("cloudwatch", f"alarm:{STACKS['monitoring'].ref('DeadLetters')}")
        ),
    ],
}
