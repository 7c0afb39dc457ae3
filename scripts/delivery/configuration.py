"""The settings of an environment: environments/<environment>.json, template configuration files of CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
"""

import json
from pathlib import Path
from typing import Any

ALLOW_ALL = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}

_KEYS = ("Parameters", "Tags", "StackPolicy")


class ConfigurationError(Exception):
    """A configuration that cannot be read, or would not be honoured; the message says what to do."""


def read(path: Path) -> dict[str, dict]:
    """{Parameters, Tags, StackPolicy} of a template configuration file.

    Without a stack policy in it, it is one that allows everything: CloudFormation can replace a policy but not remove
    one, and what a file no longer says should not stay in force. Raises ConfigurationError for anything else in the
    file, and for a policy that CloudFormation would refuse, or that would refuse every release.
    """
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if unknown := sorted(set(settings) - set(_KEYS)):
        raise ConfigurationError(f"{path}: {unknown[0]} is not understood; only {', '.join(_KEYS)} are")
    policy = settings.get("StackPolicy", {"Statement": [ALLOW_ALL]})
    _check_policy(path, policy)
    return {"Parameters": settings.get("Parameters", {}), "Tags": settings.get("Tags", {}), "StackPolicy": policy}


def _check_policy(path: Path, policy: Any) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html"""
    statements = policy.get("Statement") if isinstance(policy, dict) and len(policy) == 1 else None
    if not isinstance(statements, list) or not all(map(_is_statement, statements)):
        raise ConfigurationError(
            f"{path}: write StackPolicy as an object with nothing but Statement, a list of objects that each have "
            'Effect (Allow or Deny), Action (Update:...), Principal ("*") and Resource (LogicalResourceId/...)'
        )
    if not any(statement["Effect"] == "Allow" for statement in statements):
        raise ConfigurationError(
            f"{path}: StackPolicy would refuse every release, as a policy denies what it does not allow: add "
            f"{json.dumps(ALLOW_ALL)} to Statement"
        )


def _is_statement(statement: Any) -> bool:
    return (
        isinstance(statement, dict)
        and statement.get("Effect") in ("Allow", "Deny")
        and statement.get("Principal") == "*"
        and len({"Action", "NotAction"} & statement.keys()) == 1
        and len({"Resource", "NotResource"} & statement.keys()) == 1
    )
