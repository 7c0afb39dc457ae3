"""First descriptors from sample files: they hold for their sample, and say what people have to look at."""

import itertools
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from operations import samples
from operations.readings import Column
from operations.samples import SampleError
from sluice.contract.check import Check
from sluice.contract.descriptor import DescriptorError, load_dataset
from sluice.contract.dialect import compile_dialect
from sluice.errors import PermanentError
from sluice.processors import NEEDS
from sluice.upload import RowError

_DEFECTS = 1000


def infer(sample: Path) -> tuple[str, list[str]]:
    """A descriptor that holds for the sample, as YAML, and the rows that none holds for, in words.

    Such rows have more or fewer cells than the others, or cannot be read at all. Raises SampleError for a sample that
    no descriptor can be made from, OSError for one that cannot be opened.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, scratch = Path(folder, "plain"), Path(folder, "draft.yaml")
        format_ = samples.write_plain(sample, plain)
        best = None
        for draft in _drafts(sample, plain, Path(folder, "text"), format_):
            try:
                draft.hold_for(plain, scratch)
            except DescriptorError as error:
                raise SampleError(str(error).removeprefix(f"{scratch}:")) from error
            if best is None or (draft.cells, len(draft.fields)) > (best.cells, len(best.fields)):
                best = draft
            # One field without defects may also be a delimiter that was not found.
            if not draft.defects and len(draft.fields) > 1:
                break
        return best.text(), best.defects


@dataclass
class _Draft:
    """A descriptor in the making. `notes` are comments by field."""

    name: str
    suffix: str
    fields: list[dict]
    notes: dict[str, str]
    format: str = "csv"
    encoding: str = "utf-8"
    dialect: dict = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)
    cells: int = 0

    def hold_for(self, plain: Path, scratch: Path) -> None:
        """Makes a field whose cells our own check refuses a plain one, until it refuses none.

        What is left are `defects`, beside the number of `cells` in good rows. Raises DescriptorError where the names
        of the fields cannot be honoured.
        """
        widest = {"type": "string" if self.format == "csv" else "any"}
        while True:
            plain_fields = [{"name": one["name"], **widest} for one in self.fields]
            weaker = {one["name"] for one in self.fields if one not in plain_fields}
            refused: set[str] = set()
            self.defects = []

            def report(error: RowError, weaker: set = weaker, refused: set = refused) -> None:
                if error.error in ("type-error", "constraint-error") and error.field in weaker:
                    refused.add(error.field)
                elif len(self.defects) < _DEFECTS:
                    self.defects.append(f"row {error.row}: {error.field or 'it'} {error.message} ({error.error})")

            scratch.write_text(self.text(), encoding="utf-8")
            check = Check(load_dataset(scratch, NEEDS), samples.chunks(plain), report)
            try:
                for _ in check.blocks():
                    pass
            except PermanentError as error:
                self.defects.append(error.reason)
            if not refused:
                break
            self.fields = [
                wide if wide["name"] in refused else one for one, wide in zip(self.fields, plain_fields, strict=True)
            ]
            self.notes = {name: note for name, note in self.notes.items() if name not in refused}
        self.cells = check.good * len(self.fields)
        if not check.good and not self.defects:
            self.defects.append("it holds no row beside its header")

    def text(self) -> str:
        """The descriptor with comments."""
        lines = [
            "# Written from a sample. Look at every line before you rely on it: one file does not show all.",
            f"name: {_flow(self.name)}",
            f"title: {_flow(self.name)}  # what people call these files",
        ]
        if self.format != "csv":
            lines.append(f"format: {self.format}")
        if self.encoding != "utf-8":
            lines.append(f"encoding: {self.encoding}")
        if self.dialect:
            lines.append(f"dialect: {_flow(self.dialect)}")
        lines += [
            "schema:",
            "  # required: no cell of the sample is missing. Where rows have an identity, add primaryKey: [<field>]",
            "  fields:",
        ]
        for one in self.fields:
            note = self.notes.get(one["name"], "")
            lines.append(f"    - {_flow(one)}{f'  # {note}' if note else ''}")
        key = _flow(f"{self.name}/{{name}}{self.suffix}")
        lines += [
            f"sluice:key: {key}  # which uploads belong here; {{...}} is any text without a slash",
            "sluice:processor: clean",
        ]
        names = {one["name"].lower() for one in self.fields}
        if (len(names) < len(self.fields) or "" in names) and self.format != "parquet":
            result = "csv" if self.format == "csv" else "jsonl"
            lines.append(f"sluice:format: {result}  # Parquet needs names that differ by more than case")
        return "\n".join(lines) + "\n"


def _drafts(sample: Path, plain: Path, text: Path, format_: str) -> Iterator[_Draft]:
    name, suffix = _name(sample, format_)
    if format_ == "csv":
        encoding = samples.write_text(plain, text)
        for dialect in samples.dialects(text):
            fields, notes, dialect = _delimited_fields(text, dialect)
            yield _Draft(name, suffix, fields, notes, encoding=encoding, dialect=dialect)
        return
    columns: dict[str, Column] = {}
    count = 0
    for record in samples.json_records(plain, format_):
        count += 1
        for member, cell in record.items():
            columns.setdefault(member, Column(member)).add(cell, typed=True)
    if not columns:
        raise SampleError("it holds no row")
    yield _Draft(name, suffix, *_described(columns.values(), count), format=format_)


def _delimited_fields(text: Path, described: dict) -> tuple[list[dict], dict[str, str], dict]:
    """The fields, their notes and the dialect, which is another one where its header cannot be honoured."""
    dialect = compile_dialect(described)
    rows = samples.rows(text, dialect)
    first = next(rows, None)
    if first is None:
        raise SampleError("it holds no row")
    note = ""
    if not dialect.header:
        note = "the sample has no header: give the fields their names"
        names, rows = [f"field{number}" for number in range(1, len(first) + 1)], itertools.chain([first], rows)
    elif len(set(first)) < len(first) or not all(first):
        note = "the sample's header leaves a name out, or has one twice: names are made up"
        described = {key: value for key, value in described.items() if key != "headerRows"}
        described |= {"header": False, "commentRows": list(range(1, dialect.header_row + 1))}
        names = _distinct(first)
    else:
        names = first
    columns, count = [Column(name) for name in names], 0
    for row in rows:
        if len(row) == len(columns):
            count += 1
            for column, cell in zip(columns, row, strict=True):
                column.add(cell)
    fields, notes = _described(columns, count)
    if note:
        notes[names[0]] = "; ".join(filter(None, [note, notes.get(names[0])]))
    return fields, notes, described


def _described(columns: Iterator[Column], rows: int) -> tuple[list[dict], dict[str, str]]:
    described = [column.descriptor(rows) for column in columns]
    return [one for one, _ in described], {one["name"]: note for one, note in described if note}


def _distinct(names: list[str]) -> list[str]:
    made: list[str] = []
    for number, name in enumerate(names, 1):
        name = name or f"field{number}"
        while name in made:
            name += "_"
        made.append(name)
    return made


def _name(sample: Path, format_: str) -> tuple[str, str]:
    """A dataset's name made of the file's, and how the names of such files end."""
    stem, *suffixes = sample.name.lower().split(".")
    name = re.sub("[^a-z0-9]+", "-", stem).strip("-")
    if not re.match("[a-z]", name):
        name = f"data-{name}".rstrip("-")
    usable = [f".{suffix}" for suffix in suffixes[-2:] if re.fullmatch("[a-z0-9]{1,8}", suffix)]
    return name, "".join(usable) or f".{format_}"


def _flow(value: object) -> str:
    """YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
