"""The role of the drift check, which reads the settings of everything, and that of its schedule."""

from templates.cfn import KEY_ID, REGION
from templates.decisions import Row, may, may_not
from templates.roles.names import (
    ALERT_TOPIC,
    ARTIFACTS,
    BUCKETS,
    CANARY,
    CLUSTER,
    DASHBOARD,
    DATABASE,
    DRIFT,
    DRIFT_ALIAS,
    DRIFT_LOG,
    FUNCTION,
    INTAKE,
    LAKE,
    LEDGER,
    LOG_GROUP,
    MAPPING,
    OTHER_DASHBOARD,
    OTHER_KEY,
    OTHER_SECRET,
    PIPELINE,
    PROCESS_LOG,
    RELEASE,
    RELEASES,
    RESULTS,
    ROTATE,
    SAMPLES,
    SAMPLES_KEY,
    SCHEDULE,
    SECRET,
    SETTINGS,
    STACKS,
    STREAM,
    STREAM_KEY,
    SUBNETS,
    SWEEP_ALIAS,
    TOPIC_KEY,
    UPLOAD_TOPIC,
    UPLOADS,
    WINDOWS,
    WRITER,
    arn,
    invokes,
    role,
    stack,
    tells,
    writes,
)

TABLE: dict[tuple[str, str], list[Row]] = {
    ("iam", "DriftRole"): [
        may(
            "ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInternetGateways "
            "ec2:DescribeNetworkAcls ec2:DescribeRouteTables ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups "
            "ec2:DescribeSubnets ec2:DescribeVpcEncryptionControls ec2:DescribeVpcEndpoints ec2:DescribeVpcs",
            "*",
        ),
        may("ec2:DescribeVpcAttribute", arn("ec2", "vpc/vpc-0a")),
        may_not("ec2:DescribeVpcAttribute", f"arn:aws:ec2:{REGION}:999999999999:vpc/vpc-0a"),
        may("rds:DescribeDBClusters", CLUSTER),
        may("rds:DescribeDBInstances", WRITER),
        may("rds:DescribeDBClusterParameterGroups rds:DescribeDBClusterParameters rds:ListTagsForResource", SETTINGS),
        may("rds:DescribeDBSubnetGroups rds:ListTagsForResource", SUBNETS),
        may_not("rds:DescribeDBClusters", arn("rds", "cluster:somebody-elses")),
        may_not("rds:DeleteDBCluster rds:ModifyDBCluster", CLUSTER),
        may("secretsmanager:DescribeSecret", SECRET),
        may_not("secretsmanager:DescribeSecret", OTHER_SECRET),
        may_not("secretsmanager:GetSecretValue", SECRET),
        may("kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags", DATABASE.arn("Key")),
        may("lambda:GetPolicy", ROTATE),
        may_not("lambda:GetPolicy", arn("lambda", "function:somebody-elses")),
        *(
            may(
                "cloudformation:DescribeStackResourceDrifts cloudformation:DescribeStackResources "
                "cloudformation:DetectStackDrift cloudformation:DetectStackResourceDrift",
                stack(name),
            )
            for name in ("sluice-staging", BUCKETS.name)
        ),
        may_not("cloudformation:DetectStackDrift cloudformation:DescribeStackResources", stack("sluice-production")),
        may_not("cloudformation:DetectStackDrift", stack(PIPELINE.name)),
        may_not("cloudformation:UpdateStack cloudformation:DeleteStack", stack("sluice-staging")),
        may(
            "cloudformation:BatchDescribeTypeConfigurations cloudformation:DescribeStackDriftDetectionStatus "
            "logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies",
            "*",
        ),
        may(
            "cloudformation:DescribeStacks cloudformation:GetStackPolicy cloudformation:GetTemplate",
            stack(BUCKETS.name),
        ),
        may_not("cloudformation:GetTemplate", stack(PIPELINE.name)),
        *(
            may(
                "s3:GetAccelerateConfiguration s3:GetAnalyticsConfiguration s3:GetBucketAbac s3:GetBucketCORS "
                "s3:GetBucketLogging s3:GetBucketMetadataTableConfiguration s3:GetBucketNotification "
                "s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls s3:GetBucketPolicy "
                "s3:GetBucketPublicAccessBlock s3:GetBucketTagging s3:GetBucketVersioning s3:GetBucketWebsite "
                "s3:GetEncryptionConfiguration s3:GetIntelligentTieringConfiguration s3:GetInventoryConfiguration "
                "s3:GetLifecycleConfiguration s3:GetMetricsConfiguration s3:GetReplicationConfiguration s3:ListBucket "
                "s3:ListTagsForResource",
                bucket,
            )
            for bucket in (UPLOADS, RESULTS, LAKE, SAMPLES)
        ),
        may_not("s3:ListBucket s3:GetBucketPolicy", ARTIFACTS),
        may_not("s3:GetObject s3:GetObjectVersion", f"{UPLOADS}/people/staff.csv"),
        may_not("s3:PutBucketPolicy s3:DeleteBucket", UPLOADS),
        may(
            "dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights "
            "dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable dynamodb:DescribeTimeToLive "
            "dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource",
            LEDGER,
        ),
        may("dynamodb:DescribeTable", WINDOWS),
        may_not("dynamodb:DescribeTable", arn("dynamodb", "table/somebody-elses")),
        may_not("dynamodb:GetItem dynamodb:Scan dynamodb:DeleteTable", LEDGER),
        *(
            may("kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags", key)
            for key in (TOPIC_KEY, STREAM_KEY, SAMPLES_KEY)
        ),
        may_not("kms:DescribeKey kms:GetKeyPolicy", OTHER_KEY),
        may_not("kms:PutKeyPolicy", TOPIC_KEY),
        may("kinesis:DescribeStreamSummary kinesis:ListTagsForResource kinesis:ListTagsForStream", STREAM),
        may_not("kinesis:DescribeStreamSummary", arn("kinesis", "stream/somebody-elses")),
        may_not("kinesis:GetRecords kinesis:DeleteStream", STREAM),
        may("apigateway:GET", f"arn:aws:apigateway:{REGION}::/apis/{STACKS['api'].ref('Api')}/routes/x"),
        may("apigateway:GET", f"arn:aws:apigateway:{REGION}::/domainnames/api.example.org"),
        may_not("apigateway:GET", f"arn:aws:apigateway:{REGION}::/apikeys/x"),
        may_not("apigateway:PATCH", f"arn:aws:apigateway:{REGION}::/apis/x"),
        may("lambda:GetPolicy", STACKS["lambda"].ref("QueryAlias")),
        may("acm:DescribeCertificate acm:ListTagsForCertificate", arn("acm", "certificate/x")),
        may_not("acm:DescribeCertificate", f"arn:aws:acm:{REGION}:999999999999:certificate/x"),
        may("route53:GetHostedZone route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
        may_not("route53:GetHostedZone", "arn:aws:route53:::healthcheck/x"),
        may_not("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
        may("route53:ListHostedZones", "*"),
        may("sqs:GetQueueAttributes sqs:ListQueueTags", INTAKE),
        may_not("sqs:ReceiveMessage sqs:SetQueueAttributes", INTAKE),
        may_not("sqs:GetQueueAttributes", arn("sqs", "somebody-elses")),
        may(
            "sns:GetDataProtectionPolicy sns:GetTopicAttributes sns:ListSubscriptionsByTopic sns:ListTagsForResource",
            UPLOAD_TOPIC,
        ),
        may("sns:GetSubscriptionAttributes", f"{UPLOAD_TOPIC}:{KEY_ID}"),
        may_not("sns:GetTopicAttributes", arn("sns", "somebody-elses")),
        may("logs:DescribeMetricFilters logs:GetDataProtectionPolicy logs:ListTagsForResource", LOG_GROUP),
        may_not("logs:DescribeMetricFilters", PIPELINE.arn("BuildLog")),
        may_not("logs:GetLogEvents logs:FilterLogEvents", LOG_GROUP),
        may(
            "iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies",
            STACKS["iam"].arn("ProcessRole"),
        ),
        may_not("iam:GetRole", role("Administrator")),
        may_not("iam:PutRolePolicy iam:PassRole sts:AssumeRole", STACKS["iam"].arn("ProcessRole")),
        may(
            "lambda:GetAlias lambda:GetFunction lambda:GetFunctionCodeSigningConfig lambda:GetFunctionConfiguration "
            "lambda:GetFunctionRecursionConfig lambda:GetFunctionScalingConfig lambda:GetProvisionedConcurrencyConfig "
            "lambda:GetRuntimeManagementConfig",
            FUNCTION,
        ),
        may_not("lambda:GetFunction", arn("lambda", "function:somebody-elses")),
        may_not("lambda:InvokeFunction lambda:UpdateFunctionCode", FUNCTION),
        may("lambda:GetEventSourceMapping lambda:ListTags", MAPPING),
        may_not("lambda:ListTags", FUNCTION),
        may("scheduler:GetSchedule", SCHEDULE),
        may_not("scheduler:GetSchedule", arn("scheduler", "schedule/default/other")),
        may("cloudwatch:DescribeAlarms", "*"),
        may("cloudwatch:ListTagsForResource", CANARY),
        may_not("cloudwatch:ListTagsForResource", arn("cloudwatch", "alarm:somebody-elses")),
        may("cloudwatch:GetDashboard cloudwatch:ListTagsForResource", DASHBOARD),
        may_not("cloudwatch:GetDashboard", OTHER_DASHBOARD),
        may_not("cloudwatch:PutDashboard cloudwatch:DeleteDashboards", DASHBOARD),
        may("codedeploy:GetApplication codedeploy:ListTagsForResource", arn("codedeploy", f"application:{RELEASES}")),
        may("codedeploy:GetDeployment codedeploy:GetDeploymentGroup codedeploy:ListDeployments", RELEASE),
        may_not("codedeploy:GetApplication", arn("codedeploy", "application:somebody-elses")),
        may_not("codedeploy:CreateDeployment", RELEASE),
        *tells(ALERT_TOPIC, other=UPLOAD_TOPIC),
        *writes(DRIFT_LOG, other=PROCESS_LOG),
    ],
    ("drift", "ScheduleRole"): [
        *invokes(DRIFT_ALIAS, DRIFT),
        may_not("lambda:InvokeFunction", SWEEP_ALIAS),
    ],
}
