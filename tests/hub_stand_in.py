"""A stand-in for the Hugging Face Hub on this machine: models are folders, each commit has a number."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secret"


@dataclass
class Repo:
    """A model: the files of each commit."""

    private: bool = False
    commits: list[dict[str, bytes]] = field(default_factory=lambda: [{}])
    messages: list[str] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1]

    def commit_of(self, revision: str) -> int | None:
        """The number of a commit that a branch, tag or hash names."""
        if revision == "main":
            return len(self.commits) - 1
        if revision in self.tags:
            return self.tags[revision]
        found = [i for i in range(len(self.commits)) if sha_of(i) == revision]
        return found[0] if found else None


def sha_of(commit: int) -> str:
    return hashlib.sha1(str(commit).encode()).hexdigest()


@dataclass
class Hub:
    """What the server has, and what it was asked."""

    repos: dict[str, Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # "GET /api/models/owner/name/..."
    status: int | None = None  # which it answers to all
    headers: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    address: str = ""

    @property
    def downloaded(self) -> list[str]:
        """The names of the files that were downloaded."""
        found = (re.fullmatch(r"GET /[^/]+/[^/]+/resolve/[^/]+/(.+)", line) for line in self.asked)
        return sorted(match[1] for match in found if match)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *args: Any) -> None:
        """Says nothing."""

    def answer(self, content: Any = b"", status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def repo(self, name: str) -> Repo | None:
        """The model of this name, if whoever asks may see it; else the answer has been given."""
        found = self.hub.repos.get(name)
        if name in self.hub.gated:
            self.answer(status=403, X_Error_Code="GatedRepo")
        elif found is None or (found.private and not self.logged_in):
            self.answer(status=401, X_Error_Code="RepoNotFound")
        else:
            return found
        return None

    @property
    def logged_in(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def handle_all(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.status is not None:
            self.answer(status=self.hub.status, **self.hub.headers)
        elif self.command == "POST":
            self.post(path, body)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self.info(*match.groups())
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.file(*match.groups())
        else:
            self.answer(status=404)

    do_GET = do_HEAD = do_POST = handle_all

    def info(self, name: str, kind: str | None, revision: str | None) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        commit = repo.commit_of(revision or "main")
        if commit is None:
            self.answer(status=404, X_Error_Code="RevisionNotFound")
            return
        files = repo.commits[commit]
        if kind == "tree":
            self.answer(
                [{"type": "file", "path": p, "size": len(c), "oid": etag_of(c)} for p, c in sorted(files.items())]
            )
        else:
            siblings = [{"rfilename": path} for path in sorted(files)]
            self.answer({"id": name, "sha": sha_of(commit), "private": repo.private, "siblings": siblings, "tags": []})

    def file(self, name: str, revision: str, path: str) -> None:
        repo = self.repo(name)
        if repo is None:
            return
        commit = repo.commit_of(revision)
        if commit is None or path not in repo.commits[commit]:
            self.answer(status=404, X_Error_Code="EntryNotFound")
            return
        content = repo.commits[commit][path]
        of_file = {"ETag": f'"{etag_of(content)}"', "X_Repo_Commit": sha_of(commit)}
        self.answer(content, Content_Length=str(len(content)), **of_file)

    def post(self, path: str, body: bytes) -> None:
        if path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif not self.logged_in:
            self.answer({"error": "Invalid username or password."}, status=401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if asked["organization"] == "others":
                self.answer({"error": "You don't have the rights"}, status=403)
                return
            is_new = name not in self.hub.repos
            private = asked.get("visibility") == "private" or asked.get("private") is True
            self.hub.repos.setdefault(name, Repo(private))
            self.answer({"url": f"{self.hub.address}/{name}", "name": name}, status=200 if is_new else 409)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            how = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": file["path"], **how} for file in json.loads(body)["files"]]})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            repo = self.hub.repos[match[1]]
            files = dict(repo.files)
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "header":
                    repo.messages.append(value["summary"])
                elif line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            repo.commits.append(files)
            sha = sha_of(len(repo.commits) - 1)
            self.answer({"commitUrl": f"{self.hub.address}/{match[1]}/commit/{sha}", "commitOid": sha, "success": True})
        else:
            self.answer(status=404)


def etag_of(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A context that gives a running stand-in."""
    hub = Hub()
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
