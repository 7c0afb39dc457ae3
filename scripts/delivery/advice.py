"""What to do about an error between us and AWS."""

import os

from boto3.exceptions import Boto3Error
from botocore import exceptions as aws
from botocore.exceptions import ClientError

AWS_ERRORS = (aws.BotoCoreError, ClientError, Boto3Error)
"""What boto3 raises where AWS does not do what is asked, or is not asked at all."""


def region() -> str | None:
    """What AWS_REGION says, by which AWS's other tools go before AWS_DEFAULT_REGION, the only one that boto3 knows.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    """
    return os.environ.get("AWS_REGION") or None


def advice(error: Exception, rights: str) -> str:
    """What went wrong, and what to do about it. `rights` says whose credentials to use where they may not do it."""
    # A transfer's error says what S3 has answered, and has that answer behind it.
    answered = error.__context__ if isinstance(error, Boto3Error) else error
    code = answered.response["Error"]["Code"] if isinstance(answered, ClientError) else ""
    if isinstance(error, aws.NoRegionError):
        return "no AWS region is configured: set AWS_REGION, or run `aws configure set region <region>`"
    if isinstance(error, (aws.EndpointConnectionError, aws.ConnectTimeoutError)):
        return f"cannot reach AWS: {error}. Check the network, the region's name and AWS_ENDPOINT_URL"
    if code in ("AccessDenied", "AccessDeniedException", "AuthorizationError"):
        return f"{error}. {rights}"
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return f"AWS does not take your credentials: {error}. Renew them: `aws sso login`, or `aws configure`"
    if "redential" in type(error).__name__ or "SSO" in type(error).__name__ or isinstance(error, aws.ProfileNotFound):
        return f"no AWS credentials: {error}. Run `aws configure` or `aws sso login`, or set AWS_PROFILE"
    return f"{str(error).rstrip('.')}. Do it again, after removing the cause where AWS names one"
