"""The API's query function as tests ask it."""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

TABLES = {"WINDOWS_TABLE": "windows", "LEDGER_TABLE": "ledger", "RESULTS_BUCKET": "results"}


@dataclass
class Answer:
    """An answer: its status, headers, text, and the document in it."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        return json.loads(self.text)

    @property
    def errors(self) -> dict[str, str]:
        """The fields at fault and their reasons."""
        return {error["field"]: error["reason"] for error in self.document["errors"]}


def answered(result: dict) -> Answer:
    """The answer of a function."""
    body = base64.b64decode(result["body"]) if result["isBase64Encoded"] else result["body"].encode()
    text = gzip.decompress(body) if result["headers"].get("Content-Encoding") == "gzip" else body
    return Answer(result["statusCode"], result["headers"], text.decode())
