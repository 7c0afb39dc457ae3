"""Who may put samples into a bucket of templates/partner-bucket.yaml: decisions taken off-line from the template."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from templates.cfn import ACCOUNT, EVERYTHING, REGION, Stack, deployment, partner_bucket
from templates.decisions import admits

STACKS = deployment(**EVERYTHING)
OURS = STACKS["iam"].arn("GenerateRole")
STRANGER = "999999999999"
# To a partner, whose account the bucket is in, we are another one.
THEIRS = OURS.replace(f"::{ACCOUNT}:", f"::{STRANGER}:")
BUCKETS = {
    "of our own": (STACKS["partner-bucket"], OURS),
    "of a partner": (partner_bucket(STRANGER, THEIRS), THEIRS),
}
each_bucket = pytest.mark.parametrize(("samples", "role"), BUCKETS.values(), ids=BUCKETS)
VIA_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
HOW, WITH = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ffffffff-ffff-ffff-ffff-ffffffffffff"


def puts(samples: Stack, principal: str, key: str, how: Mapping[str, str] = MappingProxyType({})) -> str:
    policy = samples.properties("BucketPolicy")["PolicyDocument"]
    resource = f"{samples.arn('Bucket')}/{key}"
    return admits(policy, principal, "s3:PutObject", resource, {"aws:PrincipalArn": principal} | how)


@each_bucket
def test_one_role_may_put_samples_under_one_prefix(samples: Stack, role: str) -> None:
    assert puts(samples, role, "samples/2026/prices.csv") == "Allow"
    others = [
        STACKS["iam"].arn("SubmitRole"),
        f"arn:aws:iam::{ACCOUNT}:user/somebody",
        f"{role}x",
        role.replace("staging", "production"),
        THEIRS if role == OURS else OURS,
    ]
    for other in others:
        assert puts(samples, other, "samples/2026/prices.csv") == "ImplicitDeny", other
    for elsewhere in ("prices.csv", "sample/prices.csv", "samplesx/prices.csv", "other/samples/prices.csv"):
        assert puts(samples, role, elsewhere) == "ImplicitDeny", elsewhere


@each_bucket
def test_that_role_may_do_nothing_else(samples: Stack, role: str) -> None:
    policy, bucket = samples.properties("BucketPolicy")["PolicyDocument"], samples.arn("Bucket")
    asked = [
        *((action, f"{bucket}/samples/a.csv") for action in ("s3:GetObject", "s3:DeleteObject", "s3:PutObjectAcl")),
        *((action, bucket) for action in ("s3:ListBucket", "s3:PutBucketPolicy", "s3:DeleteBucket")),
    ]
    for action, resource in asked:
        assert admits(policy, role, action, resource, {"aws:PrincipalArn": role}) == "ImplicitDeny", action


@each_bucket
def test_a_sample_is_encrypted_with_the_key_of_its_bucket(samples: Stack, role: str) -> None:
    """Or its owner could not read it: whoever puts an object may name a key of its own."""
    own = samples.arn("Key")
    assert puts(samples, role, "samples/a.csv", {HOW: "aws:kms", WITH: own}) == "Allow"
    assert puts(samples, role, "samples/a.csv", {HOW: "aws:kms", WITH: OTHER_KEY}) == "ImplicitDeny"
    assert puts(samples, role, "samples/a.csv", {HOW: "AES256"}) == "ImplicitDeny"


@each_bucket
def test_that_role_may_encrypt_by_way_of_s3(samples: Stack, role: str) -> None:
    # What the key's own account may do is IAM's to say.
    statements = samples.properties("Key")["KeyPolicy"]["Statement"]
    policy, key = {"Statement": [one for one in statements if one["Sid"] == "OneRoleMayEncrypt"]}, samples.arn("Key")
    assert admits(policy, role, "kms:GenerateDataKey", key, VIA_S3 | {"aws:PrincipalArn": role}) == "Allow"
    for principal, action, context in (
        (role, "kms:GenerateDataKey", {}),
        (role, "kms:Decrypt", VIA_S3),
        (role, "kms:PutKeyPolicy", VIA_S3),
        (f"arn:aws:iam::{ACCOUNT}:user/somebody", "kms:GenerateDataKey", VIA_S3),
        (THEIRS if role == OURS else OURS, "kms:GenerateDataKey", VIA_S3),
    ):
        assert admits(policy, principal, action, key, context | {"aws:PrincipalArn": principal}) == "ImplicitDeny"


def test_samples_go_where_the_role_may_put_them() -> None:
    bucket = STACKS["partner-bucket"]
    variables = STACKS["lambda"].properties("Generate")["Environment"]["Variables"]
    assert (variables["SAMPLE_BUCKET"], variables["SAMPLE_KEY"]) == (bucket.ref("Bucket"), bucket.arn("Key"))
    [ours, _] = STACKS["samples"].properties("GenerateRoleSamples")["PolicyDocument"]["Statement"]
    [_, theirs] = bucket.properties("BucketPolicy")["PolicyDocument"]["Statement"]
    assert ours["Resource"] == theirs["Resource"] == f"{bucket.arn('Bucket')}/{variables['SAMPLE_PREFIX']}/*"
