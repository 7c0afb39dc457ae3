"""Work done as another role, in this account or another."""

import boto3
import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)


class _Assumed(CredentialProvider):
    METHOD = "assume-role"

    def __init__(self, role_arn: str) -> None:
        own = botocore.session.get_session()
        self._fetcher = AssumeRoleCredentialFetcher(own.create_client, own.get_credentials(), role_arn)

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def session(role_arn: str) -> boto3.Session:
    """A session whose clients act as the role, which this process's own credentials assume, again before it expires."""
    assumed = botocore.session.Session()
    assumed.register_component("credential_provider", CredentialResolver([_Assumed(role_arn)]))
    return boto3.Session(botocore_session=assumed)
