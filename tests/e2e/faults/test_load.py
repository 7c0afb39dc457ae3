"""A load while requests fail by chance; scripts/test --full runs it with 10,000 uploads."""

from benchmark import load_test
from support.cases import case


@case(
    "one of twenty requests fails, of a load of uploads",
    injected="by chance, with a fixed seed: errors, throttling, connections, kills; events twice, shuffled or lost",
    layer="botocore, signal, messages on the queue",
    promised="each upload ends as its file says; what waits is brought to its end by retries, sweep and redrive",
)
def test_a_small_load():
    report = load_test.measure(uploads=150)

    assert report["uploads"] == 150
    assert report["faults"] > report["requests"] * load_test.SHARE / 2
    assert report["killed"] > 0
