"""What docs/local-cloud.md calls applied, the services say after a deployment, and what it calls dropped they do not."""

from collections.abc import Iterator

import pytest

from local.demonstrations.api import domain
from support.extended import EXTENSIONS
from support.local_cloud import APPLIED, DROPPED, READ_BACK, pairs
from support.readback import read_back

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
    same, other = read_back(deployment.cloud, stacks)

    assert pairs(APPLIED, READ_BACK) - same == set(), "said to be applied"
    assert other - pairs(DROPPED) == set(), "not as it was asked for"
    assert pairs(DROPPED) & same == set(), "applied by now: say so in docs/local-cloud.md"
