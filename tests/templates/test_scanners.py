"""cfn-guard and checkov find nothing in what would be deployed, but for what its resource says, with the reason."""

import copy
import functools
import json

import pytest

from security import scanners
from security.environment import environment
from templates.cfn import DOMAIN, EVERYTHING, FILES, deployment, github, load, resources, teardown

SCANNERS = {"checkov": scanners.checkov, "guard": scanners.guard}
each_scanner = pytest.mark.parametrize("scanner", SCANNERS)

JWT = {"ApiAuthorization": "JWT", "ApiJwtIssuer": "https://id.example.org/pool", "ApiJwtAudience": "sluice"}
OTHERS = JWT | {"ApiAllowedOrigins": "https://www.example.org"}

# A resource, what is taken from it, and who sees that.
BROKEN = [
    ("buckets/Uploads", ["PublicAccessBlockConfiguration"], {"checkov": "CKV_AWS_53", "guard": "CT.S3.PR.1"}),
    ("ledger/Ledger", ["PointInTimeRecoverySpecification"], {"checkov": "CKV_AWS_28", "guard": "CT.DYNAMODB.PR.1"}),
    ("buckets/UploadsPolicy", ["PolicyDocument", "Statement", 0, "Condition"], {"guard": "CT.S3.PR.8"}),
    ("notifications/Key", ["EnableKeyRotation"], {"checkov": "CKV_AWS_7", "guard": "CT.KMS.PR.1"}),
]


@functools.cache
def deployed() -> dict[str, dict]:
    """Every resource of every template as `<environment>/<template>/<logical id>`, those of staging where they are
    other than production's, but for its name."""
    found, seen = {}, set()
    for name, api in (("production", OTHERS), ("staging", {})):
        stacks = deployment(name, "ops@example.org", **EVERYTHING | DOMAIN | api)
        if name == "staging":
            stacks |= {"teardown": teardown(stacks), "github-oidc": github(stacks=stacks)}
        for template, stack in stacks.items():
            for logical, resource in stack.resources.items():
                one = {key: resource[key] for key in ("Type", "Properties")}
                text = template + logical + json.dumps(one).replace("staging", "production")
                if text not in seen:
                    seen.add(text)
                    found[f"{name}/{template}/{logical}"] = one
    return found


def broken() -> dict[str, dict]:
    """The resources of BROKEN with something taken away, as `broken/...`."""
    found = {}
    for name, path, _ in BROKEN:
        found[f"broken/{name}"] = node = copy.deepcopy(deployed()[f"production/{name}"])
        for key in ("Properties", *path[:-1]):
            node = node[key]
        del node[path[-1]]
    return found


@functools.cache
def findings(scanner: str) -> scanners.Found:
    """What a scanner finds in both: it takes seconds to start."""
    return SCANNERS[scanner](deployed() | broken(), environment())


def suppressed(scanner: str) -> dict[tuple[str, str], str]:
    """The reason by (template/logical id, rule): what a resource's metadata say.

    checkov reads its own: https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html; the rules of
    Control Tower read none, and are written as guard's other rules have them, with a reason each.
    """
    found = {}
    for template, logical, resource in resources():
        metadata = resource.get("Metadata", {})
        if scanner == "checkov":
            skipped = {one["id"]: one["comment"] for one in metadata.get("checkov", {}).get("skip", [])}
        else:
            skipped = metadata.get("guard", {}).get("SuppressedRules", {})
        found |= {(f"{template}/{logical}", rule): reason for rule, reason in skipped.items()}
    return found


@each_scanner
def test_nothing_is_found_but_what_its_resource_suppresses_and_no_suppression_is_left_over(scanner: str) -> None:
    found = {(name.partition("/")[2], rule) for name, rule in findings(scanner) if not name.startswith("broken/")}
    assert found - set(suppressed(scanner)) == set(), "mend it, or say in the resource's metadata why it is right"
    assert set(suppressed(scanner)) - found == set(), "nothing is found there any more: remove it from the metadata"


@each_scanner
def test_a_suppression_has_a_reason(scanner: str) -> None:
    beside = suppressed("checkov")
    for (resource, rule), reason in suppressed(scanner).items():
        assert len(reason) > 10, (resource, rule)
        # Another scanner's rule of the same thing has it.
        if reason.startswith("as CKV"):
            assert (resource, reason.removeprefix("as ")) in beside, (resource, rule)


def test_every_resource_is_looked_at() -> None:
    assert {name.partition("/")[2] for name in deployed()} == {
        f"{template}/{logical}" for template in FILES for logical in load(template)["Resources"]
    }


@each_scanner
def test_a_scanner_sees_what_is_wrong(scanner: str) -> None:
    expected = {(f"broken/{name}", rules[scanner]) for name, _, rules in BROKEN if scanner in rules}
    wrong = {rule for _, rule in expected}
    assert {(name, rule) for name, rule in findings(scanner) if rule in wrong} == expected
