"""Whatever arrives, as an event, a descriptor, a key or a file: an answer of ours, and no row unaccounted for."""

import copy
import functools
import gzip
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.contract.descriptor import DescriptorError, load_dataset
from sluice.datasets import Catalogue
from sluice.errors import PermanentError
from sluice.events import UnreadableMessageError, parse_message
from sluice.processors import NEEDS, PROCESSORS
from sluice.upload import IGNORED, REJECTED
from support.datasets import DATASETS, checked, checked_blocks, dataset

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in DATASETS.glob("*.yaml")}
DOCUMENTS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
EVENT = (Path(__file__).parents[2] / "events" / "put.json").read_text(encoding="utf-8")
PEOPLE, PRICES = dataset("people"), dataset("prices")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(value: object, path: tuple = ()) -> list[tuple]:
    """The way to every part of a document."""
    if isinstance(value, dict):
        return [path, *(found for key, inner in value.items() for found in paths(inner, (*path, key)))]
    if isinstance(value, list):
        return [path, *(found for place, inner in enumerate(value) for found in paths(inner, (*path, place)))]
    return [path]


@st.composite
def documents(draw) -> dict:
    """A descriptor of ours with one or two of its parts replaced, or with another key."""
    document = copy.deepcopy(DOCUMENTS[draw(st.sampled_from(sorted(DOCUMENTS)))])
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([path for path in paths(document) if path]))
        place = document
        for step in way:
            place = place[step]
        place[last] = draw(VALUES)
    return document


@st.composite
def mangled(draw, text: str) -> str:
    """A text with a piece of it cut out, doubled or replaced."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    piece = draw(st.sampled_from(["", text[start:end] * 2]) | st.text(max_size=6))
    return text[:start] + piece + text[end:]


def loads(text: str) -> None:
    """A descriptor is taken, or refused with its file and line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            load_dataset(path, NEEDS)
        except DescriptorError as error:
            assert str(error).startswith(f"{path}:")


@given(documents())
def test_any_document_is_a_descriptor_or_refused(document):
    loads(yaml.safe_dump(document))


@given(st.sampled_from(sorted(TEXTS)).flatmap(lambda name: mangled(TEXTS[name])) | st.text(max_size=40))
def test_any_text_is_a_descriptor_or_refused(text):
    loads(text)


@given(mangled(EVENT))
def test_any_event_tells_of_uploads_or_is_unreadable(text):
    try:
        uploads = parse_message(text)
    except UnreadableMessageError:
        return
    assert all(upload.id and upload.uri for upload in uploads)


@functools.cache
def catalogue() -> Catalogue:
    """Made by who needs it: a descriptor that is wrong fails the test that is for it, and not the collection."""
    return Catalogue(DATASETS, NEEDS)


@given(st.lists(st.sampled_from(["people", "prices", "..", ".", "", "a.csv", "%2e", "\0"]) | st.text(max_size=5)))
def test_any_key_belongs_to_a_dataset_or_to_none(parts):
    key = "/".join(parts)
    try:
        found = catalogue().match(key)
    except PermanentError as error:
        assert error.state == IGNORED
        return
    assert key.startswith(f"{found.name}/")
    assert found.result_key(key).startswith(key.removesuffix(".csv"))


PIECES = [b"id,email\n", b"1,a@b.org\n", b"2,b@c.org\r\n", b"ABC,01-02-2026,1.5\n", b'"', b",", b"\n", b"\r", b"\0"]
PIECES += [b"\xff", b"\xef\xbb\xbf", b"=1+1", b"1" * 50, "é😀".encode(), b"PK\x03\x04", b"\x1f\x8b"]
PIECES += [b"\x28\xb5\x2f\xfd"]
FILES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=30).map(b"".join)


@settings(max_examples=200)
@given(FILES, st.sampled_from([PEOPLE, PRICES]), st.integers(1, 40), st.booleans(), st.booleans())
def test_any_file_has_its_rows_accounted_for_or_is_refused(data, kind, size, has_header, is_compressed):
    if has_header:
        data = b"id,email\n" + data
    text, data = data, gzip.compress(data) if is_compressed else data
    try:
        check, errors, good = checked(kind, data, size)
        PROCESSORS["clean"].process(checked_blocks(kind, data, size), lambda piece: None, kind, "")
    except PermanentError as error:
        assert error.state == REJECTED and error.reason
        return
    assert check.good + check.rejected + check.blank <= text.count(b"\n") + 1
    assert len({error.row for error in errors}) == check.rejected
    assert good.count(b"\n") >= check.good
