"""The functions under faults: their code in processes that can be killed, on buckets, queues and a ledger of their own.

`scripts/bench load-test` and the tests in tests/e2e/faults run on it; docs/faults.md says what has been tried.
"""
