"""Compiles Python files; run by the Python that will load the result, which is not always the one that builds.

Standard input: JSON list of [source path, bytecode path, file name to record].
"""

import importlib.util
import json
import marshal
import sys
from pathlib import Path

# A pyc checked by neither time nor content of its source: nothing changes in an artifact (PEP 552).
UNCHECKED_HASH = (0b01).to_bytes(4, "little")

# Later formats mark objects by their number of references, which depends on what else the interpreter has loaded or
# compiled, so that the same source gives different bytes. Format 2 does not; loading it takes 5 ms longer per start.
MARSHAL_FORMAT = 2


def main() -> None:
    for source, bytecode, name in json.load(sys.stdin):
        text = Path(source).read_bytes()
        code = compile(text, name, "exec", dont_inherit=True)
        Path(bytecode).parent.mkdir(parents=True, exist_ok=True)
        Path(bytecode).write_bytes(
            importlib.util.MAGIC_NUMBER
            + UNCHECKED_HASH
            + importlib.util.source_hash(text)
            + marshal.dumps(code, MARSHAL_FORMAT)
        )


main()
