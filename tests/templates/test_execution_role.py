"""What CloudFormation's role is granted is what the handlers of the templates' types ask for, no more and no less."""

from collections.abc import Iterator

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from templates.cfn import REGION, resources
from templates.roles.handlers import ADDED, ALWAYS_SET, OPERATIONS, SERVES, SURPLUS, UNSET
from templates.test_policies import listed, statements

# What CloudFormation deploys by other rights than those of the role: that of who deploys the stack.
DEPLOYED_OTHERWISE = ("boundary", "pipeline", "target", "teardown", "github-oidc", "partner-bucket")
TYPES = sorted(
    {
        resource["Type"].removeprefix("AWS::")
        for name, _, resource in resources()
        if name not in DEPLOYED_OTHERWISE and not resource["Type"].startswith("Custom::")
    }
)


def lowered(actions: str | list[str]) -> set[str]:
    """IAM does not tell actions by case, and the schemas write some in their own."""
    return {action.lower() for action in (actions.split() if isinstance(actions, str) else actions)}


GRANTED = {
    sid.partition(".")[2]: lowered(listed(statement["Action"]))
    for sid, statement in statements("target", "CloudFormationRole")
}


def schema(kind: str) -> dict:
    return PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, f"AWS::{kind}").schema


def asked(kind: str) -> set[str]:
    """What the handlers of a type ask for."""
    handlers = schema(kind)["handlers"]
    return {
        action
        for operation in OPERATIONS
        for action in lowered(handlers.get(operation, {}).get("permissions", []))
    }


def excluded(kind: str) -> Iterator[set[str]]:
    """What is never reached, each exclusion by itself."""
    yield from map(lowered, (UNSET.get(kind, {}) | ALWAYS_SET.get(kind, {})).values())
    yield from (lowered(actions) for (kinds, actions) in SURPLUS if kind in kinds.split())


def needed(kind: str) -> set[str]:
    return asked(kind).difference(*excluded(kind))


def served(sid: str) -> list[str]:
    return SERVES[sid].split()


@pytest.mark.parametrize("kind", TYPES)
def test_what_a_type_asks_for_is_granted(kind: str) -> None:
    granted = {action for sid in SERVES if kind in served(sid) for action in GRANTED[sid]}
    assert sorted(needed(kind) - granted) == []


@pytest.mark.parametrize("sid", GRANTED)
def test_what_a_statement_grants_its_types_ask_for(sid: str) -> None:
    wanted = {action for kind in served(sid) for action in needed(kind)}
    added = {action for (of, actions) in ADDED if of == sid for action in lowered(actions)}
    assert sorted(GRANTED[sid] - wanted - added) == []
    # Nor is anything listed by hand that a handler asks for, or that is not granted.
    assert sorted(added & wanted | added - GRANTED[sid]) == []


def test_every_statement_serves_types_that_there_are() -> None:
    assert sorted(SERVES) == sorted(GRANTED)
    assert sorted({kind for sid in SERVES for kind in served(sid)}) == TYPES


@pytest.mark.parametrize("kind", TYPES)
def test_a_statement_serves_a_type_by_some_action(kind: str) -> None:
    """Or a type that is gone could leave its statement to another."""
    added = {sid for sid, _ in ADDED}
    idle = [sid for sid in SERVES if kind in served(sid) and not GRANTED[sid] & needed(kind) and sid not in added]
    assert idle == []


def properties_of(kind: str) -> list[set[str]]:
    """What each resource of a type sets."""
    return [
        set(resource.get("Properties", {}))
        for name, _, resource in resources(f"AWS::{kind}")
        if name not in DEPLOYED_OTHERWISE
    ]


def test_what_is_not_reached_is_of_properties_that_nobody_sets() -> None:
    for kind, properties in UNSET.items():
        assert sorted(set().union(*properties_of(kind)) & properties.keys()) == [], kind
        assert sorted(properties.keys() - schema(kind)["properties"].keys()) == [], kind


def test_what_is_never_taken_away_is_of_properties_that_everything_sets() -> None:
    for kind, properties in ALWAYS_SET.items():
        assert sorted(properties.keys() - set.intersection(*properties_of(kind))) == [], kind


def test_nothing_is_excluded_that_no_handler_asks_for() -> None:
    for kind in {*UNSET, *ALWAYS_SET, *(kind for kinds, _ in SURPLUS for kind in kinds.split())}:
        assert kind in TYPES
        for actions in excluded(kind):
            assert sorted(actions - asked(kind)) == [], kind
    assert all([*ADDED.values(), *SURPLUS.values()]), "each with its reason"
