"""What the tests of the local cloud share: one of each file's own."""

from collections.abc import Iterator

import pytest

from local.cloud import Cloud, start
from support.ci import Ci


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with start() as running:
        yield running


@pytest.fixture(scope="module")
def ci(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ci]:
    with start() as cloud:
        yield Ci(cloud, tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def deployed(ci: Ci) -> dict:
    """The execution that created the product's stack; `LEAK` was set where git pushed."""
    ci.commit("First\n\nwith a body")
    return ci.push(LEAK="seen", AWS_PROFILE="theirs")


@pytest.fixture
def fresh(ci: Ci, deployed: dict) -> Ci:
    """The same, with the checkout's HEAD on the fixture's own source."""
    ci.commit()
    return ci
