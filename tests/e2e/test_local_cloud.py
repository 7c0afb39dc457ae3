"""What docs/local-cloud.md calls applied, the services say after a deployment; what it calls dropped they do not."""

from collections.abc import Iterator

import pytest

from local.demonstrations.api import domain
from support.extended import EXTENSIONS
from support.local_cloud import READ_BACK
from support.readback import check

# Every option that costs no more than an update: tokens, as they make an authorizer, and whom to mail.
SETTINGS = EXTENSIONS | {
    "AlertEmail": "ops@example.org",
    "ApiAllowedOrigins": "https://app.example.org",
    "ApiAuthorization": "JWT",
    "ApiJwtIssuer": "https://issuer.example.org",
    "ApiJwtAudience": "sluice",
}


@pytest.fixture(scope="module")
def stacks(deployment) -> Iterator[list[str]]:
    """The names of the stacks, that of the application with all options but the database."""
    before = deployment.parameters()
    deployment.change(**SETTINGS, **domain(deployment.cloud))
    yield [deployment.stack, f"sluice-pipeline-{before['Environment']}", f"sluice-target-{before['Environment']}"]
    deployment.change(**before)


def test_what_is_applied_is_read_back(deployment, stacks):
    check(deployment.cloud, stacks, READ_BACK)
