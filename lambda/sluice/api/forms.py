"""POST /api/v1/uploads: which keys and sizes a form for an upload may be for."""

import re
import unicodedata
from dataclasses import dataclass

from sluice.api.body import Body
from sluice.api.problems import Problem
from sluice.api.samples import find_dataset, read_dataset
from sluice.contract import parquet
from sluice.contract.descriptor import Dataset
from sluice.datasets import Catalogue
from sluice.errors import PermanentError
from sluice.invocation import size_limit

SECONDS = 900
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_KEY_BYTES = 1024
# What the key of an error report adds to that of its upload: `.<upload id>.errors.jsonl`.
_REPORT_BYTES = 46
# The largest object that one request may make.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
_POST_LIMIT = 5 * 1024**3
# Of Unicode: control characters, halves of others, what is none, and ends of lines and paragraphs.
_NO_TEXT = {"Cc", "Cs", "Cn", "Zl", "Zp"}


@dataclass(frozen=True)
class NewUpload:
    """An upload that a form is asked for: its key, and the most bytes that it may have."""

    key: str
    limit: int

    @classmethod
    def read(cls, body: Body, catalogue: Catalogue) -> "NewUpload":
        """The upload that a body asks for.

        Raises Problem: 400 that names each member at fault, 404 where there is no such dataset.
        """
        for name in ("dataset", "key"):
            body.required(name)
        name = read_dataset(body)
        key = body.text("key", re.compile(".+", re.DOTALL), "must be a key: text")
        if key and (reason := _refusal(key)):
            body.refuse("key", reason)
        body.check()
        dataset = find_dataset(name, catalogue)
        if reason := _stray(key, dataset, catalogue):
            raise Problem(400, "The key is none of this dataset: errors says why.", [("key", reason)])
        return cls(key, limit(dataset))


def limit(dataset: Dataset) -> int:
    """Bytes that an upload of a dataset may have: what can be processed in time, and sent in one request."""
    is_parquet = dataset.format == "parquet"
    in_time = size_limit(is_fast=dataset.is_fast, is_compressed=is_parquet)
    return min(in_time, _POST_LIMIT, parquet.SIZE_LIMIT if is_parquet else _POST_LIMIT)


def _refusal(key: str) -> str | None:
    """Why nobody should have such a key, whatever its dataset."""
    if any(unicodedata.category(character) in _NO_TEXT for character in key):
        return "must have no control characters, and nothing that is no character"
    # In the policy of a form both are special, and `${filename}` would be replaced by a name of the sender's choice.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    if "$" in key or "\\" in key:
        return "must have no $ and no backslash"
    if {"", ".", ".."} & set(key.split("/")):
        return "must have a name before, between and after its slashes, which is not . or .."
    if len(key.encode()) > _KEY_BYTES - _REPORT_BYTES:
        return f"must have {_KEY_BYTES - _REPORT_BYTES} bytes at most, or its error report's would be too long"
    return None


def _stray(key: str, dataset: Dataset, catalogue: Catalogue) -> str | None:
    """Why an upload of the key would not be one of the dataset."""
    if not dataset.key.fullmatch(key):
        return f"must be like {dataset.key_template}"
    try:
        catalogue.match(key)
    except PermanentError as error:
        return error.reason
    if len(dataset.result_key(key).encode()) > _KEY_BYTES:
        return f"must be shorter, as its result's may have {_KEY_BYTES} bytes"
    return None
