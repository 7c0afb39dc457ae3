"""Clients of AWS as the functions use them: botocore's own. boto3 hands out the same ones and takes longer to load."""

import botocore.session
from botocore.client import BaseClient
from botocore.config import Config

from sluice import tracing

_session = botocore.session.get_session()
tracing.follow(_session)
_CONFIG = Config(
    # Short, so that a hanging call is retried while the invocation lasts: the shortest timeout of a function is 300 s.
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Otherwise botocore puts the same text together twice for every request, an eighth of what a request costs us.
    user_agent=f"sluice {_session.user_agent()}",
)


def make_client(service: str) -> BaseClient:
    """A client of a service (`s3`) in the function's region, with the function's role."""
    return _session.create_client(service, config=_CONFIG)


def make_signer() -> BaseClient:
    """A client of S3 whose presigned links and forms are good in every region.

    By default botocore signs them as S3 did before 2014, or for an endpoint that redirects to the bucket's region, and
    a signature does not survive a redirect (https://github.com/boto/boto3/issues/3015).
    """
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return _session.create_client("s3", config=_CONFIG.merge(config))
