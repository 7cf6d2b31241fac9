import json

import pytest

from clarion.base.names import NameTable
from clarion.cli.main import main
from clarion.denoise.parametrization import PARAMETRIZATIONS
from clarion.verify import suite
from clarion.verify.suite import CHAPTERS, Chapter
from clarion.verify.suite.parametrizations import examine_parametrization


@pytest.fixture
def broken_flow(monkeypatch):
    """The prediction type `flow` with the wrong sign."""

    def wrong(alpha, sigma, sigma_data):
        skip, out = PARAMETRIZATIONS["flow"](alpha, sigma, sigma_data)
        return skip, -out

    table = NameTable("prediction type", dict(PARAMETRIZATIONS) | {"flow": wrong})
    chapters = dict(CHAPTERS) | {"parametrization": Chapter(table, examine_parametrization)}
    monkeypatch.setattr(suite, "CHAPTERS", NameTable("chapter", chapters))


def test_what_holds_is_said_in_a_line_each(capsys):
    assert main(["verify", "parametrization/v", "score"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["ok", "parametrization/v", "15", "of", "15"]
    assert lines[2].startswith("30 of 30 properties hold.")


def test_what_fails_is_named_with_its_value_and_its_window(broken_flow, capsys):
    assert main(["verify", "parametrization/flow"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("FAILED parametrization/flow 10 of 15 hold")
    assert "flow: error of x0 on vp_linear is" in out
    assert "NOT allowed; it must be: at most 1e-10" in out


def test_json_holds_every_finding(broken_flow, capsys):
    assert main(["verify", "v", "parametrization/flow", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert [report["passed"] for report in content["reports"]] == [True, False]
    assert content["passed"] is False
    finding = content["reports"][0]["findings"][0]
    assert {"subject", "what", "measured", "low", "high", "setting", "passed"} <= set(finding)


def test_the_report_is_one_page(tmp_path, capsys):
    assert main(["verify", "parametrization", "--out", str(tmp_path / "report")]) == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "prediction type edm" in page
    assert "90 of 90 properties hold." in page
    assert "index.html" in capsys.readouterr().out.replace("\n", "")


def test_list_names_everything_and_examines_nothing(capsys):
    assert main(["verify", "--list"]) == 0
    names = capsys.readouterr().out.split()
    assert {"sampler/ddim", "guidance/cfg", "process/edm", "sampler/edm"} <= set(names)


def test_an_unknown_name_is_one_line(capsys):
    assert main(["verify", "hune"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("clarion: Unknown subject 'hune'. Did you mean 'heun'? Known: ")
    assert message.count("\n") == 1


def test_a_place_that_cannot_be_written_to_is_refused_before_the_work(monkeypatch, capsys):
    monkeypatch.setattr(suite, "_report", lambda kind, name: pytest.fail("it ran"))
    assert main(["verify", "v", "--out", "report.pdf"]) == 1
    assert "A report is a folder, .html or .md" in capsys.readouterr().err
