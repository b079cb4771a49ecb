"""A sign-in that nobody could know by its looks: pages that a person has to teach.

Over ``hostile.py``'s server: the site sends everybody to ``/auth/hall`` of the provider, where a
button in a shadow root leads to a page with two boxes and two buttons that name nothing known.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from harvester.profile import PageRule
from hostile import Answer, Asked, Hostile

HALL = """<!doctype html><title>Acme hall</title><p>Acme staff only</p>
<acme-door></acme-door><a href="/wrong">Create a guest account</a>
<script>
class Door extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({mode: "open"});
    root.innerHTML = '<div id="knocker" style="width:200px;height:40px;cursor:pointer">Knock</div>';
    root.getElementById("knocker").addEventListener("click", () => location.href = "/auth/desk");
  }
}
customElements.define("acme-door", Door);
</script>"""
DESK = """<!doctype html><title>Acme desk</title>
<form method="post" action="/auth/desk">
<label>Badge <input name="b"></label>
<label>Phrase of the day <input name="day" value="blue"></label>
<label>Passphrase <input type="password" name="p"></label>
<button name="way" value="in">Abracadabra</button>
<button name="way" value="wrong">Sesame</button></form>"""


class OddPages(Hostile):
    """``wrong`` counts what a person would never have pressed or filled."""

    def __init__(self, desk: str = DESK) -> None:
        super().__init__()
        self.wrong = 0
        self.pages["knoq /"] = self.go(self.identity + "/auth/hall")
        self.pages["login /auth/hall"] = HALL
        self.pages["login /auth/desk"] = lambda ask: self._desk(ask, desk)
        self.pages["login /wrong"] = self._wrong

    @property
    def place(self) -> str:
        return self.identity.removeprefix("http://")

    def rule(self, page: str, control: str, **how: str) -> PageRule:
        return PageRule(self.place, page, control, **how)  # type: ignore[arg-type]

    def lessons(self) -> tuple[PageRule, ...]:
        """All that has to be taught."""
        return (
            self.rule("/auth/hall", "press", selector="#knocker"),
            self.rule("/auth/desk", "user", label="badge"),
            self.rule("/auth", "password", label="Passphrase"),
            self.rule("/auth/desk", "submit", role="button", label="Abracadabra"),
        )

    def _wrong(self, ask: Asked) -> str:
        self.wrong += 1
        return "<h1>You went elsewhere</h1>"

    def _desk(self, ask: Asked, desk: str) -> str | Answer:
        if ask.method == "GET":
            return desk
        form = {name: values[-1] for name, values in parse_qs(ask.body).items()}
        self.wrong += form.get("way") != "in" or form.get("day") != "blue"
        if (form.get("b"), form.get("p")) != (self.username, self.password):
            return desk
        return Answer("", 303, (("Location", f"{self.site}/home"),))
