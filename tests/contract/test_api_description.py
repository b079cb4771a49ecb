"""The OpenAPI document and the API say the same, as far as a stranger who has it can tell."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from harvester.outlets.api import openapi_text
from serving_process import ServingProcess
from unix_requests import session as unix_session

DESCRIBED: dict[str, Any] = json.loads(openapi_text())
SCHEMA = schemathesis.openapi.from_dict(DESCRIBED)
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
# A stream goes on until its reader leaves: test_api_watch.py reads it, and test_api.py holds what
# an event is made of to the document.  Here it is only asked wrongly.
STREAMS = {("GET /v1/session/watch", GenerationMode.POSITIVE)}
# What can be asked wrongly has parameters.
QUESTIONS = [
    (label, mode)
    for label, found in OPERATIONS.items()
    for mode in GenerationMode
    if (label, mode) not in STREAMS
    and (mode is GenerationMode.POSITIVE or found.query or found.path_parameters or found.body)
]
# What a browser exports is read as kindly as it can be, and of its cookies those that can be sent:
# the document cannot say which these are.
LENIENT = [negative_data_rejection, positive_data_acceptance]


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[requests.Session]:
    served = ServingProcess(tmp_path_factory.mktemp("described"))
    with unix_session(served.path) as made:
        yield made
    assert served.stop() == 0
    assert '"bug"' not in served.log.read_text()


def test_the_document_is_openapi_31() -> None:
    assert DESCRIBED["openapi"].startswith("3.1.")
    SCHEMA.validate()
    spoiled = copy.deepcopy(DESCRIBED)
    spoiled["paths"]["/livez"]["get"]["responses"]["200"].pop("description")
    with pytest.raises(Exception, match="description"):
        schemathesis.openapi.from_dict(spoiled).validate()


@pytest.mark.parametrize(
    ("label", "mode"), QUESTIONS, ids=[f"{label} {mode.value}" for label, mode in QUESTIONS]
)
def test_whoever_knows_only_the_document_is_answered_as_it_says(
    caller: requests.Session, size, label: str, mode: GenerationMode
) -> None:
    operation = OPERATIONS[label]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=size(6, 500), derandomize=True, database=None, deadline=None,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def asks(case: schemathesis.Case) -> None:
        answer = case.call(base_url="http://harvester", session=caller)
        case.validate_response(answer, excluded_checks=LENIENT if "import" in label else None)

    asks()
