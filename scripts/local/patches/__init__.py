"""What ministack 1.5.33 does otherwise than AWS, mended where our templates need it.

Every patch is one function that takes the cloud's folder and changes ministack in this
process. Its docstring says what stock ministack does and what AWS does, so that it can
be offered upstream; tests/local/ has a test for each that fails without it, in test_patches.py,
test_streams.py, test_http_apis.py or test_metrics.py.
"""

import inspect
from pathlib import Path
from types import FunctionType


def apply(folder: Path, without: set[str] | frozenset[str] = frozenset()) -> None:
    """Apply every patch but those named in `without`. To be called before ministack serves.

    Raises KeyError for a name in `without` that is no patch.
    """
    from local.patches import access, databases, functions, http_apis, metrics, queues, stacks, streams, stubs

    modules = access, databases, functions, http_apis, metrics, queues, stacks, streams, stubs
    patches = {patch.__name__: patch for module in modules for patch in module.PATCHES}
    for name in without:
        del patches[name]
    for patch in patches.values():
        patch(folder)


_sources: dict[tuple[str, str], str] = {}


def rewrite(function: FunctionType, *changes: tuple[str, str]) -> None:
    """Replace text in a function of ministack: for a change in the middle of a long one.

    The old text of each change has to occur exactly once; a ministack that changed there
    stops with RuntimeError instead of running half patched.
    """
    key = function.__module__, function.__name__
    source = _sources.get(key) or inspect.getsource(function)
    for old, new in changes:
        if source.count(old) != 1:
            raise RuntimeError(f"{'.'.join(key)} is not the one this patch was written for: "
                               f"expected once, found {source.count(old)} times: {old!r}")
        source = source.replace(old, new)
    _sources[key] = source
    exec(compile(source, f"<patched {'.'.join(key)}>", "exec"), function.__globals__)  # our own text  # nosec B102
