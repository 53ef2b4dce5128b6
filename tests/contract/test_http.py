"""The HTTP interface keeps its OpenAPI document's word: no 500, whatever is sent."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from web_service import API, served

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis, of the dev extra")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

PATHS = {
    "/recordings", "/recordings/{recording_id}", "/recordings/{recording_id}/analyze", "/jobs",
    "/jobs/{job_id}", "/jobs/{job_id}/cancel", "/jobs/{job_id}/events", "/events",
    "/jobs/{job_id}/files/{name}", "/lead-sheets", "/options", "/styles",
    "/health", "/metrics", "/session",
}  # fmt: skip

EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def interface(make_app):
    """The document of a service that runs."""
    with served(make_app(queue_length=1000)) as address:
        yield schemathesis.openapi.from_url(f"{address}{API}/openapi.json")


def operations(interface):
    """All but the streams that do not end; the browser tests follow those."""
    found = [result.ok() for result in interface.get_all_operations()]
    return [operation for operation in found if not operation.path.endswith("/events")]


def test_no_request_breaks_the_service(interface):
    for operation in operations(interface):

        @EXAMPLES
        @given(case=operation.as_strategy())
        def answers(case):
            response = case.call()
            assert response.status_code < 500, response.text
            # No schema can say which bytes are a recording.
            case.validate_response(response, excluded_checks=[checks.positive_data_acceptance])

        answers()


def test_the_document_covers_every_path(make_client):
    document = make_client().get(f"{API}/openapi.json").json()
    assert {path.removeprefix(API) for path in document["paths"]} == PATHS


def test_every_operation_tells_its_purpose_and_its_errors(make_client):
    document = make_client().get(f"{API}/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path}"
            assert {"401", "403"} <= set(operation["responses"]), f"{method} {path}"
    error = document["components"]["schemas"]["ErrorAnswer"]
    assert json.dumps(error).count("ErrorBody") == 1
