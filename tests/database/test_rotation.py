"""Rotation of the user's password on a real server: each step again, and after the next one has failed."""

import itertools

import pytest

from sluice.database import Connection, DatabaseError, read_secret
from sluice.rotation import Rotation

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@pytest.fixture
def rotation(schema):
    """Starts a rotation; gives its steps and its token."""
    schema.migrate()

    def start() -> tuple[Rotation, str]:
        token = schema.secrets.start_rotation("application")
        return Rotation(schema.secrets, "application", "master", token), token

    return start


def password(schema, **version: str) -> str:
    return read_secret(schema.secrets, "application", **version)["password"]


def test_the_four_steps_change_the_password(schema, rotation):
    steps, _ = rotation()
    for step in STEPS:
        steps.step(step)

    assert password(schema) != schema.account["password"]
    assert read_secret(schema.secrets, "application") == schema.account | {"password": password(schema)}
    Connection(read_secret(schema.secrets, "application")).close()
    with pytest.raises(DatabaseError, match="1045"):
        Connection(schema.account)


def test_each_step_may_be_repeated(schema, rotation):
    steps, token = rotation()
    pending = set()
    for step in STEPS:
        for _ in range(3):
            steps.step(step)
            pending.add(password(schema, VersionId=token, VersionStage="AWSPENDING"))

    assert pending == {password(schema)}
    Connection(read_secret(schema.secrets, "application")).close()


@pytest.mark.parametrize("failed", range(1, len(STEPS)))
def test_a_rotation_that_failed_is_started_again_from_its_first_step(schema, rotation, failed, monkeypatch):
    steps, token = rotation()
    with monkeypatch.context() as patch:
        patch.setattr(steps, f"_{STEPS[failed].removesuffix('Secret')}", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            for step in STEPS:
                steps.step(step)

    for step in STEPS:
        steps.step(step)

    Connection(read_secret(schema.secrets, "application")).close()


def test_a_new_rotation_follows_one_that_was_given_up(schema, rotation):
    """Its password is set or not: the database may have one that is in no current secret."""
    for given_up_after in range(1, len(STEPS)):
        steps, _ = rotation()
        for step in STEPS[:given_up_after]:
            steps.step(step)

    steps, _ = rotation()
    for step in STEPS:
        steps.step(step)

    Connection(read_secret(schema.secrets, "application")).close()


def test_a_step_for_a_version_that_is_not_pending_is_refused(schema, rotation):
    _, token = rotation()
    schema.secrets.start_rotation("application")

    for step, stale in itertools.product(STEPS, (token, "unknown")):
        with pytest.raises(ValueError, match="not pending"):
            Rotation(schema.secrets, "application", "master", stale).step(step)
    assert password(schema) == schema.account["password"]


def test_a_password_that_was_not_set_does_not_pass_the_test(schema, rotation):
    steps, _ = rotation()
    steps.step("createSecret")

    with pytest.raises(DatabaseError, match="1045"):
        steps.step("testSecret")


def test_a_password_that_a_migration_took_back_does_not_become_current(schema, rotation):
    steps, _ = rotation()
    for step in STEPS[:3]:
        steps.step(step)
    schema.migrate()

    with pytest.raises(DatabaseError, match="1045"):
        steps.step("finishSecret")
    Connection(read_secret(schema.secrets, "application")).close()

    for step in STEPS:
        steps.step(step)
    Connection(read_secret(schema.secrets, "application")).close()
