"""`--push` against a stand-in of the hub's HTTP interface."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from weft.errors import ConfigError
from weft.release.push import push

# of huggingface_hub's own upload of large files
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
LARGE = 2_000  # bytes from which the stand-in wants a file as a large one


@dataclass
class Hub:
    """What was asked of it, and what it holds."""

    address: str = ""
    repositories: dict[str, bool] = field(default_factory=dict)  # and whether private
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)  # by sha256
    tokens: set[str | None] = field(default_factory=set)
    summary: str = ""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server that huggingface_hub takes for the hub."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", state.address)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _answer(self, value: Any, status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._answer({"error": "Repository not found"}, 404)

        def do_PUT(self) -> None:
            hub.large[self.path.rpartition("/")[2]] = self._body()
            self._answer({})

        def do_POST(self) -> None:
            body = self._body()
            if not self.path.startswith("/verify"):
                hub.tokens.add(self.headers.get("Authorization"))
            if self.path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked.get('organization', 'me')}/{asked['name']}"
                if name == "others/model":
                    self._answer({"error": "You don't have the rights"}, 403)
                    return
                hub.repositories[name] = asked.get("visibility") == "private"
                self._answer({"url": f"{hub.address}/{name}"})
            elif "/preupload/" in self.path:
                files = json.loads(body)["files"]
                kinds = [
                    ("lfs" if one["size"] > LARGE else "regular", one["path"]) for one in files
                ]
                told = [{"path": p, "uploadMode": k, "shouldIgnore": False} for k, p in kinds]
                self._answer({"files": told})
            elif self.path.endswith("/info/lfs/objects/batch"):
                asked = json.loads(body)["objects"]
                objects = [
                    {
                        "oid": one["oid"],
                        "size": one["size"],
                        "actions": {"upload": {"href": f"{hub.address}/store/{one['oid']}"}},
                    }
                    for one in asked
                ]
                self._answer({"transfer": "basic", "objects": objects})
            elif "/commit/" in self.path:
                for line in body.splitlines():
                    said = json.loads(line)
                    value = said["value"]
                    if said["key"] == "header":
                        hub.summary = value["summary"]
                    elif said["key"] == "file":
                        hub.files[value["path"]] = base64.b64decode(value["content"])
                    elif said["key"] == "lfsFile":
                        hub.files[value["path"]] = hub.large[value["oid"]]
                name = re.search(r"/api/models/([^/]+/[^/]+)/", self.path)
                assert name is not None
                address = f"{hub.address}/{name[1]}/commit/abc"
                self._answer({"commitUrl": address, "commitOid": "abc", "success": True})
            else:
                self._answer({}, 200 if self.path == "/api/validate-yaml" else 404)

    return Handler


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export's files, one of them large."""
    place = tmp_path / "export"
    place.mkdir()
    (place / "README.md").write_text("---\ntags:\n- weft\n---\n# m\n", encoding="utf-8")
    (place / "certificate.json").write_text("{}", encoding="utf-8")
    (place / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return place


def test_every_file_arrives_as_it_is(hub: Hub, folder: Path) -> None:
    address = push(folder, "me/model", private=True)
    assert address == f"{hub.address}/me/model/commit/abc"
    assert hub.repositories == {"me/model": True}
    assert hub.files == {path.name: path.read_bytes() for path in folder.iterdir()}
    large = (folder / "model.safetensors").read_bytes()
    assert hub.large == {hashlib.sha256(large).hexdigest(): large}
    assert hub.tokens == {"Bearer hf_secret"}
    assert "certificate" in hub.summary


def test_a_refusal_says_what_to_do(hub: Hub, folder: Path) -> None:
    with pytest.raises(ConfigError, match="others/model could not be pushed to") as refused:
        push(folder, "others/model")
    assert "HF_TOKEN" in refused.value.remedy
    assert "403" in str(refused.value.found)
    assert not hub.files


@pytest.mark.usefixtures("hub")
def test_a_name_that_is_none(folder: Path) -> None:
    with pytest.raises(ConfigError, match="could not be pushed to"):
        push(folder, "a/b/c")


def test_no_hub_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(ConfigError, match="could not be pushed to"):
        push(folder, "me/model")
