"""The driver's compile cache: code that is run later, so it lies where nobody else can write."""

from __future__ import annotations

import stat
from pathlib import Path

from harvester.signin import compiled


def test_it_lies_in_the_cache_directory_of_this_user_and_is_private(tmp_path: Path) -> None:
    place = compiled.cache_of({"XDG_CACHE_HOME": str(tmp_path), "HOME": "/nowhere"})
    assert place == tmp_path / "harvester" / "driver"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert compiled.cache_of({"HOME": str(tmp_path)}) == tmp_path / ".cache/harvester/driver"


def test_a_place_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    place = tmp_path / "harvester" / "driver"
    place.mkdir(parents=True)
    place.chmod(0o770)
    assert compiled.cache_of({"XDG_CACHE_HOME": str(tmp_path)}) is None
    place.rmdir()
    place.symlink_to(tmp_path)
    assert compiled.cache_of({"XDG_CACHE_HOME": str(tmp_path)}) is None


def test_without_a_home_there_is_none() -> None:
    assert compiled.cache_of({}) is None
    assert compiled.cache_of({"XDG_CACHE_HOME": "relative"}) is None
    assert compiled.cache_of({"HOME": "/proc/1/nothing"}) is None


def test_an_empty_one_is_filled_and_a_full_one_left_alone(tmp_path: Path) -> None:
    filling = compiled.fill(tmp_path)
    assert filling is not None
    filling.wait(30)
    assert [one for one in tmp_path.rglob("*") if one.is_file()], "the driver wrote it down"
    assert compiled.fill(tmp_path) is None
