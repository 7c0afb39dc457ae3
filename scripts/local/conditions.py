"""Conditions of a stage: rules that variables have to meet.

https://docs.aws.amazon.com/codepipeline/latest/userguide/stage-conditions.html and
.../rule-reference-VariableCheck.html
"""

import re
from collections.abc import Mapping
from typing import Any

from local.actions import ActionFailed, resolve

_RESULTS = ("SKIP", "FAIL")
_OPERATORS = {
    "EQ": lambda variable, value: variable == value,
    "NE": lambda variable, value: variable != value,
    "CONTAINS": lambda variable, value: value in variable,
    "MATCHES": lambda variable, value: re.fullmatch(value, variable) is not None,
}


def unmet(condition: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]) -> str:
    """Why a condition of BeforeEntry is not met, or nothing.

    Raises ActionFailed for what cannot be decided here, and for a variable that nothing has set.
    """
    if condition["Result"] not in _RESULTS:
        raise ActionFailed(f"NOT RUN LOCALLY: a condition with the result {condition['Result']}")
    return next(filter(None, (_unmet(rule, variables) for rule in condition["Rules"])), "")


def _unmet(rule: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]) -> str:
    provider = rule["RuleTypeId"]["Provider"]
    if provider != "VariableCheck":
        raise ActionFailed(f"NOT RUN LOCALLY: the rule {provider} of a condition")
    check = rule["Configuration"]
    if check["Operator"] not in _OPERATORS:
        raise ActionFailed(f"the rule {rule['Name']} has the operator {check['Operator']}: {', '.join(_OPERATORS)}")
    variable = resolve(check["Variable"], variables)
    if _OPERATORS[check["Operator"]](variable, check["Value"]):
        return ""
    return f"{check['Variable']} is {variable}, which is not {check['Operator']} {check['Value']}"
