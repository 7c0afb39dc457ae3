"""cfn-guard, with the rules of AWS Control Tower, and checkov: what they find in resources.

Both are given resources as they would be deployed, without intrinsic functions: of a `!Sub` or an `!If` a rule cannot
tell what becomes of it, and either finds fault with it or looks away.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from security import environment

Found = set[tuple[str, str]]
"""(a resource's name as it was given, the id of the rule that it breaks)"""

_CONTROL = re.compile(r"\[(CT\.[A-Z0-9]+\.PR\.\d+)\]")
_TYPE = re.compile(r"AWS::\w+::\w+")
_RESOURCE = re.compile(r"/Resources/(\w+)")


class ScanFailed(Exception):
    """A scanner has not run as it should; the message is what it said."""


def guard(resources: Mapping[str, dict], folder: Path) -> Found:
    """What cfn-guard of the environment in `folder` finds. `resources` are {Type, Properties} by any name.

    Raises ScanFailed where it cannot run.
    """
    names = list(resources)
    found: Found = set()
    for rules in _services(environment.rules(folder)):
        # A service's rules get its resources alone: what they take grows with all that they are given.
        known = {kind for rule in rules for kind in _TYPE.findall(rule.read_text())}
        given = {name: one for name, one in resources.items() if one["Type"] in known}
        used = [str(rule) for rule in rules if {one["Type"] for one in given.values()} & _types(rule)]
        if used:
            command = [environment.guard(folder), "validate", "--structured", "--show-summary", "none"]
            report = _run([*command, "--output-format", "json", "--rules", *used], "--data", given, names, (0, 19))
            found |= {
                (names[int(logical[1:])], control)
                for rule in report[0]["not_compliant"]
                for control in {control for text in _texts(rule) for control in _CONTROL.findall(text)}
                for logical in {logical for text in _texts(rule) for logical in _RESOURCE.findall(text)}
            }
    return found


def checkov(resources: Mapping[str, dict], folder: Path) -> Found:
    """What checkov finds, as `guard` does. Raises ScanFailed where it cannot run or has not looked at all of them."""
    names = list(resources)
    command = [folder / "bin" / "checkov", "--framework", "cloudformation", "--skip-download", "--quiet", "--compact"]
    report = _run([*command, "--output", "json"], "--file", resources, names, (0, 1))
    if report["summary"]["parsing_errors"] or report["summary"]["resource_count"] != len(names):
        raise ScanFailed(f"checkov has looked at less than the {len(names)} resources: {report['summary']}")
    return {
        (names[int(one["resource"].rpartition(".R")[2])], one["check_id"]) for one in report["results"]["failed_checks"]
    }


def _run(command: list, option: str, resources: Mapping[str, dict], names: list[str], codes: tuple[int, ...]) -> Any:
    """A scanner's answer for a template of the resources, which are numbered in it: their names are no logical ids."""
    numbered = {f"R{names.index(name)}": one for name, one in resources.items()}
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "template.json"
        template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": numbered}))
        done = subprocess.run([*command, option, template], capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise ScanFailed(f"{command[0].name} ended with {done.returncode}: {done.stderr or done.stdout}")
    return json.loads(done.stdout)


def _services(rules: list[Path]) -> Iterator[list[Path]]:
    for folder in sorted({rule.parent for rule in rules}):
        yield [rule for rule in rules if rule.parent == folder]


def _types(rule: Path) -> set[str]:
    """The types of resources that a rule is about."""
    return set(_TYPE.findall(rule.read_text()))


def _texts(node: Any) -> Iterator[str]:
    """Messages in a part of a report."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("custom_message", "error_message") and value:
                yield value
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
