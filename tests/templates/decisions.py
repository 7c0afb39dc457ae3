"""Decisions of IAM, taken off-line from a policy as CloudFormation would create it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ministack.core import iam_evaluator as iam

from templates.cfn import ACCOUNT, REGION


@dataclass(frozen=True)
class Row:
    """One line of a table of decisions: whether `actions` (space-separated) are allowed on `resource`.

    `context` gives condition keys and their values.
    """

    verdict: str
    actions: str
    resource: str
    context: Mapping[str, str]

    @property
    def is_allowed(self) -> bool:
        return {"may": True, "may not": False}[self.verdict]

    def __str__(self) -> str:
        return f"{self.verdict} {self.actions} on {self.resource} {dict(self.context) or ''}".rstrip()


def may(actions: str, resource: str, context: Mapping[str, str] = MappingProxyType({})) -> Row:
    return Row("may", actions, resource, context)


def may_not(actions: str, resource: str, context: Mapping[str, str] = MappingProxyType({})) -> Row:
    return Row("may not", actions, resource, context)


def allows(document: dict, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """What an identity policy decides."""
    return iam.evaluate(_request(action, resource, context), [iam.parse_policy_document(document)]).decision == "Allow"


def admits(document: dict, principal: str, action: str, resource: str, context: Mapping[str, str]) -> str:
    """What a resource's own policy decides, `Allow`, `Deny` or `ImplicitDeny`; `principal` is a service or an ARN."""
    service = principal if principal.endswith(".amazonaws.com") else None
    asked = _request(action, resource, context, "*" if service else principal)
    return iam.evaluate_resource_policy(json.dumps(document), asked, service=service).decision


def trusts(document: dict, provider: str, claims: Mapping[str, str]) -> bool:
    """Whether a role's trust policy lets in whoever has a token of an identity provider with these claims.

    `provider` is the provider's ARN.
    """
    host = provider.partition("oidc-provider/")[2]
    asked = iam.EvalContext(
        principal_arn=provider,
        principal_type="WebIdentityUser",
        principal_account=ACCOUNT,
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn="*",
        region=REGION,
        service_context={f"{host}:{claim}": value for claim, value in claims.items()},
    )
    return iam.evaluate_trust_policy(document, provider, asked)


def _request(action: str, resource: str, context: Mapping[str, str], principal: str = "*") -> iam.EvalContext:
    prefix = "aws:RequestTag/"
    tags = {key.removeprefix(prefix): value for key, value in context.items() if key.startswith(prefix)}
    return iam.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        # Where an ARN names no account, as S3's do not, the evaluator takes the principal's for the resource's.
        principal_account=context.get("aws:PrincipalAccount", context.get("aws:ResourceAccount", ACCOUNT)),
        action=action,
        resource_arn=resource,
        region=REGION,
        secure_transport=context.get("aws:SecureTransport", "true") == "true",
        request_tags=tags,
        tag_keys=list(tags),
        service_context={key.lower(): value for key, value in context.items()},
    )
