"""How a delimited file is written: the dialect of a descriptor and its encoding.

The keys are Frictionless's (https://datapackage.org/standard/table-dialect/): those of CSV Dialect, and `headerRows`,
`commentRows` and `commentChar` for what stands around the rows.
"""

from dataclasses import dataclass

ENCODINGS = ("utf-8", "utf-16", "iso-8859-1", "windows-1252")
DIALECT_KEYS = {
    "delimiter": "delimiter",
    "quoteChar": "quote",
    "doubleQuote": "double_quote",
    "escapeChar": "escape",
    "skipInitialSpace": "skip_initial_space",
    "header": "header",
    "headerRows": "header_row",
    "commentChar": "comment",
    "commentRows": "comment_rows",
}
_CHARACTERS = ("delimiter", "quoteChar", "escapeChar", "commentChar")
_FLAGS = ("doubleQuote", "skipInitialSpace", "header")


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    What stands before the physical line `header_row`, on the lines `comment_rows`, or after `comment` at the start of
    a line, is no row.
    """

    delimiter: str = ","
    quote: str = '"'
    double_quote: bool = True
    escape: str | None = None
    skip_initial_space: bool = False
    header: bool = True
    header_row: int = 1
    comment: str | None = None
    comment_rows: frozenset[int] = frozenset()

    @property
    def csv_options(self) -> dict:
        """The dialect in the words of Python's csv module."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "doublequote": self.double_quote,
            "escapechar": self.escape,
            "skipinitialspace": self.skip_initial_space,
        }

    @property
    def may_skip(self) -> bool:
        """Whether there are lines that are no rows."""
        return self.header_row > 1 or bool(self.comment_rows) or self.comment is not None

    def skips(self, line: int, text: str) -> bool:
        """Whether a physical line that no quoted cell covers is no row: skipped, or a comment."""
        return (
            line < self.header_row
            or line in self.comment_rows
            or self.comment is not None
            and text.startswith(self.comment)
        )


def compile_dialect(descriptor: dict) -> Dialect:
    """The dialect of a descriptor of known keys; raises DialectError for one that makes no sense."""
    for key in _CHARACTERS:
        if key in descriptor and not _is_character(descriptor[key]):
            raise DialectError(key, "must be a single character, and no line end")
    for key in _FLAGS:
        if not isinstance(descriptor.get(key, True), bool):
            raise DialectError(key, "must be true or false")
    settings = {DIALECT_KEYS[key]: value for key, value in descriptor.items()}
    for key in ("headerRows", "commentRows"):
        if key in descriptor and not _are_lines(descriptor[key]):
            raise DialectError(key, "must list line numbers, counted from 1")
    if "headerRows" in descriptor:
        if len(descriptor["headerRows"]) != 1 or not descriptor.get("header", True):
            raise DialectError("headerRows", "must name the one line of the header; without a header use commentRows")
        settings["header_row"] = descriptor["headerRows"][0]
    if "commentRows" in descriptor:
        settings["comment_rows"] = frozenset(descriptor["commentRows"])
    dialect = Dialect(**settings)
    if dialect.header and dialect.header_row in dialect.comment_rows:
        raise DialectError("commentRows", f"names the header's line, {dialect.header_row}; headerRows moves the header")
    if not dialect.double_quote and not dialect.escape:
        raise DialectError("doubleQuote", "must be true where there is no escapeChar to write a quote with")
    if dialect.skip_initial_space and dialect.delimiter == " ":
        raise DialectError("skipInitialSpace", "leaves nothing of a delimiter that is a space")
    named = [dialect.delimiter, dialect.quote, dialect.escape, dialect.comment]
    for key, character in zip(_CHARACTERS, named, strict=True):
        if character is not None and named.count(character) > 1:
            raise DialectError(key, f"{character!r} cannot stand for two things")
    return dialect


class DialectError(ValueError):
    """A dialect that makes no sense: the key that is wrong, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def _is_character(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1 and value not in "\r\n\0"


def _are_lines(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(line) is int and line > 0 for line in value)
