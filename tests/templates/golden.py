"""What a release is made of, in a form that a reviewer reads: kept in golden/, compared with what the tree gives."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from ministack.services.cloudformation import engine

from delivery.templates import package
from templates.cfn import FILES, REGION, ROOT, deployment, load

FOLDER = Path(__file__).with_name("golden")
_RULES = ("Condition", "DeletionPolicy", "UpdateReplacePolicy")


def golden() -> dict[str, str]:
    """The text of each file of golden/ by its name, as the tree gives it."""
    found = {
        "resources.yaml": _written(
            "Every resource of the packaged templates: the condition that it is there on, what becomes of it when it\n"
            "is removed or replaced, and the properties that replace it when they change.",
            "".join(_outline(name, template) for name, template in _packaged()),
        )
    }
    for environment in ("staging", "production"):
        resources = deployment(environment)["pipeline"].resources.values()
        [pipeline] = (one["Properties"] for one in resources if one["Type"] == "AWS::CodePipeline::Pipeline")
        about = f"The pipeline of {environment}, as CodePipeline gets it, with sample names."
        text = yaml.safe_dump(_decoded(pipeline), sort_keys=False, width=118)
        found[f"pipeline-{environment}.yaml"] = _written(about, text)
    return found


def difference(name: str, text: str) -> str:
    """What a reviewer would see of a file of golden/: nothing where it is as the tree gives it."""
    path = FOLDER / name
    kept = path.read_text() if path.exists() else ""
    return "\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "now", n=2, lineterm=""))


def _packaged() -> Iterator[tuple[str, dict]]:
    """(name, template) of all: the root and what it nests as the build stores them, the others as they are."""
    packaged = package(ROOT / "templates")
    root = engine._parse_template(packaged.root)
    yield "root", root
    nested = {}
    for logical, stack in root["Resources"].items():
        [digest] = re.findall(r"templates/([0-9a-f]{64})\.yaml", stack["Properties"]["TemplateURL"]["Fn::Sub"])
        nested[Path(load("root")["Resources"][logical]["Properties"]["TemplateURL"]).stem] = packaged.children[digest]
    for name, path in FILES.items():
        if name != "root":
            source = path.read_text()
            # A digest of the template in itself would change with every line of it.
            own = hashlib.sha256(source.encode()).hexdigest()[:12]
            yield name, engine._parse_template(nested.get(name, source).replace(own, "TEMPLATE_DIGEST"))


def _outline(name: str, template: dict) -> str:
    """A line for each resource."""
    lines = [f"{name}:"]
    for logical, resource in template["Resources"].items():
        outline = yaml.safe_dump(_resource(resource), sort_keys=False, default_flow_style=True, width=10_000)
        lines.append(f"  {logical}: {outline.strip()}")
    return "\n".join(lines) + "\n"


def _resource(resource: dict) -> dict[str, Any]:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource["Type"]).schema
    paths = schema.get("createOnlyProperties", []) + schema.get("conditionalCreateOnlyProperties", [])
    fixed = {path.split("/")[2] for path in paths}
    properties = {key: value for key, value in resource.get("Properties", {}).items() if key in fixed}
    outline = {"Type": resource["Type"]} | {key: resource[key] for key in _RULES if key in resource}
    return outline | ({"ReplacedBy": properties} if properties else {})


def _decoded(node: Any) -> Any:
    """JSON in text, as the variables of a CodeBuild action, is shown as what it holds."""
    if isinstance(node, dict):
        return {key: _decoded(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_decoded(value) for value in node]
    return json.loads(node) if isinstance(node, str) and node.startswith("[{") else node


def _written(about: str, text: str) -> str:
    return "".join(f"# {line}\n" for line in about.splitlines()) + text
