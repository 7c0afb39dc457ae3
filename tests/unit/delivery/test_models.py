"""botocore's descriptions cut down: what is left is what is called, and it says what the whole says of it."""

import ast
import os
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from moto import mock_aws

from delivery.artifact import ROOT
from delivery.models import AWS_OPERATIONS, cut_models

DATA = Path(botocore.__file__).parent / "data"
# Operations that botocore itself refers to, and our code does not call.
BOTOCORES_OWN = {"CreateBucket", "HeadBucket"}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of botocore's data in the artifact."""
    names = {f"botocore/data/{path.relative_to(DATA).as_posix()}": path for path in DATA.rglob("*") if path.is_file()}
    return cut_models(names, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def session(cut, tmp_path_factory: pytest.TempPathFactory) -> botocore.session.Session:
    """A session that knows nothing else."""
    folder = tmp_path_factory.mktemp("data")
    for name, path in cut.items():
        link = folder / Path(name).relative_to("botocore/data")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    found = botocore.session.Session(session_vars={"config_file": (None, None, os.devnull, None)})
    found.register_component("data_loader", Loader([str(folder)], include_default_search_paths=False))
    return found


def test_every_operation_that_is_called_is_kept():
    """Names of methods, wherever they are called: one that no service has is no operation."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "lambda" / "sluice").rglob("*.py")]
    called = {
        node.func.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    whole = botocore.session.Session()
    for service, kept in AWS_OPERATIONS.items():
        known = set(whole.get_service_model(service).operation_names)
        assert {name for name in known if xform_name(name) in called} == kept - BOTOCORES_OWN, service


@pytest.mark.parametrize("service", AWS_OPERATIONS)
def test_what_is_kept_is_described_as_in_the_whole(session, service: str):
    whole, cut = botocore.session.Session().get_service_model(service), session.get_service_model(service)

    assert set(cut.operation_names) == AWS_OPERATIONS[service]
    assert cut.metadata == whole.metadata
    for name in cut.operation_names:
        ours, theirs = cut.operation_model(name), whole.operation_model(name)
        assert (ours.http, ours.http_checksum, ours.endpoint) == (theirs.http, theirs.http_checksum, theirs.endpoint)
        assert ours.static_context_parameters == theirs.static_context_parameters
        for mine, other in ((ours.input_shape, theirs.input_shape), (ours.output_shape, theirs.output_shape)):
            assert described(mine) == described(other)
        assert list(map(described, ours.error_shapes)) == list(map(described, theirs.error_shapes))


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "cn-north-1", "us-gov-west-1"])
@pytest.mark.parametrize("service", AWS_OPERATIONS)
def test_endpoints_are_those_of_the_whole(session, service: str, region: str):
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    ours = session.create_client(service, region, **keys).meta
    theirs = botocore.session.Session().create_client(service, region, **keys).meta
    assert (ours.endpoint_url, ours.partition) == (theirs.endpoint_url, theirs.partition)


@pytest.mark.parametrize(
    ("service", "call", "arguments", "refused"),
    [
        ("dynamodb", "update_item", {"TableName": "none", "Key": {"id": {"S": "1"}}}, "ResourceNotFoundException"),
        ("lambda", "invoke", {"FunctionName": "none", "Payload": b"{}"}, "ResourceNotFoundException"),
        ("s3", "get_object", {"Bucket": "none", "Key": "none", "VersionId": "1"}, "NoSuchBucket"),
        ("s3", "put_object", {"Bucket": "none", "Key": "none", "Body": b"x", "IfNoneMatch": "*"}, "NoSuchBucket"),
        ("sns", "publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:none", "Message": "x"}, "NotFound"),
        ("sqs", "send_message_batch", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/none",
         "Entries": [{"Id": "1", "MessageBody": "x"}]}, "AWS.SimpleQueueService.NonExistentQueue"),
    ],
)  # fmt: skip
def test_calls_go_out_and_errors_come_back(session, service: str, call: str, arguments: dict, refused: str):
    with mock_aws():
        client = session.create_client(service, "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        with pytest.raises(ClientError) as error:
            getattr(client, call)(**arguments)
    assert error.value.response["Error"]["Code"] == refused


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "cn-north-1"])
def test_links_and_forms_are_signed_as_by_the_whole(session, region: str):
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "config": config}
    ours, theirs = (one.create_client("s3", region, **keys) for one in (session, botocore.session.Session()))
    target = {"Bucket": "bucket", "Key": "a b/c.csv"}

    assert signed(ours, target) == signed(theirs, target)


def signed(s3, target: dict) -> tuple:
    """Where a form and a link lead to, and what they have in them, but for their time."""
    form = s3.generate_presigned_post(*target.values(), Conditions=[["content-length-range", 1, 5]])
    link = urlsplit(s3.generate_presigned_url("get_object", Params=target))
    return form["url"], sorted(form["fields"]), link.hostname, link.path, sorted(parse_qs(link.query))


def test_it_is_small(cut):
    """Of 25 MB, what is read at a cold start and not much else."""
    assert sum(path.stat().st_size for path in cut.values()) < 250_000


def described(shape, above: tuple = ()) -> object:
    """All that a shape says, members included; a shape inside of itself is its name."""
    if shape is None or shape.name in above:
        return shape and shape.name
    above += (shape.name,)
    parts = {name: described(member, above) for name, member in getattr(shape, "members", {}).items()}
    parts |= {
        name: described(getattr(shape, name), above) for name in ("member", "key", "value") if hasattr(shape, name)
    }
    return shape.type_name, shape.serialization, shape.metadata, parts
