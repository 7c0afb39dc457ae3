"""taskcat's own command, for the local cloud, in the usual AWS configuration: `python -m local.taskcat test run ...`

taskcat is not changed, nor is what it reads: replaced are an address, a download and pauses, which are for AWS alone.
"""

import functools

from taskcat import _generate_reports, _tui
from taskcat._cfn import stack, threaded
from taskcat._cli import main

_POLL_SECONDS = 0.5
_status = threaded.Stacker._status


class _Offline:
    """In the place of `requests` where the report is written: the stylesheet of reports is on the internet."""

    text = "td { padding: 0 1em } .test-green { background: palegreen } .test-red { background: salmon }"

    @classmethod
    def get(cls, url: str, timeout: float) -> type["_Offline"]:
        return cls


def _path_style(bucket: str, key: str, s3_client: object, autobucket: bool = False) -> str:
    """The address of a template; the local cloud's CloudFormation knows no bucket by its host."""
    return f"https://s3.{s3_client.meta.region_name}.amazonaws.com/{bucket}/{key}"


def _status_now(one: stack.Stack) -> tuple[str, str, str]:
    """The state of a stack as it is; taskcat itself asks AWS for it once a minute."""
    one.refresh()
    return _status(one)


if __name__ == "__main__":
    stack.s3_url_maker = _path_style
    _generate_reports.requests = _Offline
    threaded.Stacker._status = staticmethod(_status_now)
    _tui.TerminalPrinter.report_test_progress = functools.partialmethod(
        _tui.TerminalPrinter.report_test_progress, poll_interval=_POLL_SECONDS
    )
    main()
