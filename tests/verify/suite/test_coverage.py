"""Whatever is registered is examined; what has no known answer fails."""

from dataclasses import replace

import pytest

from clarion.base.errors import UnknownNameError
from clarion.base.names import NameTable
from clarion.denoise import Estimate
from clarion.denoise.parametrization import PARAMETRIZATIONS
from clarion.guide import CFG
from clarion.guide.tables import GUIDANCE, TOKEN_GUIDANCE
from clarion.process.tables import GRIDS, PROCESSES
from clarion.sample import SAMPLERS, TOKEN_SAMPLERS, Sampler
from clarion.sample.heun import HeunSampler
from clarion.verify import suite
from clarion.verify.suite import CHAPTERS, Chapter, examine, subjects
from clarion.verify.suite.grids import examine_grid
from clarion.verify.suite.guidance import examine_guidance
from clarion.verify.suite.parametrizations import examine_parametrization
from clarion.verify.suite.processes import examine_process
from clarion.verify.suite.samplers import examine_sampler
from clarion.verify.suite.token_guidance import examine_token_guidance
from clarion.verify.suite.token_samplers import examine_token_sampler


def test_every_table_of_gaussian_diffusion_is_walked():
    expected = [*PROCESSES, *GRIDS, *PARAMETRIZATIONS, *SAMPLERS, *GUIDANCE]
    gaussian = ("process", "grid", "parametrization", "sampler", "guidance")
    assert [name for kind, name in subjects() if kind in gaussian] == expected


def test_every_table_of_tokens_is_walked():
    expected = [*TOKEN_SAMPLERS, *TOKEN_GUIDANCE]
    tokens = ("token_sampler", "token_guidance")
    assert [name for kind, name in subjects() if kind in tokens] == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("heun",), [("sampler", "heun")]),
        (("edm",), [("process", "edm"), ("parametrization", "edm"), ("sampler", "edm")]),
        (("sampler/edm",), [("sampler", "edm")]),
        (("guidance", "ddim"), [("sampler", "ddim"), *(("guidance", name) for name in GUIDANCE)]),
    ],
)
def test_a_name_finds_all_that_bears_it(asked, expected):
    assert subjects(asked) == expected


def test_an_unknown_name_is_refused_with_the_nearest():
    message = r"Unknown subject 'dpmp_2m'\. Did you mean 'dpmpp_2m'"
    with pytest.raises(UnknownNameError, match=message):
        subjects(["heun", "dpmp_2m"])


class Tokens(Sampler):
    """A sampler of another kind."""

    order, is_stochastic = 1, True
    plan = begin = draw = step = lambda *arguments: None


@pytest.mark.parametrize(
    "report",
    [
        lambda: examine_guidance("my_rule", CFG),
        lambda: examine_parametrization("my_prediction", PARAMETRIZATIONS["v"]),
        lambda: examine_sampler("my_tokens", Tokens()),
        lambda: examine_token_sampler("my_tokens", Tokens),
        lambda: examine_token_guidance("my_rule", CFG),
        lambda: examine_process("my_process", PROCESSES["flow"]()),
        lambda: examine_grid("my_grid", GRIDS["karras"]()),
    ],
)
def test_what_has_no_known_answer_fails(report):
    (finding,) = report().findings
    assert not finding.passed
    assert "no table of known answers" in finding.problem or "no examination" in finding.problem


def test_what_breaks_is_reported_and_the_others_are_still_examined(monkeypatch):
    def breaks(name, entry):
        raise RuntimeError("no such file")

    table = NameTable("chapter", dict(CHAPTERS) | {"grid": Chapter(GRIDS, breaks)})
    monkeypatch.setattr(suite, "CHAPTERS", table)
    broken, whole = examine(["karras", "parametrization/v"])
    assert str(broken.failures[0]) == "karras: examination: it raised RuntimeError: no such file"
    assert whole.passed


def test_a_sampler_that_gives_nan_is_reported_as_that(monkeypatch):
    class NotANumber(HeunSampler):
        def step(self, stage, state, estimate, noise):
            return super().step(stage, state, Estimate(estimate.mean / 0), noise)

    samplers = NameTable("sampler", {"mine": NotANumber})
    chapter = replace(CHAPTERS["sampler"], table=samplers)
    monkeypatch.setattr(suite, "CHAPTERS", NameTable("chapter", {"sampler": chapter}))
    (report,) = examine()
    (finding,) = report.failures
    assert finding.problem.startswith("it raised SamplingError: ")
    assert "are not finite" in finding.problem
