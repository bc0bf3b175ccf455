"""The sandbox answers as its documents say: every status, content type, header and body, by schemathesis."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Sandbox
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

import immune_nb
from immune_nb.connecting import connect

PACKAGE = Path(immune_nb.__file__).parent
IMMUNE = PACKAGE / "catalog" / "immune.openapi.json"
IIINIT = PACKAGE / "sandbox" / "iiniit.openapi.json"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
Tried = subprocess.CompletedProcess[str]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def tried(tmp_path) -> Callable[..., Tried]:
    """Runs schemathesis on a document and a sandbox, always with the same requests."""

    def run(document: Any, sandbox: Sandbox, *more: str, key: str = "", examples: int = 10) -> Tried:
        path = tmp_path / "document.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(path), "--url", sandbox.base_url),
            *("--header", f"Authorization: ApiKey {key or sandbox.api_key}", "--checks", ",".join(CHECKS)),
            *("--phases", "coverage,fuzzing", "--max-examples", str(examples)),
            *("--generation-deterministic", "--no-color", *more),
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)

    return run


def passed(done: Tried) -> int:
    """How many requests were answered as documented; the test fails with the report when one was not."""
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found, done.stdout
    assert found[1] == found[2]
    return int(found[2])


@pytest.mark.parametrize("path", [IMMUNE, IIINIT], ids=["immune", "iiniit"])
def test_the_documents_are_valid_openapi(path):
    """By an independent validator, which sees a broken one."""
    document = read(path)
    validate(document)
    del document["info"]["title"]
    with pytest.raises(OpenAPIValidationError):
        validate(document)


def test_no_answer_is_undocumented(sandbox, tried):
    """About a thousand requests, good and bad, to all 21 operations; every kind of answer is among them."""
    done = tried(read(IMMUNE), sandbox)
    assert passed(done) > 800
    assert "Tested: 21" in done.stdout
    assert {entry["status"] for entry in sandbox.log()} >= {200, 201, 207, 400, 404, 405, 415, 422}


def test_refusals_are_documented(sandbox, tried):
    """Every operation, with a key that opens nothing."""
    assert passed(tried(read(IMMUNE), sandbox, "--phases", "examples", key="wrong")) >= 17


def test_what_the_document_does_not_say_is_found_out(sandbox, tried):
    """Positive control: an answer removed, a field of another type, another content type: each is reported."""
    document = read(IMMUNE)
    paths = document["paths"]
    del paths["/readings/batch"]["post"]["responses"]["422"]
    document["components"]["schemas"]["Alert"]["properties"]["severity"] = {"type": "integer"}
    answer = paths["/equipment"]["get"]["responses"]["200"]
    answer["content"] = {"text/csv": answer["content"]["application/json"]}
    wrong = ("/readings/batch", "/alerts", "/equipment")
    done = tried(document, sandbox, *(word for path in wrong for word in ("--include-path", path)), examples=1)
    assert done.returncode == 1
    reports = re.split(r"^_+ (.+?) _+$", done.stdout, flags=re.MULTILINE)
    found = dict(zip(reports[1::2], reports[2::2], strict=True))
    assert "Undocumented status code" in found["POST /readings/batch"]
    assert "Response violates schema" in found["GET /alerts"]
    assert "Undocumented Content-Type" in found["GET /equipment"]


@pytest.fixture
def iiniit() -> Iterator[Sandbox]:
    """A sandbox that plays iiniit."""
    command = [sys.executable, "-m", "immune_nb.sandbox", "--as", "iiniit", "--port", "0", "--until-eof", "--control"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield Sandbox(**json.loads(process.stdout.readline()))
        process.stdin.close()


def test_iiniits_sandbox_holds_what_it_publishes(iiniit, tried):
    """The document it serves, found by a session that looks for one, and every answer."""
    session = connect(replace(immune_nb.IIINIT, base_url=iiniit.base_url), api_key=iiniit.api_key)
    assert [endpoint.name for endpoint in session.catalog()] == [
        "GET /user",
        "GET /projects",
        "GET /projects/{id}",
        "GET /resource",
    ]
    session.logout()
    assert passed(tried(read(IIINIT), iiniit)) > 50
