"""What each path answers, and what it refuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from weft.serve.app import create_app
from weft.serve.deck import Deck
from weft.serve.limits import Limits
from weft.serve.telling import _Json

from .. import tiny
from .live import exchange, listening, stuck

SECRET = "an-unlikely-word-of-a-user"


@contextmanager
def client(deck: Deck, token: str | None = None, **limits: Any) -> Iterator[TestClient]:
    with TestClient(create_app(deck, Limits(**limits), token)) as found:
        yield found


@pytest.fixture(scope="module")
def server(deck: Deck) -> Iterator[TestClient]:
    with client(deck) as found:
        yield found


def test_one_text_gets_its_labels_the_most_probable_first(server: TestClient, deck: Deck) -> None:
    (text,) = tiny.texts(1, seed=3)
    answer = server.post("/predict", json={"inputs": text, "adapter": "four"})
    assert answer.status_code == 200
    scores = [entry["score"] for entry in answer.json()]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)
    one = deck.adapters["four"]
    (rows,) = one.engine.compute([(one.place, one.engine.read([text]))])
    assert answer.json()[0]["label"] == one.card.labels[int(rows[0].argmax())]
    assert scores[0] == pytest.approx(rows.max(), abs=1e-6)


def test_several_texts_get_a_list_each(server: TestClient) -> None:
    answer = server.post("/predict", json={"inputs": tiny.texts(3), "top_k": 1}).json()
    assert [len(entries) for entries in answer] == [1, 1, 1]
    two = server.post("/predict", json={"inputs": tiny.texts(1), "adapter": "four", "top_k": 2.0})
    assert [len(entries) for entries in two.json()] == [2]
    one = server.post("/predict", json={"inputs": tiny.texts(1)}).json()
    assert isinstance(one[0], list)  # a list of one is a list


def test_without_a_name_the_first_adapter_answers(server: TestClient) -> None:
    text = tiny.texts(1)[0]
    named = server.post("/predict", json={"inputs": text, "adapter": "two"}).json()
    unnamed = server.post("/predict", json={"inputs": text}).json()
    assert [entry["label"] for entry in named] == [entry["label"] for entry in unnamed]
    scores = [[entry["score"] for entry in one] for one in (named, unnamed)]
    np.testing.assert_allclose(*scores, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inputs": ""}, 422),
        ({"inputs": []}, 422),
        ({"inputs": ["a", ""]}, 422),
        ({"inputs": [1]}, 422),
        ({"inputs": [["one text", "and another"]]}, 422),
        ({"inputs": {"text": "one text", "text_pair": "and another"}}, 422),
        ({"inputs": "a", "top_k": 0}, 422),
        ({"inputs": "a", "top_k": "1"}, 422),
        ({"inputs": "a", "top_k": 1.5}, 422),
        ({"inputs": "a", "top_k": True}, 422),
        ({"inputs": "a", "model": "two"}, 422),
        ({"inputs": "a", "parameters": 1}, 422),
        ({"inputs": "a", "parameters": {"top_k": 0}}, 422),
        ({"inputs": "a", "parameters": {"truncation": True}}, 422),
        ({"inputs": "a", "top_k": 1, "parameters": {"top_k": 2}}, 422),
        ({}, 422),
        ([], 422),
        ("text", 422),
        ({"inputs": "a", "adapter": "five"}, 404),
        ({"inputs": ["a"] * 129}, 413),
        ({"inputs": "a" * 20_001}, 413),
    ],
)
def test_what_cannot_be_answered_is_refused(server: TestClient, body: Any, status: int) -> None:
    answer = server.post("/predict", json=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_type"}


def test_the_form_of_hugging_face(server: TestClient) -> None:
    for beside in ({}, {"top_k": 1}, {"top_k": None}):
        body = {"inputs": "a", "parameters": {"top_k": 1}, **beside}
        assert len(server.post("/predict", json=body).json()) == 1
    for parameters in ({}, {"top_k": None}, None):
        body = {"inputs": "a", "adapter": "four", "parameters": parameters}
        assert len(server.post("/predict", json=body).json()) == 4
        assert len(server.post("/predict", json={**body, "top_k": 2}).json()) == 2


_TEXTS = "inputs: a text or a non-empty list of texts is wanted, none of them empty"
_COUNT = "top_k: an integer of 1 or more is wanted"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/predict", b'{"inputs": 1}', _TEXTS),
        ("/predict", b'{"inputs": ["a", ""]}', _TEXTS),
        ("/predict", b'{"inputs": []}', _TEXTS),
        ("/predict", b"{}", f"{_TEXTS} (it is missing)"),
        ("/predict", b'{"inputs": 1, "top_k": 0}', f"{_TEXTS}; {_COUNT}"),
        ("/predict", b'{"inputs": "a", "parameters": {"top_k": "1"}}', f"parameters.{_COUNT}"),
        (
            "/predict",
            b'{"inputs": "a", "parameters": {"k": 1}}',
            "parameters.k: there is no such field; there are: top_k",
        ),
        (
            "/predict",
            b'{"inputs": "a", "model": "two"}',
            "model: there is no such field; there are: inputs, adapter, top_k, parameters",
        ),
        (
            "/predict",
            b'{"inputs": "a", "top_k": 1, "parameters": {"top_k": 2}}',
            "top_k: 1 beside inputs, 2 in parameters; give it once",
        ),
        (
            "/predict",
            b'{"inputs": "a", "adapter": 1}',
            "adapter: an adapter's name is wanted, a text of at most 300 characters",
        ),
        (
            "/predict",
            b'{"inputs": ',
            "the body is no JSON: Expecting value (character 11)",
        ),
        (
            "/predict",
            b"[]",
            "body: a JSON object is wanted, with Content-Type: application/json",
        ),
        ("/why", b'{"inputs": ["a"]}', "inputs: one text is wanted, and no empty one"),
    ],
)
def test_a_refusal_says_what_is_wanted(
    server: TestClient, path: str, body: bytes, said: str
) -> None:
    answer = server.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"] == said


def test_a_refusal_says_what_there_is(server: TestClient) -> None:
    answer = server.post("/predict", json={"inputs": "a", "adapter": "five"}).json()
    assert answer["error_type"] == "unknown"
    assert "two, three, four, words, probe" in answer["error"]
    near = server.post("/predict", json={"inputs": "a", "adapter": "tree"}).json()["error"]
    assert "the nearest is three" in near


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b"nul\x00l"])
def test_a_body_that_is_no_json(server: TestClient, content: bytes) -> None:
    answer = server.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error_type"] == "validation"


def test_a_body_that_is_too_large_said_or_not(deck: Deck) -> None:
    def drops() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    with client(deck, body=1000) as server:
        assert server.post("/predict", content=b" " * 1001).status_code == 413
        assert server.post("/predict", content=drops()).status_code == 413
        assert server.post("/predict", json={"inputs": "small"}).status_code == 200


def test_other_paths_and_methods(server: TestClient) -> None:
    assert server.get("/nothing").status_code == 404
    assert server.get("/predict").status_code == 405
    assert set(server.get("/predict").json()) == {"error", "error_type"}


def test_the_two_answers_of_another_form(deck: Deck) -> None:
    not_begun = TestClient(create_app(deck, Limits()))  # which stands as one that ends
    answer = not_begun.get("/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "ending"})
    with listening(deck) as port:
        head, _, body = exchange(port, b"no HTTP at all\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: text/plain" in head.lower()
    assert b"HTTP" in body


def test_a_token_is_asked_for_where_there_is_one(deck: Deck) -> None:
    with client(deck, token="öpen sesame") as server:
        assert server.post("/predict", json={"inputs": "a"}).status_code == 401
        assert server.get("/adapters").status_code == 401
        assert server.get("/metrics").status_code == 401
        wrong = {"Authorization": "Bearer open"}
        refused = server.get("/adapters", headers=wrong)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        right = {"Authorization": "Bearer öpen sesame".encode()}
        assert server.get("/adapters", headers=right).status_code == 200
        for path in ("/", "/health", "/ready", "/page.js", "/page.css"):
            assert server.get(path).status_code == 200


def test_the_adapters_are_told(server: TestClient) -> None:
    told = {entry["name"]: entry for entry in server.get("/adapters").json()}
    assert list(told) == ["two", "three", "four", "words", "probe"]
    assert told["four"]["labels"] == [f"class {k}" for k in range(4)]
    assert told["words"]["backbone"] is None


def test_health_readiness_and_schema(server: TestClient) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    assert server.get("/ready").json() == {"status": "ready"}
    schema = server.get("/openapi.json").json()
    assert {"/predict", "/why", "/adapters", "/health", "/ready", "/metrics"} <= set(
        schema["paths"]
    )
    assert "429" in schema["paths"]["/predict"]["post"]["responses"]


def test_the_counts_are_prometheus_text(server: TestClient) -> None:
    server.post("/predict", json={"inputs": tiny.texts(3), "adapter": "three"})
    page = server.get("/metrics").text
    assert 'weft_texts_total{adapter="three"}' in page
    assert 'weft_requests_total{path="/predict",status="200"}' in page


def test_too_long_is_said_and_the_server_goes_on(deck: Deck) -> None:
    with client(stuck(deck, 0.3), seconds=0.05) as server:
        answer = server.post("/predict", json={"inputs": "a"})
        assert answer.status_code == 504
        assert answer.json()["error_type"] == "timeout"
        assert server.get("/health").status_code == 200


def test_a_full_queue_asks_to_come_again(deck: Deck) -> None:
    with client(deck, queue=2) as server:
        answer = server.post("/predict", json={"inputs": ["a", "b", "c"]})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert server.post("/predict", json={"inputs": ["a", "b"]}).status_code == 200


def test_which_words_carried_it(server: TestClient) -> None:
    text = " ".join(tiny.texts(2, seed=8))
    answer = server.post("/why", json={"inputs": text, "adapter": "three"})
    assert answer.status_code == 200
    found = answer.json()
    assert [word["word"] for word in found["words"]] == text.split()
    assert all(text[w["begin"] :].startswith(w["word"]) for w in found["words"])
    carried = sum(word["score"] for word in found["words"])
    assert carried == pytest.approx(found["score"] - found["without"], abs=1e-5)
    again = server.post("/why", json={"inputs": text, "adapter": "three"}).json()
    assert [w["score"] for w in again["words"]] == pytest.approx(
        [w["score"] for w in found["words"]], abs=1e-5
    )
    blank = server.post("/why", json={"inputs": " \n", "adapter": "three"})  # no word, no value
    assert (blank.status_code, blank.json()["words"]) == (200, [])
    assert server.post("/why", json={"inputs": "word " * 200}).status_code == 413


@pytest.mark.parametrize("text", [" ", "\u0085"])
def test_white_space_has_no_words_to_weigh(server: TestClient, text: str) -> None:
    answer = server.post("/why", json={"inputs": text})
    assert answer.status_code == 200
    assert answer.json()["words"] == []


def test_no_text_stands_in_the_log(deck: Deck) -> None:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(_Json().format(record))

    logger = logging.getLogger("weft.serve")
    keep, level = Keep(), logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.INFO)
    try:
        with client(deck) as server:
            server.post("/predict", json={"inputs": f"{SECRET} here"})
            server.post("/why", json={"inputs": f"{SECRET} here"})
            server.post("/predict", json={"inputs": SECRET, "adapter": SECRET})
            server.get(f"/{SECRET}?q={SECRET}")
    finally:
        logger.removeHandler(keep)
        logger.setLevel(level)
    told = [json.loads(line) for line in lines]
    asked = [line for line in told if line["event"] == "request"]
    assert [line["status"] for line in asked] == [200, 200, 404, 404]
    assert asked[0] | {"time": 0, "milliseconds": 0} == {
        "time": 0,
        "level": "info",
        "event": "request",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "milliseconds": 0,
        "adapter": "two",
        "texts": 1,
    }
    assert not any(SECRET in line for line in lines)


def test_the_page_asks_nobody_but_its_own_server(server: TestClient) -> None:
    answer = server.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for path in ("/", "/page.js", "/page.css"):
        text = server.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text
