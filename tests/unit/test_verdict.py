"""The probe's verdict: network trouble is never "denied"."""

import pytest

from harvester.verdict import Answer, Picture, Verdict, judge, picture_of

SITE = "https://knoq.one"


def verdict(answer: Answer, picture: Picture | None = None, denied_text: str | None = None) -> str:
    return judge(
        answer,
        picture=picture,
        denied_text=denied_text,
        identity_origins=("https://login.acme.example",),
        sign_in_url=SITE + "/login",
    ).value


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(200, body="[]", content_type="application/json"), "alive"),
        (Answer(204), "alive"),
        (Answer(401), "denied"),
        (Answer(403), "unreachable"),
        (Answer(404), "unreachable"),
        (Answer(409), "unreachable"),
        (Answer(429), "unreachable"),
        (Answer(500), "unreachable"),
        (Answer(502), "unreachable"),
        (Answer(503, retry_after_s=5), "unreachable"),
        (Answer(0, trouble="no answer"), "unreachable"),
        (Answer(302, location="https://login.acme.example/authorize?x=1"), "denied"),
        (Answer(302, location=SITE + "/login?next=/x"), "denied"),
        (Answer(302, location=SITE + "/elsewhere"), "unreachable"),
        (Answer(302, location="https://status.example/"), "unreachable"),
        (Answer(304), "unreachable"),
        (
            Answer(200, body='<form><input type="password"></form>', content_type="text/html"),
            "denied",
        ),
        (Answer(200, body="<p>hello</p>", content_type="text/html"), "alive"),
    ],
)
def test_each_answer_has_its_verdict(answer, expected):
    assert verdict(answer) == expected


def test_a_text_in_the_body_can_mean_denied():
    assert verdict(Answer(200, body='{"user": null}'), denied_text='"user": null') == "denied"


@pytest.mark.parametrize("status", [403, 404])
def test_a_site_that_answers_so_to_nobody_denies_with_it(status):
    picture = picture_of(Answer(status), "asked")
    assert verdict(Answer(status), picture) == "denied"
    assert verdict(Answer(409), picture) == "unreachable"


def test_a_redirect_is_compared_with_the_picture_by_origin_and_path():
    picture = picture_of(Answer(302, location=SITE + "/welcome?n=1"), "asked")
    assert verdict(Answer(302, location=SITE + "/welcome?n=2"), picture) == "denied"
    assert verdict(Answer(302, location=SITE + "/other"), picture) == "unreachable"


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_trouble_is_no_picture(status):
    assert picture_of(Answer(status), "asked") is None


def test_a_picture_survives_storage():
    picture = Picture("asked", 302, SITE + "/login")
    assert Picture.from_dict(picture.as_dict()) == picture


def test_verdicts_are_three():
    assert {one.value for one in Verdict} == {"alive", "denied", "unreachable"}
