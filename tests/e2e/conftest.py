"""What the end-to-end tests share: one local cloud with one deployment, made by a real push."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cloud as local_cloud
from local.deployment import Deployment
from support.checkout import Checkout
from support.extended import EXTENSIONS, hurry


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    checkout.shorten_build()
    checkout.commit("a shorter build")
    return checkout


@pytest.fixture
def pristine(checkout: Checkout) -> Iterator[str]:
    """Puts the tree back after a test has changed it; the commit that it goes back to."""
    commit = checkout.commit("before")
    yield commit
    checkout.back_to(commit)


@pytest.fixture(scope="session")
def deployment(checkout: Checkout) -> Iterator[Deployment]:
    """A deployment of the working tree, with a subscriber."""
    with local_cloud.start() as cloud:
        deployment = Deployment(cloud, print)
        execution = deployment.push(checkout.folder)
        assert execution["status"] == "Succeeded"
        deployment.subscribe()
        yield deployment


@pytest.fixture(scope="module")
def extended(deployment: Deployment) -> Iterator[Deployment]:
    """The same deployment with a stream and an API, which anybody may call, for the tests of one file."""
    before = deployment.parameters()
    deployment.change(**EXTENSIONS)
    hurry(deployment)
    yield deployment
    deployment.change(**before)
    while deployment.receive(wait=0):
        pass  # what other files would take for theirs


@pytest.fixture(scope="session")
def samples() -> Path:
    return Path(__file__).parents[2] / "scripts" / "local" / "samples"
