"""Answers are on disk before they are acknowledged; what is foreign or wrong is refused."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from clarion.base.errors import ClarionError
from clarion.listen.answers import read_folder
from clarion.listen.build import build
from clarion.listen.key import Key
from clarion.listen.records import MOST_BYTES
from clarion.listen.serve import ListenServer

pytest.importorskip("pyloudnorm")
pytest.importorskip("soxr")

AT = "2026-01-02T03:04:05.678Z"


@pytest.fixture
def folder(clips: Path, study, tmp_path: Path) -> Path:
    build(study(), clips, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def server(folder: Path) -> Iterator[ListenServer]:
    with ListenServer(folder, port=0) as served:
        thread = Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ask(
    server: ListenServer, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(
        method, path, content, kind | {k.replace("_", "-"): v for k, v in headers.items()}
    )
    reply = connection.getresponse()
    found = reply.status, reply.read(), reply.headers
    connection.close()
    return found


def start(key: Key, listener: int = 0) -> dict[str, Any]:
    code = key.sessions[listener].code
    given = {"kind": "start", "study": key.id, "listener": code, "at": AT}
    return given | {"device": "headphones", "tones_right": 6}


def answer(key: Key, trial: int, value: int = 50, listener: int = 0) -> dict[str, Any]:
    asked = key.sessions[listener]
    shown = key.shown(asked.trials[trial])
    return {
        "kind": "trial",
        "study": key.id,
        "listener": asked.code,
        "at": AT,
        "trial": trial,
        "ratings": [{"clip": clip, "scale": "clarity", "value": value} for clip in shown],
        "plays": dict.fromkeys(shown, 2),
        "heard_s": dict.fromkeys(shown, 3.25),
        "seconds": 41.5,
    }


def test_the_page_is_served_and_nothing_else(server, folder):
    status, content, headers = ask(server, "GET", "/index.html?listener=0")
    assert (status, content) == (200, (folder / "page" / "index.html").read_bytes())
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert ask(server, "GET", "/")[1] == content
    assert ask(server, "HEAD", "/")[:2] == (200, b"")
    hidden = [
        "/key.json",
        "/../key.json",
        "/%2e%2e/key.json",
        "//etc/passwd",
        "/clips",
        "/answers/",
    ]
    for path in [*hidden, "/listeners/", "/links.txt", "/answers/0000", "/answers/.lock"]:
        assert ask(server, "GET", path)[0] == 404, path


def test_an_answer_is_written_once(server, folder):
    key = server.key
    code = key.sessions[0].code
    path = f"/answers/{code}"
    assert json.loads(ask(server, "GET", path)[1]) == {"saved": []}
    for record in (start(key), answer(key, 0)):
        assert ask(server, "POST", path, record)[0] == 200
    file = folder / "answers" / f"{code}.jsonl"
    written = file.read_bytes()
    assert [json.loads(line) for line in written.splitlines()] == [start(key), answer(key, 0)]
    assert json.loads(ask(server, "GET", path)[1]) == {"saved": ["start", "trial 0"]}
    # A page that did not hear that it was saved sends it again; another answer is refused.
    again = answer(key, 0) | {"at": "2026-01-02T03:05:05Z"}
    assert ask(server, "POST", path, again)[0] == 200
    assert ask(server, "POST", path, answer(key, 0, value=90))[0] == 409
    assert file.read_bytes() == written


def test_what_was_written_outlives_the_server(server, folder):
    key = server.key
    for trial in (0, 1):
        assert ask(server, "POST", f"/answers/{key.sessions[0].code}", answer(key, trial))[0] == 200
    with pytest.raises(ClarionError, match="Another process is writing"):
        ListenServer(folder, port=0)
    server.answers.close()
    file = folder / "answers" / f"{key.sessions[0].code}.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])  # a kill in the middle of a line
    with ListenServer(folder, port=0) as second:
        assert list(second.answers.answers[key.sessions[0].code]) == ["trial 0", "trial 1"]
        assert file.read_bytes() == whole


def changed(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return record | changes


WRONG = {
    "another study": lambda key: changed(start(key), study="0123"),
    "another listener": lambda key: start(key, listener=1),
    "no kind": lambda key: changed(start(key), kind="begin"),
    "a missing key": lambda key: {k: v for k, v in start(key).items() if k != "device"},
    "an unknown key": lambda key: changed(start(key), name="me"),
    "a wrong type": lambda key: changed(start(key), tones_right="6"),
    "no device": lambda key: changed(start(key), device="<script>"),
    "no time": lambda key: changed(start(key), at="yesterday"),
    "simulated": lambda key: changed(start(key), simulated=True),
    "no such trial": lambda key: changed(answer(key, 0), trial=99),
    "a trial before the first": lambda key: changed(answer(key, 0), trial=-1),
    "clips of another trial": lambda key: changed(answer(key, 1), trial=2),
    "a value beyond the scale": lambda key: answer(key, 0, value=101),
    "half a point": lambda key: answer(key, 0, value=50.5),  # pyright: ignore
    "one answer twice": lambda key: changed(answer(key, 0), ratings=answer(key, 0)["ratings"] * 2),
    "no answer": lambda key: changed(answer(key, 0), ratings=[]),
    "time that ran backwards": lambda key: changed(answer(key, 0), seconds=-1.0),
    "a clip that is not played": lambda key: changed(answer(key, 0), plays={"abc": 1}),
    "a list": lambda key: [start(key)],
    "NaN": lambda key: json.dumps(changed(answer(key, 0), seconds=float("nan"))).encode(),
    "no JSON": lambda key: b"{",
    "no text": lambda key: b"\xff\xfe",
    "deep brackets": lambda key: b"[" * 60_000,
    "a long comment": lambda key: {
        **{k: start(key)[k] for k in ("study", "listener", "at")},
        "kind": "end",
        "comment": "x" * 2001,
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(server, folder, name):
    path = f"/answers/{server.key.sessions[0].code}"
    status, text, _ = ask(server, "POST", path, WRONG[name](server.key))
    assert status == 400, text
    assert b"Traceback" not in text
    assert not list((folder / "answers").glob("*.jsonl"))


def test_what_is_foreign_is_refused(server, folder):
    path = f"/answers/{server.key.sessions[0].code}"
    record = start(server.key)
    assert ask(server, "POST", "/answers/0000", record)[0] == 404
    assert ask(server, "POST", path, record, Origin="https://elsewhere.example")[0] == 403
    assert ask(server, "POST", path, record, Content_Type="text/plain")[0] == 415
    assert ask(server, "POST", path, b" " * (MOST_BYTES + 1))[0] == 413
    assert ask(server, "PUT", path, record)[0] == 501
    assert not list((folder / "answers").glob("*.jsonl"))
    own = f"http://127.0.0.1:{server.server_port}"
    assert ask(server, "POST", path, record, Origin=own)[0] == 200


FULL_DISK = """
import resource, sys
from pathlib import Path
from clarion.listen.answers import ANSWERS, AnswerFolder
from clarion.listen.key import Key
from clarion.listen.records import parse_record

