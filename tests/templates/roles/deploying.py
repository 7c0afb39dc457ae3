"""What CloudFormation may do with what is optional."""

from templates.cfn import KEY_ID, RANDOM, REGION
from templates.decisions import may, may_not
from templates.roles.names import (
    CLUSTER,
    MASTER_SECRET,
    MIGRATE,
    NEW_TAG,
    OTHER_KEY,
    OTHER_NEW_TAG,
    OTHER_SECRET,
    OTHER_TAG,
    OWN_TAG,
    ROTATE,
    SECRET,
    SETTINGS,
    STACKS,
    STREAM,
    STREAM_KEY,
    SUBNETS,
    VIA_RDS,
    VIA_S3,
    VIA_SECRETS,
    WRITER,
    arn,
    role,
)

EC2 = [
    arn("ec2", f"{kind}-0a")
    for kind in ("vpc/vpc", "subnet/subnet", "route-table/rtb", "security-group/sg", "vpc-endpoint/vpce")
]
VPC_0, SUBNET_0, ROUTES_0, GROUP_0, ENDPOINT_0 = EC2
NETWORKS = [
    may(
        "ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInstances "
        "ec2:DescribeInternetGateways ec2:DescribeNetworkAcls ec2:DescribeNetworkInterfaces ec2:DescribeRouteTables "
        "ec2:DescribeSecurityGroupRules ec2:DescribeSecurityGroups ec2:DescribeSubnets "
        "ec2:DescribeVpcEncryptionControls ec2:DescribeVpcEndpoints ec2:DescribeVpcs",
        "*",
    ),
    *(
        one
        for action, resource in (
            ("ec2:CreateVpc", VPC_0),
            ("ec2:CreateSubnet", SUBNET_0),
            ("ec2:CreateRouteTable", ROUTES_0),
            ("ec2:CreateSecurityGroup", GROUP_0),
            ("ec2:CreateVpcEndpoint", ENDPOINT_0),
        )
        for one in (may(action, resource, NEW_TAG), may_not(action, resource), may_not(action, resource, OTHER_NEW_TAG))
    ),
    *(may("ec2:CreateTags", resource, NEW_TAG | {"ec2:CreateAction": "CreateSomething"}) for resource in EC2),
    *(may_not("ec2:CreateTags", resource, NEW_TAG) for resource in EC2),
    may_not("ec2:CreateTags", VPC_0, OTHER_NEW_TAG | {"ec2:CreateAction": "CreateVpc"}),
    may_not("ec2:CreateTags", arn("ec2", "instance/i-0a"), NEW_TAG | {"ec2:CreateAction": "RunInstances"}),
    may_not("ec2:CreateSubnet ec2:CreateVpcEndpoint", arn("ec2", "instance/i-0a"), NEW_TAG),
    # In whose VPC it is does not matter.
    may(
        "ec2:CreateRouteTable ec2:CreateSecurityGroup ec2:CreateSubnet ec2:CreateVpcEndpoint ec2:DescribeVpcAttribute",
        VPC_0,
    ),
    may_not("ec2:CreateSecurityGroup", f"arn:aws:ec2:{REGION}:999999999999:vpc/vpc-0a"),
    *(
        one
        for actions, resource in (
            ("ec2:ModifyVpcAttribute ec2:DeleteVpc ec2:CreateTags ec2:DeleteTags", VPC_0),
            ("ec2:ModifySubnetAttribute ec2:DeleteSubnet ec2:CreateVpcEndpoint ec2:AssociateRouteTable", SUBNET_0),
            (
                "ec2:AssociateRouteTable ec2:DisassociateRouteTable ec2:ReplaceRouteTableAssociation "
                "ec2:DeleteRouteTable",
                ROUTES_0,
            ),
            (
                "ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupEgress "
                "ec2:RevokeSecurityGroupIngress ec2:UpdateSecurityGroupRuleDescriptionsEgress "
                "ec2:UpdateSecurityGroupRuleDescriptionsIngress ec2:DeleteSecurityGroup",
                GROUP_0,
            ),
            ("ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints", ENDPOINT_0),
        )
        for one in (may(actions, resource, OWN_TAG), may_not(actions, resource), may_not(actions, resource, OTHER_TAG))
    ),
    may_not("ec2:DeleteTags", arn("ec2", "instance/i-0a"), OWN_TAG),
    may_not("ec2:CreateInternetGateway ec2:AttachInternetGateway ec2:CreateNatGateway ec2:CreateRoute", VPC_0, OWN_TAG),
]
DATABASES = [
    may(
        "rds:AddTagsToResource rds:CreateDBCluster rds:DeleteDBCluster rds:DescribeDBClusters rds:ListTagsForResource "
        "rds:ModifyDBCluster rds:RemoveTagsFromResource rds:CreateDBClusterSnapshot rds:DescribeDBClusterSnapshots",
        CLUSTER,
    ),
    may("rds:CreateDBClusterSnapshot", arn("rds", "cluster-snapshot:sluice-staging-x")),
    may(
        "rds:CreateDBInstance rds:DeleteDBInstance rds:DescribeDBInstances rds:ModifyDBInstance rds:RebootDBInstance",
        WRITER,
    ),
    may(
        "rds:CreateDBClusterParameterGroup rds:DeleteDBClusterParameterGroup rds:DescribeDBClusterParameterGroups "
        "rds:DescribeDBClusterParameters rds:ModifyDBClusterParameterGroup rds:ResetDBClusterParameterGroup",
        SETTINGS,
    ),
    may(
        "rds:CreateDBSubnetGroup rds:DeleteDBSubnetGroup rds:DescribeDBSubnetGroups rds:ModifyDBSubnetGroup",
        SUBNETS,
    ),
    *(
        may("rds:CreateDBCluster rds:CreateDBInstance rds:ModifyDBInstance", arn("rds", default))
        for default in ("pg:default.aurora-mysql8.0", "og:default:aurora-mysql-8-0")
    ),
    *(
        may_not("rds:DeleteDBCluster rds:ModifyDBCluster rds:CreateDBCluster", arn("rds", f"cluster:{name}"))
        for name in ("somebody-elses", "sluice-production-database-x")
    ),
    may_not("rds:ModifyDBClusterSnapshotAttribute rds:RestoreDBClusterFromSnapshot", CLUSTER),
    may_not("rds:CreateDBInstance", arn("rds", "pg:somebody-elses")),
    may(
        "rds:DescribeDBEngineVersions rds:DescribeEngineDefaultClusterParameters rds:DescribeEvents "
        "secretsmanager:GetRandomPassword",
        "*",
    ),
    may("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
    may_not("route53:DeleteHostedZone", "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"),
    may_not("route53:AssociateVPCWithHostedZone", "arn:aws:route53:::healthcheck/Z1D633PJN98FT9"),
    may(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
        {"iam:AWSServiceName": "rds.amazonaws.com"},
    ),
    may_not(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
        {"iam:AWSServiceName": "ec2.amazonaws.com"},
    ),
    may_not("iam:CreateServiceLinkedRole", role("somebody-elses"), {"iam:AWSServiceName": "rds.amazonaws.com"}),
    may(
        "secretsmanager:CancelRotateSecret secretsmanager:CreateSecret secretsmanager:DeleteSecret "
        "secretsmanager:DescribeSecret secretsmanager:GetSecretValue secretsmanager:PutSecretValue "
        "secretsmanager:RotateSecret secretsmanager:TagResource secretsmanager:UntagResource "
        "secretsmanager:UpdateSecret",
        SECRET,
    ),
    may_not("secretsmanager:GetSecretValue secretsmanager:CreateSecret", OTHER_SECRET),
    may(
        "secretsmanager:CreateSecret secretsmanager:DescribeSecret secretsmanager:RotateSecret "
        "secretsmanager:TagResource",
        MASTER_SECRET,
    ),
    may_not("secretsmanager:GetSecretValue secretsmanager:DeleteSecret", MASTER_SECRET),
    *(may("kms:CreateGrant kms:Decrypt kms:GenerateDataKey", OTHER_KEY, via) for via in (VIA_SECRETS, VIA_RDS)),
    *(may_not("kms:CreateGrant kms:Decrypt kms:GenerateDataKey", OTHER_KEY, via) for via in ({}, VIA_S3)),
    may_not("kms:Decrypt", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}", VIA_RDS),
    may("lambda:InvokeFunction", MIGRATE),
    may("lambda:InvokeFunction lambda:AddPermission lambda:GetPolicy lambda:RemovePermission", ROTATE),
    may_not("lambda:AddPermission", MIGRATE),
]
STREAMS = [
    may(
        "kinesis:AddTagsToStream kinesis:CreateStream kinesis:DecreaseStreamRetentionPeriod kinesis:DeleteStream "
        "kinesis:DescribeStreamSummary kinesis:IncreaseStreamRetentionPeriod kinesis:ListTagsForResource "
        "kinesis:ListTagsForStream kinesis:RemoveTagsFromStream kinesis:StartStreamEncryption "
        "kinesis:StopStreamEncryption kinesis:TagResource kinesis:UntagResource",
        STREAM,
    ),
    *(
        may_not("kinesis:DeleteStream kinesis:StartStreamEncryption", arn("kinesis", f"stream/{name}"))
        for name in ("somebody-elses", f"sluice-production-Stream-{RANDOM}")
    ),
    may_not("kinesis:PutRecords kinesis:GetRecords kinesis:PutResourcePolicy kinesis:SplitShard", STREAM),
    may("kinesis:StartStreamEncryption kinesis:StopStreamEncryption", STREAM_KEY),
    may_not("kinesis:StartStreamEncryption", f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}"),
    may("kinesis:UpdateShardCount kinesis:UpdateStreamMode", "*"),
]


def of_apis(path: str) -> str:
    """Their ARNs have no account."""
    return f"arn:aws:apigateway:{REGION}::/{path}"


API_ID = STACKS["api"].ref("Api")
OWN_API, OTHER_API = ({"apigateway:Resource/ApiName": name} for name in (STACKS["api"].name, "somebody-elses"))
CERTIFICATE, ZONE = arn("acm", f"certificate/{KEY_ID}"), "arn:aws:route53:::hostedzone/Z1D633PJN98FT9"
RECORD_TYPES = "route53:ChangeResourceRecordSetsRecordTypes"
APIS = [
    may("apigateway:POST", of_apis("apis"), {"apigateway:Request/ApiName": STACKS["api"].name}),
    may_not("apigateway:POST", of_apis("apis"), {"apigateway:Request/ApiName": "somebody-elses"}),
    may_not("apigateway:POST", of_apis("restapis"), {"apigateway:Request/ApiName": STACKS["api"].name}),
    may("apigateway:DELETE apigateway:PATCH", of_apis(f"apis/{API_ID}"), OWN_API),
    may_not("apigateway:DELETE apigateway:PATCH", of_apis(f"apis/{API_ID}"), OTHER_API),
    may_not("apigateway:DELETE apigateway:PATCH", of_apis("apikeys/x"), OWN_API),
    *(
        may("apigateway:DELETE apigateway:PATCH apigateway:POST", of_apis(f"apis/{API_ID}/{part}"))
        for part in ("routes/x", "integrations/x", "stages/$default", "authorizers/x")
    ),
    *(
        may("apigateway:TagResource apigateway:UntagResource", of_apis(f"apis/{API_ID}/{part}"))
        for part in ("stages", "stages/$default")
    ),
    may_not("apigateway:TagResource apigateway:UntagResource", of_apis(f"apis/{API_ID}/routes/x")),
    may_not("apigateway:DELETE apigateway:PATCH apigateway:POST", of_apis("restapis/x/resources/x")),
    may("apigateway:GET", of_apis(f"apis/{API_ID}")),
    may("apigateway:GET", of_apis("domainnames/api.example.org")),
    may_not("apigateway:GET", of_apis("apikeys/x")),
    may("apigateway:POST", of_apis("domainnames")),
    may(
        "apigateway:AddCertificateToDomain apigateway:DELETE apigateway:PATCH apigateway:POST "
        "apigateway:RemoveCertificateFromDomain",
        of_apis("domainnames/api.example.org"),
    ),
    may_not("apigateway:AddCertificateToDomain apigateway:DELETE", of_apis("vpclinks/x")),
    may("apigateway:DELETE apigateway:GET apigateway:PUT", of_apis("tags/arn%3Aaws%3Aapigateway")),
    may_not("apigateway:PUT", of_apis("restapis/x")),
    may_not("apigateway:UpdateRestApiPolicy apigateway:SetWebACL", of_apis(f"apis/{API_ID}/stages/$default")),
    may(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"),
        {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"},
    ),
    may_not(
        "iam:CreateServiceLinkedRole",
        role("aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"),
        {"iam:AWSServiceName": "ec2.amazonaws.com"},
    ),
    may_not("iam:CreateServiceLinkedRole", role("other"), {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}),
    may(
        "logs:CreateLogDelivery logs:DeleteLogDelivery logs:GetLogDelivery logs:ListLogDeliveries "
        "logs:PutResourcePolicy logs:UpdateLogDelivery",
        "*",
    ),
    *(
        may("lambda:AddPermission lambda:GetPolicy lambda:RemovePermission", STACKS["lambda"].ref(f"{function}Alias"))
        for function in ("Query", "Submit", "Generate")
    ),
    may_not("lambda:AddPermission lambda:RemovePermission", STACKS["lambda"].ref("StreamAlias")),
    may("acm:RequestCertificate", "*"),
    may_not("acm:ImportCertificate acm:ExportCertificate", "*"),
    may("acm:AddTagsToCertificate", CERTIFICATE, NEW_TAG),
    may_not("acm:AddTagsToCertificate", CERTIFICATE, OTHER_NEW_TAG),
    may_not("acm:AddTagsToCertificate", CERTIFICATE, NEW_TAG | OTHER_TAG),
    may_not("acm:AddTagsToCertificate", f"arn:aws:acm:{REGION}:999999999999:certificate/x", NEW_TAG),
    may("acm:DescribeCertificate acm:ListTagsForCertificate", CERTIFICATE),
    may_not("acm:DescribeCertificate", f"arn:aws:acm:{REGION}:999999999999:certificate/x"),
    may(
        "acm:AddTagsToCertificate acm:DeleteCertificate acm:RemoveTagsFromCertificate acm:UpdateCertificateOptions",
        CERTIFICATE,
        OWN_TAG,
    ),
    may_not("acm:DeleteCertificate acm:RemoveTagsFromCertificate", CERTIFICATE, OTHER_TAG),
    may_not("acm:DeleteCertificate", f"arn:aws:acm:{REGION}:999999999999:certificate/x", OWN_TAG),
    *(may("route53:ChangeResourceRecordSets", ZONE, {RECORD_TYPES: kind}) for kind in ("A", "AAAA", "CNAME")),
    *(may_not("route53:ChangeResourceRecordSets", ZONE, {RECORD_TYPES: kind}) for kind in ("MX", "NS", "TXT")),
    may_not("route53:ChangeResourceRecordSets", "arn:aws:route53:::healthcheck/x", {RECORD_TYPES: "A"}),
    may("route53:GetHostedZone route53:ListResourceRecordSets", ZONE),
    may("route53:GetChange", "arn:aws:route53:::change/C2682N5HXP0BZ4"),
    may_not("route53:GetHostedZone", "arn:aws:route53:::healthcheck/x"),
    may_not("route53:DeleteHostedZone route53:CreateHostedZone", ZONE),
    may("route53:ListHostedZones", "*"),
]
