"""IAM: what was decided, who is who, and what counts as TLS."""

import contextvars
import dataclasses
import json
import threading
from pathlib import Path

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses, router
from ministack.services import s3, sts

from local.patches import rewrite


def iam_decisions(folder: Path) -> None:
    """Every decision for a role or a user is a line of <folder>/iam.jsonl.

    Stock: a decision is not recorded anywhere.
    AWS: CloudTrail records the calls a role makes; IAM Access Analyzer writes a policy
    from them.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-policy-generation.html
    All callers of `enforce` import it when they call it, so they find this one.
    """
    decide = iam_evaluator.enforce
    lock = threading.Lock()
    record = (folder / "iam.jsonl").open("a", encoding="utf-8", buffering=1)

    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        denied = decide(access_key_id, iam_action, service, region, resource_arn, service_context)
        if isinstance(denied, iam_evaluator.AuthError):
            return denied
        account = responses._account_from_sts_session(access_key_id) or responses.get_account_id()
        caller = iam_evaluator.resolve_credential(access_key_id or "", account)
        if isinstance(caller, iam_evaluator.ResolvedCredential) and caller.principal_type != "Root":
            line = json.dumps({
                "principal": caller.principal_arn,
                "role": iam_evaluator._role_name_from_assumed_arn(caller.principal_arn)
                if caller.principal_type == "AssumedRole" else None,
                "action": iam_action,
                "resource": resource_arn,
                "decision": denied.decision if denied else "Allow",
            })
            with lock:
                record.write(line + "\n")
        return denied

    iam_evaluator.enforce = enforce


def tls_on_loopback(folder: Path) -> None:
    """aws:SecureTransport is true, as behind a load balancer that ends TLS.

    Stock: a call over plain http is insecure unless it has X-Forwarded-Proto: https, so a
    bucket policy that denies insecure transport denies every client of the local cloud.
    AWS: the SDKs call over TLS.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    The local cloud listens on the loopback interface only: nothing to encrypt there, and
    no certificates to hand to clients and functions.
    """
    pin = app.pin_request_origin
    app.pin_request_origin = lambda client, secure: pin(client, True)


def missing_object_denied(folder: Path) -> None:
    """Only who may list a bucket learns that an object is not in it.

    Stock: reading a missing object or version answers 404 to every reader.
    AWS: 404 with s3:ListBucket on the bucket, 403 (Access Denied) without it.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    stock = s3.handle_request

    async def handle_request(method, path, headers, body, query_params):
        response = await stock(method, path, headers, body, query_params)
        bucket, _, key = path.lstrip("/").partition("/")
        if response[0] != 404 or not key or s3._bucket_owner_account(bucket) is None:
            return response
        action = iam_actions.extract_iam_action("s3", method, path, headers, body, query_params)
        if action not in ("s3:GetObject", "s3:GetObjectVersion"):
            return response
        denied = iam_evaluator.enforce(
            router.extract_access_key_id(headers, query_params), "s3:ListBucket", "s3",
            responses.get_region(), f"arn:aws:s3:::{bucket}")
        return s3._error("AccessDenied", "Access Denied", 403) if denied else response

    s3.handle_request = handle_request


def conditional_writes(folder: Path) -> None:
    """A policy can demand that a write replaces nothing.

    Stock: s3:if-none-match is never there, so what such a policy denies is denied to everybody.
    AWS: it is the request's header.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """
    stock = iam_actions._s3_object_context

    def context(iam_action, query_params, path, headers):
        header = headers.get("if-none-match") if iam_action == "s3:PutObject" else None
        return stock(iam_action, query_params, path, headers) | ({"s3:if-none-match": header} if header else {})

    iam_actions._s3_object_context = context


def service_trust(folder: Path) -> None:
    """A service can assume a role, under the conditions of the role's trust policy.

    Stock: the account's root passes for any service, but a condition on aws:SourceArn or
    aws:SourceAccount is never met.
    AWS: the service itself asks, and brings both keys, against the confused deputy.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    Here a call of AssumeRole with the header X-Calling-Service is that service's, for the
    resource that X-Source-Arn names; `Cloud.assume` sends them.
    """
    request: contextvars.ContextVar[dict | None] = contextvars.ContextVar("request_headers", default=None)
    stock_request, stock_trust = sts.handle_request, iam_evaluator.evaluate_trust_policy

    async def handle_request(method, path, headers, body, query_params):
        request.set(headers)
        return await stock_request(method, path, headers, body, query_params)

    def evaluate_trust_policy(trust_doc, caller_arn, ctx=None):
        headers = request.get() or {}
        service = headers.get("x-calling-service")
        if not service:
            return stock_trust(trust_doc, caller_arn, ctx)
        source = {"aws:sourcearn": headers.get("x-source-arn"),
                  "aws:sourceaccount": responses.get_account_id()}
        ctx = dataclasses.replace(ctx, principal_arn="", principal_type="Service",
                                  service_context={**ctx.service_context, **source})
        return iam_evaluator.evaluate_resource_policy(trust_doc, ctx, service=service).decision == "Allow"

    sts.handle_request = handle_request
    iam_evaluator.evaluate_trust_policy = evaluate_trust_policy


