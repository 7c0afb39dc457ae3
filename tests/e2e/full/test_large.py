"""Large files through the whole handler: memory does not grow with them, and nothing is kept on disk."""

import pytest

from support.generated import Generated

pytestmark = pytest.mark.full

GB, MB = 10**9, 10**6
SIZES = (GB // 10, GB, 4 * GB)
MEMORY, DISK = 256 * 2**20, 512 * 2**20
# What the allocator keeps between the parts of a result grows for a while before it stays.
GROWTH = 40 * 2**20
# DuckDB has buffers of its own, and keeps what it knows of a column with few values until the file is written: some two
# bytes a row.
PARQUET = 100 * 2**20

# dataset: (key, head, n-th row, the bytes of result to a byte of upload, at least)
FILES = {
    "prices": ("prices/LSE/{}.csv", b"", lambda n: b"ABC,%02d-%02d-2026,%d.25\n" % (n % 28 + 1, n % 12 + 1, n), 0),
    "people": ("people/{}.csv", b"id,email\n", lambda n: b"%d,person.%d@example.org\n" % (n, n), 0.99),
    "staff, as Parquet": ("staff/{}.csv", b"id,email\n", lambda n: b"%d,person.%d@example.org\n" % (n, n), 0),
    "sensors, JSON lines as Parquet": (
        "sensors/{}.jsonl",
        b"",
        lambda n: b'{"sensor":"s%d","time":"2026-11-01T00:00:%02dZ","temperature":%d.5}\n' % (n % 500, n % 60, n % 40),
        0,
    ),
}


@pytest.mark.parametrize("dataset", FILES)
def test_memory_is_flat(function, keep, scale, dataset):
    pattern, head, row, share = FILES[dataset]
    piece = b"".join(map(row, range(40_000)))
    table, peaks = [], []
    for size in SIZES:
        # The smallest fills every buffer already, whatever the scale.
        file = Generated(head, piece, max(int(size * scale), SIZES[0]) // len(piece))
        key = pattern.format(size)

        took, item = function.run(key, file)

        assert (item["state"], int(item["rows_good"])) == ("SUCCEEDED", 40_000 * file.times), item["reason"]
        result = function.s3.written[f"/{item['result']['uri']['S'].removeprefix('s3://')}"]
        assert result.size >= file.size * share
        assert took["disk_bytes"] <= DISK
        peaks.append(took["peak_bytes"])
        table.append(
            {
                "GB": f"{file.size / GB:.2f}",
                "seconds": f"{took['seconds']:.0f}",
                "MB/s": f"{file.size / MB / took['seconds']:.0f}",
                "peak memory, MB": f"{took['peak_bytes'] / MB:.0f}",
                "written to disk, MB": f"{took['disk_bytes'] / MB:.0f}",
                "result, MB": f"{result.size / MB:,.3f}",
            }
        )
    keep(f"Large files: {dataset}", table)
    more = PARQUET if "Parquet" in dataset else 0
    assert max(peaks) <= MEMORY + more
    assert max(peaks) - peaks[0] <= GROWTH + more
