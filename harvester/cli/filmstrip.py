"""A failed sign-in as one HTML file: its pictures in a row, and what the last page showed.

Everything in it comes from strangers' pages: all of it is cleaned and escaped, there is no script,
and the file forbids itself to load or send anything.  Owns the looks; opens and writes nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from harvester.clock import rfc3339
from harvester.evidence import Box, Evidence, Step
from harvester.redact import clean

_STYLE = """
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #1b1f24; --soft: #5b6470;
  --line: #d9dee5; --bad: #a1260d; --wash: #fdecea; --mark: #3056d3 }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --card: #1d2127; --ink: #e6e9ee;
  --soft: #9aa4b1; --line: #333a44; --bad: #ff9d8a; --wash: #3a211d; --mark: #8fa8ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1180px; padding: 32px 24px 64px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { margin: 0 0 4px; font-size: 24px } h2 { margin: 40px 0 12px; font-size: 18px }
p { margin: 4px 0 } .soft { color: var(--soft) }
code { font: 13px/1.4 ui-monospace, monospace }
.why { margin: 16px 0 0; padding: 12px 16px; border-left: 4px solid var(--bad);
  background: var(--wash); border-radius: 4px; overflow-wrap: anywhere }
.why b { color: var(--bad) }
ol { list-style: none; margin: 0; padding: 0; display: grid; gap: 20px;
  grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)) }
