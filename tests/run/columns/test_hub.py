"""What may be a name on the hub; how it fails is tested where pictures and sounds come from it."""

from __future__ import annotations

from clarion.run.columns.hub import is_hub_name


def test_hub_names() -> None:
    assert is_hub_name("owner/some-data.v2")
    assert not any(map(is_hub_name, ["mnist", "/a/b", "./a", "a/b/c", "a/*", "~/a"]))
