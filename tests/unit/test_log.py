"""The log: readable, one line an event, and never the text of an exception."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from harvester.log import configure, event


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("harvester")
    kept = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:], level, our_level = kept
    root.setLevel(level)
    ours.setLevel(our_level)


def told(form: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, form, stream=stream)  # type: ignore[arg-type]
    return stream


def test_a_person_reads_time_event_and_fields() -> None:
    out = told("text")
    event("session.renewed", profile="default", generation=8, rung="touch", why=None, took_s=0.5)
    line = out.getvalue()
    assert line[2] == line[5] == ":"
    assert line[8:] == " session.renewed profile=default generation=8 rung=touch took_s=0.5\n"


def test_a_warning_says_that_it_is_one_and_words_with_spaces_are_quoted() -> None:
    out = told("text")
    event("file.not_written", level=logging.WARNING, why="disk full", empty="", odd='a"=')
    said = out.getvalue()[9:]
    assert said == 'warning file.not_written why="disk full" empty="" odd="a\\"="\n'


def test_a_machine_reads_json() -> None:
    out = told("json")
    event("session.renewed", profile="default", rungs=["touch", "renew"], alive=True)
    line = json.loads(out.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "event": "session.renewed",
        "profile": "default",
        "rungs": ["touch", "renew"],
        "alive": True,
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_field_can_forge_a_line_or_move_a_cursor(form: str) -> None:
    out = told(form)
    event("page", words="a\n10:00:00 session.renewed\x1b[2J\x07", inner={"x": ["\r\n"]})
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()
    # JSON quotes none of these: a terminal's own commands, what turns a line around, what ends it.
    event("page", words="a\x9b2J b\u202ec\x7f\x85d\u2028e", inner={"x": ["\x9d0;title\x9c"]})
    assert all(line.isprintable() for line in out.getvalue().split("\n"))


def test_what_is_below_the_level_is_not_written() -> None:
    out = told("text", "warning")
    event("probe")
    event("probe.failed", level=logging.ERROR)
    assert "probe.failed" in out.getvalue()
    assert out.getvalue().count("\n") == 1


def test_the_last_configuration_wins_and_says_everything_once() -> None:
    first = told("text")
    second = told("json")
    event("started")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_librarys_traceback_is_reduced_to_its_class(form: str) -> None:
    out = told(form)
    try:
        raise ValueError("canary-p4ssword")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    logging.getLogger("aiohttp").info("chatter")
    said = out.getvalue()
    assert "canary" not in said
    assert "ValueError" in said
    assert "library.said" in said
    assert "chatter" not in said
    assert said.count("\n") == 1
