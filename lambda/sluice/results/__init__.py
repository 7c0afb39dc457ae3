"""Results: the valid rows of an upload in the format that its dataset names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sluice.contract.check import Block
from sluice.contract.descriptor import Dataset
from sluice.results.delimited import write_delimited
from sluice.results.jsonl import write_jsonl
from sluice.results.parquet import write_parquet


@dataclass(frozen=True)
class ResultFormat:
    """How rows are written: `write(blocks, write, dataset)` hands the bytes to `write`, the same for the same rows."""

    content_type: str
    write: Callable[[Iterable[Block], Callable[[bytes], object], Dataset], None]


# https://www.iana.org/assignments/media-types/application/vnd.apache.parquet
RESULTS = {
    "parquet": ResultFormat("application/vnd.apache.parquet", write_parquet),
    "csv": ResultFormat("text/csv; charset=utf-8", write_delimited),
    "jsonl": ResultFormat("application/jsonl; charset=utf-8", write_jsonl),
}
