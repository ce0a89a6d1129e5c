"""The judge of tests/web/test_schemathesis.py: what fits a document as it was sent, whatever it was made from."""

from __future__ import annotations

import pytest

from tests.web.as_sent import Judge, Sent

WORD = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}
DOCUMENT = {
    "paths": {
        "/things/{id}": {
            "put": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 4}},
                    {"name": "word", "in": "query", "schema": WORD},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                    {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "by", "in": "query", "required": True, "schema": {"enum": ["day", "month"]}},
                    {"name": "Last-Id", "in": "header", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}},
                        "multipart/form-data": {"schema": {"type": "object", "required": ["file"]}},
                    },
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "additionalProperties": False,
                "required": ["amount"],
                "properties": {"amount": {"type": "integer"}, "inner": {"$ref": "#/components/schemas/Thing"}},
            }
        }
    },
}
JSON = {"content-type": "application/json"}
BODY = b'{"amount": 1}'


def misfits(
    query: str = "by=day", *, id: str = "a", headers: dict[str, str] | None = None, body: bytes = BODY
) -> list[str]:
    judge = Judge(DOCUMENT, "/things/{id}", "PUT")
    return judge.misfits(Sent(f"http://here/things/{id}?{query}", {**JSON, **(headers or {})}, body))


@pytest.mark.parametrize(
    "query",
    [
        "by=day", "by=day&word=true", "by=day&word=0", "by=day&word=null", "by=month&limit=5", "by=day&limit=5.0",
        "by=day&dry=true", "by=day&dry=false", "by=day&other=1",
    ],
)  # fmt: skip
def test_what_fits_as_sent(query: str) -> None:
    """A text that was made from a list, a number or null fits where a text does; what was not sent is no matter."""
    assert misfits(query) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "by is missing"), ("by=year", "by is 'year'"), ("by=day&by=day", "by comes 2 times"),
        ("by=day&word=", "word is ''"), ("by=day&limit=0", "limit is '0'"), ("by=day&limit=1_0", "limit is '1_0'"),
        ("by=day&limit=%205", "limit is ' 5'"), ("by=day&limit=05", "limit is '05'"), ("by=day&limit=", "limit is ''"),
        ("by=day&dry=0", "dry is '0'"), ("by=day&dry=True", "dry is 'True'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_query(query: str, found: str) -> None:
    assert misfits(query) == [found]


def test_what_does_not_fit_in_a_path_or_a_header() -> None:
    assert misfits(id="%41bcd") == []
    assert misfits(id="abcde") == ["id is 'abcde'"]
    assert misfits(id="a/b") == ["/things/a/b is not the path"]
    assert misfits(headers={"last-id": "12"}) == []
    assert misfits(headers={"last-id": "x"}) == ["Last-Id is 'x'"]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "there is no body"), (b"{", "the body is no JSON"), (b"\xff", "the body is no JSON"),
        (b'{"amount": NaN}', "the body is no JSON"), (b'{"amount": "1"}', "body.amount: "), (b"{}", "body.: 'amount'"),
        (b'{"amount": 1, "inner": {"amount": null}}', "body.inner.amount: "), (b'{"amount": 1, "more": 1}', "body.: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_in_a_body(body: bytes, found: str) -> None:
    [one] = misfits(body=body)
    assert one.startswith(found)


def test_a_body_of_another_kind() -> None:
    assert misfits(headers={"content-type": "text/html"}) == ["the body is text/html"]
    form = {"content-type": 'multipart/form-data; boundary="b"'}
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n--b--\r\n'
    assert misfits(headers=form, body=part % b"file") == []
    assert misfits(headers=form, body=part % b"other") == ["the form has no file"]
