"""The settings of an environment: environments/<environment>.json, template configuration files of CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/continuous-delivery-codepipeline-cfn-artifacts.html
"""

import json
from pathlib import Path


class ConfigurationError(Exception):
    """A configuration that cannot be read, or would not be honoured; the message says what to do."""


def read(path: Path) -> dict[str, dict]:
    """{Parameters, Tags} of a template configuration file; raises ConfigurationError for anything else in it."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    if unknown := sorted(set(settings) - {"Parameters", "Tags"}):
        raise ConfigurationError(f"{path}: {unknown[0]} is not understood; only Parameters and Tags are")
    return {"Parameters": settings.get("Parameters", {}), "Tags": settings.get("Tags", {})}
