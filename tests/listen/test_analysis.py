"""From answers to a verdict: numbers known beforehand come out, and who cheats is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clarion.base.errors import ClarionError
from clarion.cli.main import main
from clarion.listen.analysis import Interval, analyse, holds
from clarion.listen.answers import Answers
from clarion.listen.design import DESIGNS
from clarion.listen.key import Key, Session
from clarion.listen.order import session
from clarion.listen.power import power
from clarion.listen.records import Rating, TrialAnswer
from clarion.listen.report import page
from clarion.listen.responses import tabulate
from clarion.listen.simulation import ListenerModel, simulate
from clarion.listen.study import ANCHOR, TRAP, Claim, Screening, Study

ITEMS = tuple(f"u{number:02}" for number in range(10))
CLAIMS = {"multi_stimulus": 20.0, "acr": 20.0, "p835": 20.0, "ccr": 0.5, "ab": 60.0}
EXACT = ListenerModel(
    sd_listener=0, sd_item=0, sd_listener_system=0, sd_item_system=0, sd_residual=0
)


def key_of(design: str, **changes: object) -> Key:
    """A key without clips: opaque names are enough to answer."""
    given = {
        "title": "Clear speech",
        "systems": ("noisy", "other", "ours"),
        "baseline": "noisy",
        "reference": "clean",
        "num_listeners": 6,
        "claim": Claim("ours", CLAIMS[design]),
    }
    study = Study(design=design, **given | changes)  # pyright: ignore
    sessions = tuple(
        Session(f"{n:04x}", session(study, ITEMS, n), tuple(s.name for s in study.scales))
        for n in range(study.num_listeners)
    )
    names = ("noisy", "other", "ours", "clean", ANCHOR, TRAP)
    clips = {item: {c: f"{item}{c[::-1]}" for c in names} for item in ITEMS}
    return Key(1, "0", "abc", study, clips, {}, sessions)


def rated(key: Key, value: Callable[[int, str, str], int]) -> Answers:
    """Answers of which `value` says each, by listener, item and condition; marked as simulated."""
    answers = simulate(key, 20.0, model=EXACT)
    for number, asked in enumerate(key.sessions):
        for name, record in answers[asked.code].items():
            if isinstance(record, TrialAnswer):
                trial = asked.trials[record.trial]
                ratings = tuple(
                    Rating(key.clips[trial.item][c], "clarity", value(number, trial.item, c))
                    for c in trial.conditions
                )
                answers[asked.code][name] = replace(record, ratings=ratings)
    return answers


def plain(listener: int, item: str, condition: str) -> int:
    """Ratings whose means are known: 40 + 2 l + j for the baseline, 8 more for the others."""
    known = {"clean": 100, ANCHOR: 20, TRAP: 0}
    base = 40 + 2 * listener + ITEMS.index(item)
    return known.get(condition, base + (0 if condition == "noisy" else 8))


def test_means_and_gains_are_what_was_rated():
    key = key_of("multi_stimulus")
    found = analyse(tabulate(key, rated(key, plain)))
    assert found.kept == 6
    means = {c: interval.value for c, interval in found.means["clarity"].items()}
    # 40 + 2 x 2.5 + 4.5 on average
    assert means == {"noisy": 49.5, "other": 57.5, "ours": 57.5, "clean": 100, ANCHOR: 20}
    for comparison in found.comparisons:
        assert comparison.effect.value == pytest.approx(100 * 8 / 49.5)
        assert comparison.p == 2 / 2**6  # all six listeners agree
        assert comparison.p_holm == 4 / 2**6
        assert comparison.model is None  # all differences are 8
        expected = {1 + listener: 800 / (44.5 + 2 * listener) for listener in range(6)}
        assert comparison.by_listener == pytest.approx(expected)
    assert found.verdict == "not shown"  # 16 % is not 20 %


def test_a_listener_who_misses_the_reference_is_left_out():
    def value(listener: int, item: str, condition: str) -> int:
        missed = {3: 1, 4: 2}.get(listener, 0)  # of 10 items
        if condition == "clean" and ITEMS.index(item) < missed:
            return 60
        return plain(listener, item, condition)

    key = key_of("multi_stimulus", traps=0)
    found = analyse(tabulate(key, rated(key, value)))
    why = [words for _, words in found.listeners]
    # One miss of 10 items is no more than 15 %, two are.
    assert why[3] == ()
    assert why[4] == ("rated the hidden reference under 90 on 20 % of the items",)
    assert (len(found.listeners), found.kept) == (6, 5)


def test_one_single_miss_leaves_nobody_out():
    """Of five items one is 20 %."""

    def value(listener: int, item: str, condition: str) -> int:
        return 60 if (condition, item) == ("clean", ITEMS[0]) else plain(listener, item, condition)

    key = key_of("multi_stimulus", traps=0, screening=Screening(share_of_items=0.05))
    assert analyse(tabulate(key, rated(key, value))).kept == 6


def test_who_likes_the_anchor_or_misses_traps_is_left_out():
    def value(listener: int, item: str, condition: str) -> int:
        if (listener, condition) == (1, ANCHOR):
            return 95
        if (listener, condition) == (2, TRAP):
            return 100
        return plain(listener, item, condition)

    key = key_of("multi_stimulus")
    why = [words for _, words in analyse(tabulate(key, rated(key, value))).listeners]
    assert why[1] == ("rated the anchor over 90 on 100 % of the items",)
    assert why[2] == ("missed 3 of 3 traps",)
    assert [bool(words) for words in why] == [False, True, True, False, False, False]


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_finds_what_is_there(design):
    key = key_of(design, num_listeners=8)
    found = analyse(tabulate(key, simulate(key, 60.0, seed=1)))
    assert found.is_simulated
    assert found.verdict == "shown"
    assert all(comparison.effect.low <= comparison.effect.value for comparison in found.comparisons)
    assert not any(words for _, words in found.listeners)
    same = analyse(tabulate(key, simulate(key, 0.0, seed=1)))
    assert same.verdict == "not shown"


@pytest.mark.parametrize("design", ["ccr", "ab"])
def test_the_order_of_a_pair_does_not_matter(design):
    """Listeners without chance always say the same of a system, first or second."""
    key = key_of(design)
    found = analyse(tabulate(key, simulate(key, 60.0, model=EXACT)))
    value = {"ccr": 2.0, "ab": 100.0}[design]  # 30 points are 2 steps of 15
    assert [c.effect for c in found.comparisons] == [Interval(value, value, value)] * 2


def test_p835_has_a_claim_on_one_question():
    key = key_of("p835", claim=Claim("ours", 20.0, "estimated", "BAK"))
    answers = simulate(key, 60.0, seed=2)
    for records in answers.values():
        for name, record in records.items():
            if isinstance(record, TrialAnswer):  # background bad throughout
                ratings = tuple(
                    replace(r, value=1) if r.scale == "BAK" else r for r in record.ratings
                )
                records[name] = replace(record, ratings=ratings)
    found = analyse(tabulate(key, answers))
    assert found.verdict == "not shown"
    assert {c.scale for c in found.comparisons} == {"SIG", "BAK", "OVRL"}


def test_two_levels_of_a_claim():
    estimated, proved = Claim("ours"), Claim("ours", 20.0, "proved")
    for interval, expected in (
        (Interval(25, 1, 50), (True, False)),
        (Interval(25, -1, 50), (False, False)),
        (Interval(19, 10, 30), (False, False)),
        (Interval(40, 20, 60), (True, True)),
    ):
        assert (holds(interval, estimated, "gain"), holds(interval, proved, "gain")) == expected
    assert not holds(Interval(70, 49, 90), Claim("ours", 60.0), "share")  # 50 % is no preference


def test_who_has_not_finished_counts_if_asked_for():
    key = key_of("multi_stimulus")
    answers = rated(key, plain)
    last = answers[key.sessions[0].code]
    for name in [n for n in last if n.startswith("trial")][-3:]:
        del last[name]
    found = analyse(tabulate(key, answers))
    assert found.listeners[0][1] == ("has not finished",)
    assert found.kept == 5
    assert analyse(tabulate(key, answers), include_unfinished=True).kept == 6


def test_unfinished_listeners_count_by_what_they_answered():
    """One said nothing of a system, which is no difference from the baseline."""
    key = key_of("ccr")
    answers = simulate(key, 60.0, model=EXACT)
    code = key.sessions[0].code
    for name, record in list(answers[code].items()):
        if isinstance(record, TrialAnswer):
            trial = key.sessions[0].trials[record.trial]
            if trial.kind == "test" and "ours" in trial.conditions:
                del answers[code][name]
    found = analyse(tabulate(key, answers), include_unfinished=True)
    ours = next(c for c in found.comparisons if c.system == "ours")
    assert list(ours.by_listener) == [2, 3, 4, 5, 6]
    assert ours.p == 2 / 2**5  # five listeners agree, and the sixth says nothing


def test_unfinished_listeners_are_screened_by_what_they_answered():
    def value(listener: int, item: str, condition: str) -> int:
        if (listener, condition) == (0, "clean") and ITEMS.index(item) < 2:
            return 60
        return plain(listener, item, condition)

    key = key_of("multi_stimulus", traps=0)
    answers = rated(key, value)
    code = key.sessions[0].code
    for name, record in list(answers[code].items()):
        if isinstance(record, TrialAnswer):
            trial = key.sessions[0].trials[record.trial]
            if ITEMS.index(trial.item) >= 4:
                del answers[code][name]
    found = analyse(tabulate(key, answers), include_unfinished=True)
    assert found.listeners[0][1] == ("rated the hidden reference under 90 on 50 % of the items",)
    assert all(list(c.by_listener) == [2, 3, 4, 5, 6] for c in found.comparisons)


@pytest.mark.parametrize("num_listeners", [2, 3, 10])
def test_unanimous_choices_are_analysed(num_listeners):
    """All choose alike, "ours" for six of ten items: what differs are the items alone."""
    key = key_of("ab", systems=("noisy", "ours"), num_listeners=num_listeners, traps=0)
    answers = simulate(key, 20.0, model=EXACT)
    for asked in key.sessions:
        for name, record in answers[asked.code].items():
            if isinstance(record, TrialAnswer):
                trial = asked.trials[record.trial]
                is_second = (ITEMS.index(trial.item) < 6) == (trial.conditions[1] == "ours")
                (rating,) = record.ratings
                rating = replace(rating, value=1 if is_second else -1)
                answers[asked.code][name] = replace(record, ratings=(rating,))
    (found,) = analyse(tabulate(key, answers)).comparisons
    assert found.effect.value == pytest.approx(60)
    assert found.model is not None
    assert found.model.mean == pytest.approx(0.2)
    assert found.model.sd_item == pytest.approx((0.96 * 10 / 9) ** 0.5, rel=1e-4)
    assert found.model.sd_listener == pytest.approx(0, abs=1e-3)


def test_a_baseline_that_a_draw_rates_0_is_refused():
    """One of six listeners heard anything in it, and a third of all draws are without him."""

    def value(listener: int, item: str, condition: str) -> int:
        return 0 if condition == "noisy" and listener else plain(listener, item, condition)

    key = key_of("multi_stimulus", traps=0)
    with pytest.raises(ClarionError, match="rated 0 throughout, or by so many"):
        analyse(tabulate(key, rated(key, value)))


def test_listeners_keep_their_numbers(tmp_path: Path):
    def value(listener: int, item: str, condition: str) -> int:
        return 60 if (listener, condition) == (1, "clean") else plain(listener, item, condition)

    key = key_of("multi_stimulus", traps=0)
    found = analyse(tabulate(key, rated(key, value)))
    (chart,) = (c for s in page(found).sections for c in s.charts if "alone" in c.title)
    for dots in chart.series:
        assert list(dots.x) == [1, 3, 4, 5, 6]
        assert dots.y == pytest.approx([800 / (42.5 + 2 * number) for number in dots.x])


def test_what_cannot_be_analysed_is_said():
    key = key_of("multi_stimulus")
    with pytest.raises(ClarionError, match="no answers to this study yet"):
        tabulate(key, {})
    answers = rated(key, plain)
    mixed = {code: dict(records) for code, records in answers.items()}
    first = mixed[key.sessions[0].code]
    mixed[key.sessions[0].code] = {n: replace(r, simulated=False) for n, r in first.items()}
    with pytest.raises(ClarionError, match="cannot be mixed"):
        tabulate(key, mixed)
    nothing = rated(key, lambda listener, item, condition: 0 if condition != "clean" else 50)
    with pytest.raises(ClarionError, match=r"of 6 there stay 0\. listener 1 "):
        analyse(tabulate(key, nothing))
    silent = rated(key, lambda i, item, c: {"clean": 100, "ours": 9, TRAP: 0}.get(c, 0))
    with pytest.raises(ClarionError, match="rated 0 throughout"):
        analyse(tabulate(key, silent))


def run(*words: object) -> int:
    return main(["listen", *map(str, words)])


def test_by_the_commands(clips, tmp_path: Path, capsys):
    pytest.importorskip("pyloudnorm")
    pytest.importorskip("soxr")
    study = {
        "title": "Clear speech",
        "design": "multi_stimulus",
        "systems": ["noisy", "ours"],
        "baseline": "noisy",
        "reference": "clean",
        "claim": {"system": "ours"},
    }
    (tmp_path / "STUDY.json").write_text(json.dumps(study))
    folder = tmp_path / "STUDY"
    assert run("build", tmp_path / "STUDY.json", "--clips", clips) == 0
    assert len((folder / "links.txt").read_text().splitlines()) == 10
    assert run("analyse", folder) == 1
    assert "no answers to this study yet" in capsys.readouterr().err
    assert run("simulate", folder, "--gain", "60") == 0
    assert run("analyse", folder) == 1  # what is simulated is no answer
    capsys.readouterr()
    assert run("analyse", folder, "--simulated") == 0
    assert capsys.readouterr().out.startswith("SIMULATED LISTENERS")
    report = folder / "report_simulated"
    for name in ("index.html", "report.md"):
        text = (report / name).read_text()
        assert text.count("SIMULATED LISTENERS") >= 3
        assert "Nobody has listened" in text
        assert "10 before screening, 10 after" in text
    content = json.loads((report / "report.json").read_text())
    assert content["simulated"] is True
    assert content["verdict"] == "shown"
    assert (report / "report").is_dir()  # pictures
    assert run("serve", tmp_path / "none") == 1
    assert "key.json is missing" in capsys.readouterr().err
    assert run("power", "--studies", "3", "--gain", "40", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True
    assert found["rows"][0]["above_0"]["value"] == 1
    assert run("build", tmp_path / "STUDY.json", "--clips", clips) == 1
    assert "exists" in capsys.readouterr().err
    assert run("anlyse") == 1
    assert "Did you mean 'analyse'" in capsys.readouterr().err


def test_chance_alone_is_rarely_taken_for_a_gain():
    none, much = (power(8, 12, gain, studies=40) for gain in (0.0, 60.0))
    assert none.above_0.value <= 0.05  # 2.5 % are expected of an exact interval, and it is wide
    assert none.proved.value == 0
    assert much.above_0.value == much.by_model.value == 1
