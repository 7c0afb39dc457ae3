"""What botocore knows of AWS, cut down to what lambda/sluice calls.

botocore describes every operation of 400 services. Of a cold start, reading the descriptions of the services that we
use took a third; of their hundreds of operations, we call 20.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

AWS_OPERATIONS = {
    "cloudformation": {
        "DescribeStackDriftDetectionStatus",
        "DescribeStackResourceDrifts",
        "DescribeStackResources",
        "DetectStackDrift",
    },
    "dynamodb": {"BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"},
    "kinesis": {"PutRecords"},
    "lambda": {"Invoke"},
    "s3": {
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateBucket",  # botocore's own: the URL of a presigned form is that of this call
        "CreateMultipartUpload",
        "GetObject",
        "HeadBucket",  # botocore's own: where S3 answers that the bucket is in another region
        "HeadObject",
        "ListObjectVersions",
        "PutObject",
        "UploadPart",
    },
    "secretsmanager": {"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"},
    "sns": {"Publish"},
    "sqs": {"ChangeMessageVisibility", "SendMessageBatch"},
}
_MODEL = "service-2.json.gz"
_KEPT = ("endpoint-rule-set-1.json.gz", "service-2.sdk-extras.json")


def cut_models(files: dict[str, Path], out_dir: Path) -> dict[str, Path]:
    """`files`, by their names in the artifact, with botocore's data cut down; what is written goes into `out_dir`.

    Raises KeyError for an operation that botocore does not know.
    """
    cut, newest = {}, {}
    for name, path in files.items():
        match PurePosixPath(name).parts:
            case ("botocore", "data", "endpoints.json"):
                cut[name] = _write(out_dir / name, _cut_endpoints(json.loads(path.read_bytes())))
            case ("botocore", "data", service, version, file):
                if service in AWS_OPERATIONS and file in (_MODEL, *_KEPT):
                    newest.setdefault(service, {}).setdefault(version, {})[file] = path
            case _:
                cut[name] = path
    for service, versions in newest.items():
        version, found = max(versions.items())
        folder = f"botocore/data/{service}/{version}"
        cut |= {f"{folder}/{file}": found[file] for file in _KEPT if file in found}
        # Not compressed: the artifact is, and unpacking it once is enough.
        model = f"{folder}/service-2.json"
        description = json.loads(gzip.decompress(found[_MODEL].read_bytes()))
        cut[model] = _write(out_dir / model, _cut_model(description, AWS_OPERATIONS[service]))
    return cut


def _cut_endpoints(endpoints: dict) -> dict:
    """Partitions and their regions, with the services that are used."""
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in AWS_OPERATIONS if name in services}
    return endpoints


def _cut_model(model: dict, operations: set[str]) -> dict:
    """The operations and the shapes that they are made of, both without their documentation."""
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    names = list(_shape_names(kept))
    while names:
        if (name := names.pop()) not in shapes:
            shapes[name] = model["shapes"][name]
            names += _shape_names(shapes[name])
    # Of what else there is, botocore reads the documentation as well.
    return model | _without_documentation({"operations": kept, "shapes": dict(sorted(shapes.items()))})


def _shape_names(part: Any) -> Iterator[str]:
    """The shapes that a part of a model refers to. A member that is called "shape" is a mapping, not a name."""
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _shape_names(value)
    if isinstance(part, dict) and isinstance(part.get("shape"), str):
        yield part["shape"]


def _without_documentation(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_documentation(value) for value in part]
    if not isinstance(part, dict):
        return part
    texts = {name for name, value in part.items() if name == "documentation" and isinstance(value, str)}
    return {name: _without_documentation(value) for name, value in part.items() if name not in texts}


def _write(path: Path, content: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return path