folder, *lines = sys.argv[1:]
key = Key.read(Path(folder))
first, second, third = (parse_record(line.encode(), key, "it") for line in lines)
answers = AnswerFolder(Path(folder) / ANSWERS, key)
answers.add(first)
file = Path(folder) / ANSWERS / f"{first.listener}.jsonl"
limit = file.stat().st_size + 60
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    answers.add(second)
    sys.exit("it was written")
except OSError:
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
answers.add(third)
"""


def test_a_full_disk_leaves_whole_lines(folder):
    """A write that stops in the middle of a record is taken back, and the next one is whole."""
    key = Key.read(folder)
    lines = [json.dumps(record) for record in (start(key), answer(key, 0), answer(key, 1))]
    subprocess.run([sys.executable, "-c", FULL_DISK, str(folder), *lines], check=True)
    (records,) = read_folder(folder / "answers", key).values()
    assert list(records) == ["start", "trial 1"]


@pytest.mark.parametrize("url", ["https://Tests.example/hearing/", "https://tests.example:443"])
def test_pages_of_the_url_are_its_own(folder, url):
    """A proxy asks by the server's own address, for pages of another."""
    with ListenServer(folder, port=0, url=url) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        path, record = f"/answers/{server.key.sessions[0].code}", start(server.key)
        statuses = [
            ask(server, "POST", path, record, Origin=origin)[0]
            for origin in ("https://elsewhere.example", "null", "https://tests.example")
        ]
        server.shutdown()
        thread.join()
    assert statuses == [403, 403, 200]
    with pytest.raises(ClarionError, match="url must begin with http"):
        ListenServer(folder, port=0, url="tests.example:8000")


def test_files_that_contradict_each_other_are_named(folder):
    key = Key.read(folder)
    code = key.sessions[0].code
    (folder / "answers").mkdir()
    lines = [json.dumps(answer(key, 0, value)) + "\n" for value in (10, 20)]
    (folder / "answers" / f"{code}.jsonl").write_text("".join(lines))
    with pytest.raises(ClarionError, match=rf"{code}\.jsonl, line 2: another answer to trial 0"):
        read_folder(folder / "answers", key)


def test_a_folder_without_a_study(tmp_path):
    with pytest.raises(ClarionError, match=r"key\.json is missing"):
        ListenServer(tmp_path, port=0)
