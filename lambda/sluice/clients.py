"""Clients of AWS as the functions use them: botocore's own. boto3 hands out the same ones and takes longer to load."""

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config

from sluice import tracing

_session = botocore.session.get_session()
tracing.follow(_session)
_CONFIG = Config(
    # Short, so that a call that hangs is tried again while the invocation lasts.
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Otherwise botocore puts the same text together twice for every request, an eighth of what a request costs us.
    user_agent=f"sluice {_session.user_agent()}",
)
# At most 24 s in all, of 25 that a function of the API has (templates/lambda.yaml).
_QUICK = Config(read_timeout=4, retries={"mode": "standard", "total_max_attempts": 3})


def make_client(service: str) -> BaseClient:
    """A client of a service (`s3`) in the function's region, with the function's role."""
    return _session.create_client(service, config=_CONFIG)


def make_quick_client(service: str) -> BaseClient:
    """The same for a function that somebody waits for: it gives up while there is time to answer so."""
    return _session.create_client(service, config=_CONFIG.merge(_QUICK))


def make_signer() -> BaseClient:
    """A client of S3 whose presigned links and forms are good in every region.

    By default botocore signs them as S3 did before 2014, or for an endpoint that redirects to the bucket's region, and
    a signature does not survive a redirect (https://github.com/boto/boto3/issues/3015). In us-east-1 it takes the
    endpoint without a region, which is past the VPC's endpoints that uploads may have to come through:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html#privatelink-limitations
    """
    s3 = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
    config = Config(signature_version="s3v4", s3=s3)
    return _session.create_client("s3", config=_CONFIG.merge(config))
