"""The page at the API's root: one file, and the policy that lets its own script and style run and nothing else."""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

_FILE = Path(__file__).with_name("page.html")


@cache
def content() -> str:
    """The page."""
    return _FILE.read_text(encoding="utf-8")


@cache
def headers() -> dict[str, str]:
    """The headers that it is served with.

    https://www.w3.org/TR/CSP3/#framework-directive-source-list: an element is let in by the hash of its content.
    """
    policy = {
        "default-src": "'none'",
        "script-src": _hash("script"),
        "style-src": _hash("style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    text = "; ".join(f"{name} {value}" for name, value in policy.items())
    return {"Content-Security-Policy": text, "Cache-Control": "no-cache"}


def _hash(element: str) -> str:
    [text] = re.findall(f"<{element}>(.*?)</{element}>", content(), re.DOTALL)
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