li { display: flex; flex-direction: column; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden }
li.last { grid-column: 1 / -1; border-color: var(--bad) }
li > div { padding: 12px 16px; overflow-wrap: anywhere }
li b { font-size: 16px } li.last > div b { color: var(--bad) }
img, svg { display: block; width: 100%; border-bottom: 1px solid var(--line); background: #fff }
.none { padding: 32px 16px; text-align: center; color: var(--soft);
  border-bottom: 1px solid var(--line) }
svg rect { fill: #f1f3f6; stroke: #8a94a3; stroke-width: 2 } svg .field { fill: #fff }
svg text { font: 15px system-ui, sans-serif; fill: #3a424d; text-anchor: middle }
li.last img, li.last svg { max-height: 620px; object-fit: contain; background: var(--card) }
.table { margin: 12px 0; overflow-x: auto; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card) }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { padding: 7px 12px; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600; white-space: nowrap }
tr:last-child td { border-bottom: 0 } tr.off { color: var(--soft) }
.number { text-align: right; font-variant-numeric: tabular-nums }
.kind { color: var(--mark); font-weight: 600 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 12px 16px; margin: 8px 0 0;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px }
"""
_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
_SCORED = ("code", "password", "user", "organization")
_LABEL_CHARS = 160
_TEXT_CHARS = 8000
# Every browser window of ours is as wide; a page may be wider.
_DRAWN_WIDTH, _DRAWN_HEIGHT = 1280, 1000


def page(evidence: Evidence, name: str) -> str:
    """The whole file."""
    title = f"Failed sign-in {name}"
    took_s = sum(one.took_s for one in evidence.steps)
    facts = (
        f"{rfc3339(evidence.at)} · {evidence.rung} · {len(evidence.steps)} steps · {took_s:.1f} s"
    )
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width"><meta name="referrer" '
            f'content="no-referrer"><title>{_text(title)}</title><style>{_STYLE}</style></head>',
            f'<body><h1>{_text(title)}</h1><p class="soft">{_text(facts)}</p>',
            f'<p class="why"><b>{_text(evidence.code)}</b><br>{_text(evidence.message, 600)}</p>',
            "<h2>Steps</h2><ol>",
            *(
                _step(one, number, last=number == len(evidence.steps))
                for number, one in enumerate(evidence.steps, 1)
            ),
            "</ol>",
            *_last_page(evidence.skeleton),
            f"<h2>To report it</h2><p>The page without values, for a bug report: <code>harvester "
            f"history {_text(name)} --skeleton</code>. Its labels are the page's own: read it "
            "before you send it.</p></body></html>\n",
        )
    )


def _text(text: object, limit: int = _LABEL_CHARS) -> str:
    """A stranger's words: nothing in them acts, not even on the direction of what follows."""
    return f"<bdi>{escape(clean(str(text), limit))}</bdi>"


def _step(step: Step, number: int, *, last: bool) -> str:
    did = {"press": "pressed", "fill": "filled and sent", "stopped": "stopped here"}
    what = did.get(step.action, "passed")
    if step.picture is None and step.outline:
        what = f"a drawing, no picture was kept · {what}"
    return (
        f"<li{' class=last' if last else ''}>{_picture(step)}<div><b>{number}. "
        f"{_text(step.state.replace('_', ' '))}</b><p>{_text(step.host + step.path)}</p>"
        f'<p class="soft">{what} · at {step.at_s:.2f} s · took {step.took_s:.2f} s</p></div></li>'
    )


def _picture(step: Step) -> str:
    if step.picture is not None:
        data = base64.b64encode(step.picture).decode("ascii")
        return (
            f'<img alt="the page, with what was typed hidden" src="data:image/jpeg;base64,{data}">'
        )
    if step.outline:
        return _drawing(step.outline)
    return '<p class="none">no picture</p>'


def _drawing(outline: Sequence[Box]) -> str:
    height = max(
        _DRAWN_HEIGHT // 2, *(min(one.top + one.height + 20, _DRAWN_HEIGHT) for one in outline)
    )
    shapes = "".join(_shape(one) for one in outline)
    return (
        f'<svg role="img" aria-label="a drawing of the page" '
        f'viewBox="0 0 {_DRAWN_WIDTH} {height}">{shapes}</svg>'
    )


def _shape(box: Box) -> str:
    kind = ' class="field"' if box.role in ("textbox", "listbox", "combobox") else ""
    place = (
        f'x="{box.left}" y="{box.top}" width="{max(box.width, 0)}" height="{max(box.height, 0)}"'
    )
    center, middle = box.left + box.width // 2, box.top + box.height // 2 + 5
    label = escape(clean(box.label, 60))
    return f'<rect{kind} {place} rx="6"/><text x="{center}" y="{middle}">{label}</text>'


def _last_page(skeleton: Mapping[str, Any] | None) -> Iterator[str]:
    if skeleton is None:
        yield "<h2>The last page</h2><p>It could not be read any more.</p>"
        return
    said = skeleton["said"]
    yield "<h2>The last page</h2><p>"
    state, action = _text(said["state"].replace("_", " ")), _text(said["action"])
    yield f"By itself it is taken for <b>{state}</b>; the answer to it is: {action}.</p>"
    for frame in skeleton["frames"]:
        yield from _frame(frame)


def _frame(frame: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p>{_text(frame['url'])} · “{_text(frame['title'])}”</p>"
    for kind in ("headings", "alerts"):
        shown = " · ".join(_text(one) for one in frame[kind])
        if shown:
            yield f'<p class="soft">{kind}: {shown}</p>'
    if frame["controls"]:
        heads = "".join(f"<th>{one}</th>" for one in ("role", "label", "type", "kind"))
        heads += "".join(f'<th class="number">{one}</th>' for one in _SCORED)
        rows = "".join(_control(one) for one in frame["controls"])
        yield f'<div class="table"><table><tr>{heads}</tr>{rows}</table></div>'
    lines = "\n".join(escape(clean(one, 400)) for one in frame["text"][:_TEXT_CHARS].splitlines())
    if lines.strip():
        yield f"<details><summary>its words</summary><pre>{lines}</pre></details>"


def _control(control: Mapping[str, Any]) -> str:
    usable = control.get("visible", True) and control.get("enabled", True)
    scores = control.get("scores") or {}
    label = control.get("name") or control.get("placeholder") or control.get("field_name") or ""
    cells = [
        f"<td>{_text(control['role'])}</td><td>{_text(label)}</td>",
        f"<td>{_text(control.get('type', ''))}</td>",
        f'<td class="kind">{_text(control.get("kind", ""))}</td>',
        *(f'<td class="number">{_text(scores.get(one, ""))}</td>' for one in _SCORED),
    ]
    return f"<tr{'' if usable else ' class=off'}>{''.join(cells)}</tr>"
