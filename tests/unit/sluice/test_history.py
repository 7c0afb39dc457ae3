"""Uploads newest first: every one that is meant, once, in order, whatever the pages and however few the reads."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice import history
from sluice.history import Filter, History, Mark
from sluice.ledger_reader import Entry
from sluice.upload import Upload
from support.uploads import FakeReader

DATASETS = ["people", "prices"]
FEW = 30
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
STATES = ["SUCCEEDED", "FAILED", "IGNORED", "PROCESSING"]


def dataset_of(key: str) -> str | None:
    name = key.split("/")[0]
    return name if name in DATASETS else None


@st.composite
def entries(draw) -> Entry:
    dataset = draw(st.sampled_from([*DATASETS, None]))
    state = draw(st.sampled_from(STATES))
    # Few times, so that many uploads share one, over some days.
    time = NOW - timedelta(hours=draw(st.integers(0, 120)), milliseconds=draw(st.integers(0, 1)))
    upload = Upload("uploads", f"{dataset or 'other'}/{draw(st.integers(0, 10**6))}", "1", 1)
    when = {"first_seen": time} if state == "PROCESSING" else {"finished": time}
    return Entry(upload, state, 1, dataset=dataset, **when)


filters = st.builds(
    lambda since, length, state, dataset: Filter(since, since + length, state, dataset),
    st.integers(0, 130).map(lambda hours: NOW - timedelta(hours=hours)),
    st.integers(0, 140).map(lambda hours: timedelta(hours=hours)),
    st.sampled_from([*STATES, None]),
    st.sampled_from([*DATASETS, "none", None]),
)


@pytest.fixture(scope="module", autouse=True)
def few_reads():
    """So few that pages end for lack of them."""
    patch = pytest.MonkeyPatch()
    patch.setattr(history, "READS", FEW)
    patch.setattr(history, "_SIFTED", 3)
    yield
    patch.undo()


@given(st.lists(entries(), max_size=40, unique_by=lambda one: one.upload), filters, st.integers(1, 7))
def test_the_pages_list_every_upload_that_is_meant_once_and_newest_first(found, wanted, limit):
    reader = FakeReader(found)
    mark, listed, pages = None, [], 0
    while pages == 0 or mark:
        reader.reads = 0
        page = History(reader, DATASETS, dataset_of).page(wanted, mark, limit)
        assert len(page.entries) <= limit
        assert reader.reads <= FEW
        listed += page.entries
        assert mark is None or page.next is None or page.next < mark
        mark, pages = page.next, pages + 1
        assert pages < 50

    meant = [
        one
        for one in found
        if wanted.since <= one.time < wanted.until
        and wanted.state in (None, one.state)
        and wanted.dataset in (None, one.dataset or "none")
    ]
    assert [one.upload for one in listed] == [one.upload for one in sorted(meant, key=Mark.of, reverse=True)]
    assert all(one.dataset == dataset_of(one.upload.key) for one in listed)


def test_one_page_of_what_is_asked_for_takes_one_read_a_partition():
    time = NOW - timedelta(hours=1)
    reader = FakeReader(
        [Entry(Upload("uploads", f"prices/{n}", "1", 1), "FAILED", 1, finished=time) for n in range(9)]
    )

    page = History(reader, [], dataset_of).page(Filter(NOW - timedelta(hours=2), NOW), None, 50)

    assert (len(page.entries), page.next, reader.reads) == (9, None, 2)
