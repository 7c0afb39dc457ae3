"""No role is granted what nobody has seen it take, save for a reason."""

import pytest

from templates.cfn import ROOT, resources
from templates.roles import TABLE
from templates.roles.reasons import FUNCTIONS, HANDLED, REASONS, TAKEN
from templates.test_execution_role import DEPLOYED_OTHERWISE, lowered, schema
from templates.test_policies import listed, statements

EXPLAINED = [role_of for role_of in TABLE if role_of in REASONS]


def handled(role_of: tuple[str, str]) -> set[str]:
    """What the handlers of the types ask for that a role reads or updates."""
    templates, operations = HANDLED.get(role_of, ((), ()))
    kinds = {
        resource["Type"].removeprefix("AWS::")
        for name, _, resource in resources()
        if (name in templates or "" in templates and name not in DEPLOYED_OTHERWISE)
        and not resource["Type"].startswith("Custom::")
    }
    return {
        action
        for kind in kinds
        for operation in operations
        for action in lowered(schema(kind).get("handlers", {}).get(operation, {}).get("permissions", []))
    }


@pytest.mark.parametrize("role_of", EXPLAINED, ids="/".join)
def test_what_is_granted_was_taken_or_is_there_for_a_reason(role_of: tuple[str, str]) -> None:
    granted = {action for _, statement in statements(*role_of) for action in lowered(listed(statement["Action"]))}
    taken = lowered(TAKEN.get(role_of, ""))
    reasons = [lowered(actions) for actions in REASONS[role_of]]
    assert sorted(granted - handled(role_of) - taken.union(*reasons)) == []
    # Nor is anything listed that is not granted, or has been seen.
    assert sorted(taken.union(*reasons) - granted) == []
    assert sorted(taken.intersection(set().union(*reasons))) == []
    assert all(REASONS[role_of].values())


def test_every_role_is_held_to_something() -> None:
    generated, functions = {("target", "CloudFormationRole")}, {("iam", role) for role in FUNCTIONS}
    assert sorted({*EXPLAINED, *functions, *generated}) == sorted(TABLE)
    assert not functions & set(EXPLAINED) and not TAKEN.keys() - REASONS.keys()


@pytest.mark.parametrize("role", FUNCTIONS)
def test_what_no_test_sees_a_function_take_is_granted_and_has_a_reason(role: str) -> None:
    granted = {action for _, statement in statements("iam", role) for action in listed(statement["Action"])}
    assert {action for actions in FUNCTIONS[role] for action in actions.split()} < granted
    assert all(FUNCTIONS[role].values())


def test_every_function_is_held_to_the_rest_where_it_runs() -> None:
    tests = [path.read_text() for path in (ROOT / "tests" / "e2e").glob("test_*.py")]
    holding = "".join(text for text in tests if "held_to_what_it_takes(" in text)
    assert [role for role in FUNCTIONS if f'"{role}"' not in holding] == []
