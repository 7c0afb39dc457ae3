"""Why CloudFormation's role is granted what it is: its statements by the types of resources that they serve, and what
AWS's handlers of those types ask for and ours never reach.

What a handler asks for is in the type's schema, which cfn-lint ships (`handlers`, per operation `permissions`):
https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

# What CloudFormation calls to create, compare, change and delete what a template names. `list` finds what no template
# names, for the IaC generator and Cloud Control.
OPERATIONS = ("create", "read", "update", "delete")

_API = "ApiGatewayV2::Api ApiGatewayV2::ApiMapping ApiGatewayV2::Authorizer ApiGatewayV2::Integration "
_NETWORK = "EC2::RouteTable EC2::SecurityGroup EC2::Subnet EC2::VPC EC2::VPCEndpoint "
_RDS = "RDS::DBCluster RDS::DBClusterParameterGroup RDS::DBInstance RDS::DBSubnetGroup "

# The types, without `AWS::`, that each statement of the role is there for.
SERVES: dict[str, str] = {
    "NestedStacks": "CloudFormation::Stack",
    # And the templates of the nested stacks, which no handler asks for.
    "PackagedTemplatesAndArtifacts": "Lambda::Function",
    "Buckets": "S3::Bucket S3::BucketPolicy",
    "Queues": "SQS::Queue SQS::QueuePolicy",
    "TopicsAndSubscriptions": "SNS::Topic SNS::TopicPolicy SNS::Subscription",
    "MakeTaggedKeys": "KMS::Key",
    "ReadKeysAndRotateThem": "KMS::Key RDS::DBInstance",
    "ChangeOwnKeys": "KMS::Key",
    "Tables": "DynamoDB::Table",
    "LogGroups": "Logs::LogGroup Logs::MetricFilter",
    "DescribeLogGroups": "Logs::LogGroup",
    "GiveRightsWithinTheBoundary": "IAM::Role IAM::Policy",
    "Roles": "IAM::Role IAM::Policy",
    "RunFunctionsSchedulesAndReleasesAsTheirRoles": (
        "Lambda::Function Scheduler::Schedule CodeDeploy::DeploymentGroup"
    ),
    "Functions": "Lambda::Function Lambda::Version Lambda::Alias",
    "MakeEventSourceMappings": "Lambda::EventSourceMapping",
    "ChangeEventSourceMappings": "Lambda::EventSourceMapping",
    "TagEventSourceMappings": "Lambda::EventSourceMapping",
    "Releases": "CodeDeploy::Application CodeDeploy::DeploymentGroup Lambda::Alias",
    "StopARelease": "CodeDeploy::DeploymentGroup Lambda::Alias",
    "ReadHowTrafficShifts": "CodeDeploy::DeploymentGroup Lambda::Alias",
    "Schedules": "Scheduler::Schedule",
    "AlarmsAndTheDashboard": "CloudWatch::Alarm CloudWatch::CompositeAlarm CloudWatch::Dashboard",
    "DescribeAlarms": "CloudWatch::Alarm CloudWatch::CompositeAlarm",
    "TagStages": "ApiGatewayV2::Stage",
    "DescribeNetworks": (
        _NETWORK + "EC2::SecurityGroupEgress EC2::SubnetRouteTableAssociation Lambda::Function "
        "RDS::DBCluster RDS::DBInstance"
    ),
    "MakeTaggedNetworks": _NETWORK,
    "TagWhatIsMade": _NETWORK,
    "NameEndpoints": "EC2::VPCEndpoint",
    "MakeInAVpc": _NETWORK + "RDS::DBInstance",
    "ChangeOwnNetworks": _NETWORK + "EC2::SecurityGroupEgress EC2::SubnetRouteTableAssociation",
    "Databases": _RDS + "SecretsManager::SecretTargetAttachment",
    "TakeDefaults": "RDS::DBCluster RDS::DBInstance",
    "DescribeDatabases": "RDS::DBCluster RDS::DBClusterParameterGroup RDS::DBInstance SecretsManager::Secret",
    "MakeTheRoleOfRds": _RDS,
    "Secrets": "SecretsManager::Secret SecretsManager::SecretTargetAttachment SecretsManager::RotationSchedule",
    "MakeTheMasterSecret": "RDS::DBCluster",
    "EncryptDatabasesAndSecrets": "RDS::DBCluster RDS::DBInstance SecretsManager::Secret",
    "MigrateAndRotate": "SecretsManager::RotationSchedule",
    "LetSecretsManagerRotate": "Lambda::Permission",
    "Streams": "Kinesis::Stream",
    "EncryptStreams": "Kinesis::Stream",
    "ResizeStreams": "Kinesis::Stream",
    "MakeApis": "ApiGatewayV2::Api",
    "ChangeOwnApis": "ApiGatewayV2::Api",
    "ReadApisAndDomains": _API + "ApiGatewayV2::DomainName ApiGatewayV2::Route ApiGatewayV2::Stage",
    "ChangeWhatIsInAnApi": _API + "ApiGatewayV2::Route ApiGatewayV2::Stage",
    "Domains": "ApiGatewayV2::DomainName ApiGatewayV2::ApiMapping",
    "TagApisAndDomains": "ApiGatewayV2::Api ApiGatewayV2::DomainName ApiGatewayV2::Stage",
    "MakeTheRoleOfApiGateway": "ApiGatewayV2::Api",
    "DeliverAccessLogs": "ApiGatewayV2::Stage",
    "LetTheApiInvoke": "Lambda::Permission",
    "RequestCertificates": "CertificateManager::Certificate",
    "TagNewCertificates": "CertificateManager::Certificate",
    "ReadCertificates": "CertificateManager::Certificate",
    "ChangeOwnCertificates": "CertificateManager::Certificate",
    "PointTheDomainToTheApi": "Route53::RecordSet CertificateManager::Certificate",
    "ReadRecords": "Route53::RecordSet",
    "ListZones": "Route53::RecordSet",
}

# (statement, actions): granted although no handler asks for them, and why.
ADDED: dict[tuple[str, str], str] = {
    (
        "NestedStacks",
        "cloudformation:CreateChangeSet cloudformation:DeleteChangeSet cloudformation:DescribeChangeSet "
        "cloudformation:ExecuteChangeSet",
    ): "a change set of the root stack has one of each stack nested in it",
    (
        "NestedStacks",
        "cloudformation:TagResource cloudformation:UntagResource",
    ): "the root's tags are given to the nested stacks",
    (
        "MakeTheRoleOfApiGateway",
        "iam:CreateServiceLinkedRole",
    ): "https://docs.aws.amazon.com/apigateway/latest/developerguide/using-service-linked-roles.html",
    (
        "MakeTheMasterSecret",
        "secretsmanager:DescribeSecret secretsmanager:RotateSecret",
    ): "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html",
    (
        "EncryptDatabasesAndSecrets",
        "kms:Decrypt kms:GenerateDataKey",
    ): "on the same page, and https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html",
    (
        "NameEndpoints",
        "route53:AssociateVPCWithHostedZone",
    ): "of an endpoint with private names: https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html",
    (
        "DeliverAccessLogs",
        "logs:CreateLogDelivery logs:DeleteLogDelivery logs:GetLogDelivery logs:ListLogDeliveries "
        "logs:PutResourcePolicy logs:UpdateLogDelivery",
    ): "https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html",
}

# Properties that no template of the application sets, by type: without them its handlers do not get to these actions.
UNSET: dict[str, dict[str, str]] = {
    "ApiGatewayV2::Api": {"BodyS3Location": "s3:GetObject"},
    "ApiGatewayV2::Authorizer": {"AuthorizerCredentialsArn": "iam:PassRole"},
    "ApiGatewayV2::DomainName": {"MutualTlsAuthentication": "s3:GetObject s3:GetObjectVersion"},
    "ApiGatewayV2::Integration": {"CredentialsArn": "iam:PassRole"},
    "CertificateManager::Certificate": {
        "CertificateAuthorityArn": "acm-pca:GetCertificate acm-pca:IssueCertificate",
    },
    "CodeDeploy::DeploymentGroup": {"OnPremisesTagSet": "codedeploy:RegisterOnPremisesInstance"},
    "DynamoDB::Table": {
        "ContributorInsightsSpecification": "dynamodb:UpdateContributorInsights",
        "ImportSourceSpecification": (
            "dynamodb:ImportTable dynamodb:DescribeImport s3:GetObject s3:GetObjectMetadata s3:ListBucket "
            "logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogGroups logs:DescribeLogStreams "
            "logs:PutLogEvents logs:PutRetentionPolicy"
        ),
        "KinesisStreamSpecification": (
            "dynamodb:DisableKinesisStreamingDestination dynamodb:EnableKinesisStreamingDestination "
            "dynamodb:UpdateKinesisStreamingDestination kinesis:DescribeStream kinesis:PutRecords"
        ),
        "ResourcePolicy": "dynamodb:DeleteResourcePolicy dynamodb:PutResourcePolicy",
    },
    "EC2::Subnet": {"Ipv6CidrBlock": "ec2:AssociateSubnetCidrBlock ec2:DisassociateSubnetCidrBlock"},
    "EC2::VPC": {
        "InstanceTenancy": "ec2:ModifyVpcTenancy",
        "VpcEncryptionControl": "ec2:CreateVpcEncryptionControl",
    },
    "EC2::VPCEndpoint": {
        "ServiceNetworkArn": (
            "vpc-lattice:CreateServiceNetworkVpcEndpointAssociation "
            "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation"
        ),
        "ServiceRegion": "vpce:AllowMultiRegion",
    },
    "IAM::Policy": {
        "Groups": "iam:DeleteGroupPolicy iam:GetGroupPolicy iam:PutGroupPolicy",
        "Users": "iam:DeleteUserPolicy iam:GetUserPolicy iam:PutUserPolicy",
    },
    "IAM::Role": {"ManagedPolicyArns": "iam:AttachRolePolicy iam:DetachRolePolicy"},
    "KMS::Key": {"Enabled": "kms:DisableKey kms:EnableKey"},
    "Kinesis::Stream": {
        "DesiredShardLevelMetrics": "kinesis:DisableEnhancedMonitoring kinesis:EnableEnhancedMonitoring",
        "MaxRecordSizeInKiB": "kinesis:UpdateMaxRecordSize",
        "RecordDistributionStrategy": "kinesis:UpdateStreamRecordDistributionStrategy",
        "WarmThroughputMiBps": "kinesis:UpdateStreamWarmThroughput",
    },
    "Lambda::Alias": {
        "ProvisionedConcurrencyConfig": (
            "lambda:DeleteProvisionedConcurrencyConfig lambda:PutProvisionedConcurrencyConfig"
        ),
    },
    "Lambda::EventSourceMapping": {"KmsKeyArn": "kms:Decrypt kms:DescribeKey kms:GenerateDataKey"},
    "Lambda::Function": {
        "CapacityProviderConfig": "lambda:PassCapacityProvider",
        "CodeSigningConfigArn": (
            "lambda:DeleteFunctionCodeSigningConfig lambda:GetCodeSigningConfig lambda:PutFunctionCodeSigningConfig"
        ),
        "FileSystemConfigs": "elasticfilesystem:DescribeMountTargets s3files:ListMountTargets",
        "FunctionScalingConfig": "lambda:PutFunctionScalingConfig",
        "KmsKeyArn": "kms:CreateGrant kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey",
        "Layers": "lambda:GetLayerVersion",
        "ReservedConcurrentExecutions": "lambda:DeleteFunctionConcurrency lambda:PutFunctionConcurrency",
        "RuntimeManagementConfig": "lambda:AssociateRuntimeAlias lambda:PutRuntimeManagementConfig",
    },
    "Lambda::Version": {
        "FunctionScalingConfig": "lambda:PutFunctionScalingConfig",
        "ProvisionedConcurrencyConfig": "lambda:PutProvisionedConcurrencyConfig",
        "RuntimePolicy": "lambda:PutRuntimeManagementConfig",
    },
    "Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": "logs:PutBearerTokenAuthentication",
        "DataProtectionPolicy": (
            "firehose:TagDeliveryStream logs:CreateLogDelivery logs:DeleteDataProtectionPolicy "
            "logs:PutDataProtectionPolicy s3:REST.PUT.OBJECT"
        ),
        "DeletionProtectionEnabled": "logs:PutLogGroupDeletionProtection",
        "FieldIndexPolicies": "logs:DeleteIndexPolicy logs:PutIndexPolicy",
        "KmsKeyId": "logs:AssociateKmsKey logs:DisassociateKmsKey",
        "ResourcePolicyDocument": "logs:DeleteResourcePolicy logs:PutResourcePolicy",
    },
    "RDS::DBCluster": {
        "AssociatedRoles": "rds:AddRoleToDBCluster rds:RemoveRoleFromDBCluster",
        "EnableHttpEndpoint": "rds:DisableHttpEndpoint rds:EnableHttpEndpoint",
        "GlobalClusterIdentifier": "rds:DescribeGlobalClusters rds:RemoveFromGlobalCluster",
        "MonitoringRoleArn": "iam:PassRole",
        "SnapshotIdentifier": "rds:DescribeDBSnapshots rds:RestoreDBClusterFromSnapshot",
        "SourceDBClusterIdentifier": "rds:RestoreDBClusterToPointInTime",
        "SourceDbClusterResourceId": "rds:DescribeDBClusterAutomatedBackups",
    },
    "RDS::DBInstance": {
        "AssociatedRoles": "rds:AddRoleToDBInstance rds:RemoveRoleFromDBInstance",
        "AutomaticBackupReplicationRegion": (
            "rds:DescribeDBInstanceAutomatedBackups rds:StartDBInstanceAutomatedBackupsReplication "
            "rds:StopDBInstanceAutomatedBackupsReplication"
        ),
        "DBParameterGroupName": "rds:DescribeDBParameterGroups",
        "ManageMasterUserPassword": "secretsmanager:CreateSecret secretsmanager:TagResource",
        "DBSnapshotIdentifier": "rds:DescribeDBSnapshots rds:RestoreDBInstanceFromDBSnapshot",
        "MonitoringRoleArn": "iam:GetRole iam:ListRoles iam:PassRole",
        "SourceDBInstanceIdentifier": "rds:CreateDBInstanceReadReplica rds:PromoteReadReplica",
        "RestoreTime": "rds:RestoreDBInstanceToPointInTime",
    },
    "S3::Bucket": {
        "AbacStatus": "s3:PutBucketAbac",
        "AccelerateConfiguration": "s3:PutAccelerateConfiguration",
        "AccessControl": "s3:PutBucketAcl s3:PutObjectAcl",
        "AnalyticsConfigurations": "s3:DeleteBucketAnalyticsConfiguration s3:PutAnalyticsConfiguration",
        "CorsConfiguration": "s3:DeleteBucketCors s3:PutBucketCORS",
        "IntelligentTieringConfigurations": "s3:PutIntelligentTieringConfiguration",
        "InventoryConfigurations": "s3:PutInventoryConfiguration",
        "LoggingConfiguration": "s3:PutBucketLogging",
        "MetadataConfiguration": (
            "s3:CreateBucketMetadataTableConfiguration s3:DeleteBucketMetadataTableConfiguration "
            "s3:UpdateBucketMetadataAnnotationTableConfiguration s3:UpdateBucketMetadataInventoryTableConfiguration "
            "s3:UpdateBucketMetadataJournalTableConfiguration s3tables:CreateNamespace s3tables:CreateTable "
            "s3tables:CreateTableBucket s3tables:GetTable s3tables:GetTableMetadataLocation "
            "s3tables:PutTableBucketPolicy s3tables:PutTableEncryption s3tables:PutTablePolicy "
            "s3tables:UpdateTableMetadataLocation"
        ),
        "MetricsConfigurations": "s3:DeleteBucketMetricsConfiguration s3:PutMetricsConfiguration",
        "ObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration s3:PutObjectLockConfiguration",
        "ReplicationConfiguration": (
            "iam:PassRole s3:DeleteBucketReplication s3:PutBucketReplication s3:PutReplicationConfiguration"
        ),
        "WebsiteConfiguration": "s3:DeleteBucketWebsite s3:PutBucketWebsite",
    },
    "SNS::Subscription": {"SubscriptionRoleArn": "iam:GetRole iam:PassRole"},
    "SNS::Topic": {
        "DataProtectionPolicy": "sns:PutDataProtectionPolicy",
        "DeliveryStatusLogging": "iam:GetRole iam:PassRole",
    },
    "SecretsManager::RotationSchedule": {"ExternalSecretRotationRoleArn": "iam:PassRole"},
    "SecretsManager::Secret": {
        "ReplicaRegions": "secretsmanager:RemoveRegionsFromReplication secretsmanager:ReplicateSecretToRegions",
    },
}

# Properties that every resource of a type sets: its handlers never take away what they stand for.
ALWAYS_SET: dict[str, dict[str, str]] = {
    "IAM::Role": {"PermissionsBoundary": "iam:DeleteRolePermissionsBoundary"},
    "KMS::Key": {"EnableKeyRotation": "kms:DisableKeyRotation"},
    "Logs::LogGroup": {"RetentionInDays": "logs:DeleteRetentionPolicy"},
    "S3::Bucket": {
        "BucketEncryption": "s3:DeleteBucketEncryption",
        "LifecycleConfiguration": "s3:DeleteBucketLifecycle",
    },
}

# (types, actions): what a handler asks for and does not need here whatever the properties, and why.
SURPLUS: dict[tuple[str, str], str] = {
    (
        "ApiGatewayV2::ApiMapping ApiGatewayV2::Authorizer ApiGatewayV2::Integration ApiGatewayV2::Route",
        "apigateway:PUT",
    ): "it tags, and these have no tags",
    (
        "CloudFormation::Stack",
        "cloudformation:SetStackPolicy cloudformation:UpdateTerminationProtection",
    ): "both are set on the root stack, by who releases",
    ("CloudFormation::Stack", "iam:PassRole"): "a nested stack is deployed by the role that deploys its parent",
    (
        "DynamoDB::Table",
        "dynamodb:AssociateTableReplica dynamodb:CreateTableReplica dynamodb:BatchWriteItem dynamodb:DeleteItem "
        "dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:Scan dynamodb:UpdateItem "
        "iam:CreateServiceLinkedRole",
    ): "of tables with replicas, which have a type of their own",
    (
        "DynamoDB::Table",
        "kms:CreateGrant kms:Decrypt kms:DescribeKey kms:Encrypt kms:ListAliases kms:RevokeGrant",
    ): "the tables are encrypted with the key that AWS manages",
    ("Lambda::Function", "s3:GetObjectVersion"): "an artifact is named by its digest, without a version",
    ("RDS::DBInstance", "rds:CreateDBSnapshot"): "of an instance that belongs to no cluster",
    ("S3::Bucket", "s3:DeleteObject"): "a bucket is deleted empty; what is in it is nobody's to delete here",
    (
        "SecretsManager::SecretTargetAttachment",
        "docdb-elastic:GetCluster redshift-serverless:GetNamespace redshift-serverless:ListWorkgroups "
        "redshift:DescribeClusters",
    ): "the target is a cluster of RDS",
}
