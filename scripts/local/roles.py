"""Service roles: assumed the way the AWS service does it, and asked what they may do.

The local cloud checks each call that is made. What AWS checks besides, without a call that would
show it here, is decided from the role's own policies by ministack's evaluator.
"""

from collections.abc import Iterator, Mapping

from botocore.exceptions import ClientError
from ministack.core import iam_evaluator

from local.cloud import Cloud


class RoleError(Exception):
    """A role that cannot be assumed, or may not do what it has to."""


def assume_as(cloud: Cloud, service: str, source_arn: str, role: str, session: str) -> dict[str, str]:
    """Credentials of the role with the ARN `role`, assumed by `service` for its resource `source_arn`."""
    try:
        return cloud.assume(role, session[:64], service=service, source_arn=source_arn)
    except ClientError as error:
        raise RoleError(f"{service} may not assume {role} for {source_arn}: {error}") from error


def require(cloud: Cloud, role: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> None:
    """Raise RoleError unless the role's policies allow `action` on `resource`; `context` gives
    condition keys besides the global ones, in lower case.
    """
    asked = iam_evaluator.EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=role.split(":")[4],
        action=action,
        resource_arn=resource,
        region=cloud.region,
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context=dict(context or {}),
    )
    decision = iam_evaluator.evaluate(
        asked, [iam_evaluator.parse_policy_document(document) for document in _policies(cloud, role)]
    ).decision
    if decision != "Allow":
        raise RoleError(f"{role} is not authorized to perform: {action} on resource: {resource} ({decision})")


def _policies(cloud: Cloud, role: str) -> Iterator[dict]:
    """Every identity policy of the role: inline and attached."""
    iam, name = cloud.of(role.split(":")[4]).client("iam"), role.rsplit("/", 1)[-1]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        yield iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        yield iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
