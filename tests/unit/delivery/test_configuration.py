"""What an environment's configuration may hold."""

from pathlib import Path

import pytest

from delivery.configuration import ConfigurationError, read


def test_a_configuration_that_would_not_be_honoured_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "staging.json"
    path.write_text('{"Parameters": {"Environment": "staging"}, "StackPolicy": {}}')
    with pytest.raises(ConfigurationError, match="StackPolicy is not understood"):
        read(path)