def root_signature(folder: Path) -> None:
    """The account's root has to sign with its secret, as everybody else.

    Stock: a call with a twelve-digit access key, or with the key "test", is the root's,
    whatever its signature.
    AWS: every signature is checked.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
    Without this any user of the machine could run code as ours, in a function.
    """
    rewrite(
        iam_evaluator.pin_signed_request,
        ("if sigv2 and claimed and not _is_root_key(claimed) and not", "if sigv2 and claimed and not"),
        ("if not authorization and claimed and not _is_root_key(claimed) and", "if not authorization and claimed and"),
        ("authorization, query_params) and not (\n            claimed and _is_root_key(claimed)) and not",
         "authorization, query_params) and not"),
        ("if not (verifiable or names_no_key) or (access_key_id and _is_root_key(access_key_id)):",
         "if not (verifiable or names_no_key):"),
    )
    app.pin_signed_request = iam_evaluator.pin_signed_request


def no_side_doors(folder: Path) -> None:
    """ministack's own addresses answer nobody, but for those that its services hand out.

    Stock: anybody may empty the cloud, set it up otherwise or read its queues without
    credentials, under /_ministack/.
    AWS: there is no such thing.
    """
    handed_out = ("/_ministack/health", "/_ministack/lambda-", "/_ministack/cfn-")
    stock = app._handle_pre_body_request

    async def handle(method, path, headers, query_params, request_id):
        if path.startswith("/_ministack/") and not path.startswith(handed_out):
            return 404, {"Content-Type": "text/plain"}, b"not found"
        return await stock(method, path, headers, query_params, request_id)

    app._handle_pre_body_request = handle


def queue_batches(folder: Path) -> None:
    """Who may send, delete or hide a message may do so in batches.

    Stock: SendMessageBatch asks for an action sqs:SendMessageBatch, and so on.
    AWS: there are no such actions; a batch is authorised as the single operation.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """
    stock = iam_actions.extract_iam_action

    def extract_iam_action(service, method, path, headers, body, query_params):
        action = stock(service, method, path, headers, body, query_params)
        return action.removesuffix("Batch") if action and service == "sqs" else action

    iam_actions.extract_iam_action = extract_iam_action


def subscription_resource(folder: Path) -> None:
    """Who may end subscriptions of a topic may do so for that topic.

    Stock: sns:Unsubscribe is decided on *.
    AWS: on the subscription's ARN, which begins with its topic's.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
    """
    rewrite(iam_actions.extract_resource_arn, (
        '_query_param(query_params, "TopicArn")',
        '_query_param(query_params, "TopicArn") or _query_param(query_params, "SubscriptionArn")',
    ))


def change_set_names(folder: Path) -> None:
    """A policy's condition can be about the name of a change set.

    Stock: the key cloudformation:ChangeSetName is in no request.
    AWS: it is, in those to make, describe, execute and delete one.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
    """
    stock = iam_actions.request_tag_context

    def request_tag_context(service, iam_action, body, params):
        context = stock(service, iam_action, body, params)
        name = iam_actions._query_param(params, "ChangeSetName") if service == "cloudformation" else ""
        return {**context, "cloudformation:ChangeSetName": name} if name else context

    iam_actions.request_tag_context = request_tag_context


def role_as_principal(folder: Path) -> None:
    """A policy's condition can be about the role that a caller has assumed.

    Stock: aws:PrincipalArn is the ARN of the session, arn:aws:sts::...:assumed-role/<role>/<session>.
    AWS: it is that of the role, arn:aws:iam::...:role/<role>.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    stock = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key, ctx):
        value = stock(key, ctx)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in value:
            return value
        return f"arn:aws:iam::{ctx.principal_account}:role/{iam_evaluator._role_name_from_assumed_arn(value)}"

    iam_evaluator._resolve_condition_key = resolve_condition_key


def caller_of_another_account(folder: Path) -> None:
    """A bucket's policy can tell the roles of another account apart.

    Stock: to the bucket's policy, whoever calls from another account is that account's root.
    AWS: it is the role, or the user, that calls: as principal, and as aws:PrincipalArn.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
    """
    def principal(account, headers, query):
        caller = iam_evaluator.resolve_credential(router.extract_access_key_id(headers or {}, query) or "", account)
        if not account or not isinstance(caller, iam_evaluator.ResolvedCredential):
            return "*", "Anonymous"
        return caller.principal_arn, caller.principal_type

    s3._principal_of_another_account = principal
    rewrite(
        s3._foreign_bucket_allows,
        ('            principal_arn=f"arn:aws:iam::{caller}:root" if caller else "*",\n'
         '            principal_type="Root" if caller else "Anonymous",\n',
         '            principal_arn=_principal_of_another_account(caller, headers, query_params)[0],\n'
         '            principal_type=_principal_of_another_account(caller, headers, query_params)[1],\n'),
    )


PATCHES = (iam_decisions, tls_on_loopback, missing_object_denied, conditional_writes, service_trust, root_signature,
           no_side_doors, queue_batches, subscription_resource, change_set_names, role_as_principal,
           caller_of_another_account)
