"""Packages the templates: nested templates named by content, and a root template that names them.

As `aws cloudformation package` does, but on the text, so that everything else stays byte for byte and a template that
has not changed is a property that has not changed. The patterns of nested templates' parameters also admit a value that
is not known yet.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT_TEMPLATE = "root.yaml"

# Path-style, as `aws cloudformation package` writes it: https://docs.aws.amazon.com/cli/latest/reference/cloudformation/package.html
_URL = "!Sub https://s3.${AWS::Region}.${AWS::URLSuffix}/${ArtifactBucket}/%s"

# Stands in a nested template for a digest of its own source text.
_DIGEST_MARK = "TEMPLATE_DIGEST"

# What CloudFormation hands to a nested template's parameter while it plans, where the value is an output that is not
# known yet, as {{IntrinsicFunction:<stack>/<resource>/Fn::GetAtt}}: it must not be refused for its pattern.
# https://github.com/aws-cloudformation/cfn-language-discussion/issues/152
_UNKNOWN_YET = r"^\{\{IntrinsicFunction:.*\}\}$"
_PATTERN = re.compile(r"(?m)^( *AllowedPattern: )(?=\^)")

_TEMPLATE_URL = re.compile(r"(?m)^(?P<key> *TemplateURL: +)(?P<path>[\w./-]+)(?=[ \t\r]*(?:#.*)?$)")


class TemplateError(Exception):
    """The templates cannot be packaged; the message says what to change."""


@dataclass(frozen=True)
class Packaged:
    root: str
    """Text of the root template, its nested templates named by their keys in the artifact bucket."""
    root_digest: str
    """SHA-256 of `root`, 64 hex digits: it covers the nested templates too."""
    children: dict[str, str]
    """Text of each nested template by its SHA-256."""


def child_key(digest: str) -> str:
    """Key of a nested template in the artifact bucket."""
    return f"templates/{digest}.yaml"


def package(templates_dir: Path) -> Packaged:
    """Package `root.yaml` and the templates that it nests by path.

    Raises TemplateError when a nested template is missing, nests others, or is named in a way that is not understood.
    """
    root = _read(templates_dir / ROOT_TEMPLATE)
    _check_root(root)
    children: dict[str, str] = {}

    def rewrite(match: re.Match) -> str:
        text = _child(templates_dir, match["path"])
        digest = _sha256(text)
        children[digest] = text
        return match["key"] + _URL % child_key(digest)

    packaged = _TEMPLATE_URL.sub(rewrite, root)
    return Packaged(packaged, _sha256(packaged), children)


def parameters(text: str) -> set[str]:
    """Names of a template's parameters."""
    return set(yaml.load(text, _Loader).get("Parameters", {}))  # a SafeLoader  # nosec B506


def resources(text: str) -> dict[str, dict]:
    """A template's resources by their logical ids; short forms (`!Ref`) are read as their text."""
    return yaml.load(text, _Loader)["Resources"]  # a SafeLoader  # nosec B506


def _check_root(root: str) -> None:
    if _DIGEST_MARK in root:
        raise TemplateError(f"{ROOT_TEMPLATE}: {_DIGEST_MARK} is replaced in nested templates only; remove it")
    named = sorted(_nested(root).items())
    found = sorted(match["path"] for match in _TEMPLATE_URL.finditer(root))
    if sorted(str(path) for _, path in named) != found:
        stacks = ", ".join(f"{name} ({path})" for name, path in named if path not in found) or "a comment or text"
        raise TemplateError(
            f"{ROOT_TEMPLATE}: cannot package the TemplateURL of {stacks}: each must stand on a line of its own, as in "
            "'TemplateURL: queue.yaml'"
        )


def _child(templates_dir: Path, path: str) -> str:
    """Text of a nested template as it will be deployed."""
    file = templates_dir / path
    if not file.is_file():
        raise TemplateError(f"{ROOT_TEMPLATE}: nests {path}, but {file} does not exist")
    source = _read(file)
    if nested := _nested(source):
        raise TemplateError(f"{path}: nests {', '.join(nested)}; only {ROOT_TEMPLATE} may nest templates")
    patient = _PATTERN.sub(lambda match: f"{match[1]}{_UNKNOWN_YET}|", source)
    return patient.replace(_DIGEST_MARK, _sha256(source)[:12])


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Sub`, `!If`, ...) as their text: no path is written so."""


_Loader.add_multi_constructor("!", lambda loader, tag, node: f"!{tag}")


def _nested(text: str) -> dict[str, object]:
    """TemplateURL of each nested stack by its logical id."""
    return {
        name: resource.get("Properties", {}).get("TemplateURL")
        for name, resource in resources(text).items()
        if resource["Type"] == "AWS::CloudFormation::Stack"
    }


def _read(file: Path) -> str:
    # Bytes, not read_text: that would change line ends.
    return file.read_bytes().decode("utf-8")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
