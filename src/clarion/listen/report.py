"""The report: the claim and whether it holds, who listened, what was rated, how it was computed."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from clarion.base.chart import Chart, Series
from clarion.base.errors import ClarionError
from clarion.base.version import VERSION
from clarion.listen.analysis import Analysis, Comparison, Interval
from clarion.listen.design import EFFECT_WORDS
from clarion.listen.study import Claim, Study
from clarion.run.files import write_json
from clarion.verify.page import Page, Section

SIMULATED_TITLE = "SIMULATED LISTENERS: "
SIMULATED_TEXT = (
    "**Nobody has listened.** The answers were made up by `clarion listen simulate`, to rehearse "
    "the analysis. Nothing here says anything about the systems."
)


def write_report(analysis: Analysis, out: Path) -> list[Path]:
    """Write index.html, report.md with its pictures, and report.json.

    Returns:
        The files.

    Raises:
        ClarionError: if `out` is a file.
    """
    if out.is_file() or out.suffix in (".html", ".md", ".json"):
        raise ClarionError(f"A report is a folder of several files, got {str(out)!r}.")
    out.mkdir(parents=True, exist_ok=True)
    report = page(analysis)
    write_json(out / "report.json", {"clarion": VERSION, **analysis.to_json()})
    return [report.write(out / "index.html"), report.write(out / "report.md"), out / "report.json"]


def page(analysis: Analysis) -> Page:
    """The report of one page."""
    mark = SIMULATED_TITLE if analysis.is_simulated else ""
    sections = [
        Section("The claim", _claim(analysis)),
        *(section for scale in analysis.means for section in _sections(analysis, scale, mark)),
        Section("Who listened", _listeners(analysis)),
        Section("How it was computed", _methods(analysis)),
    ]
    text = SIMULATED_TEXT + "\n\n" if analysis.is_simulated else ""
    text += (
        f"{analysis.items} items, {len(analysis.listeners)} listeners, {analysis.kept} after "
        f"screening. Design: {analysis.study.design}. Intervals are of 95 %. Clarion {VERSION}."
    )
    return Page(mark + analysis.study.title, text, sections)


def claim_words(claim: Claim, study: Study) -> str:
    """A claim as a sentence."""
    unit = EFFECT_WORDS[study.form.effect]
    how = {
        "estimated": "the estimate is at least that, and its 95 % interval lies above no effect",
        "proved": "the whole 95 % interval is at least that",
    }[claim.level]
    about = f" on {claim.scale or study.scales[-1].name}" if len(study.scales) > 1 else ""
    return f"{claim.system} against {study.baseline}{about}: {claim.at_least:g} {unit}; {how}."


def _claim(analysis: Analysis) -> str:
    study, claim = analysis.study, analysis.study.claim
    if claim is None:
        return "None was stated before the test, so nothing here is the proof of one."
    found = next(
        c
        for c in analysis.comparisons
        if (c.scale, c.system) == (claim.scale or study.scales[-1].name, claim.system)
    )
    verdict = {"shown": "**Shown.**", "not shown": "**Not shown.**", None: ""}[analysis.verdict]
    return (
        f"Stated before the test: {_plain(claim_words(claim, study))}\n\n"
        f"{verdict} Measured: {_interval(found.effect)} {EFFECT_WORDS[study.form.effect]}."
    )


def _sections(analysis: Analysis, scale_name: str, mark: str) -> list[Section]:
    study = analysis.study
    scale = next(scale for scale in study.scales if scale.name == scale_name)
    means = analysis.means[scale_name]
    compared = [c for c in analysis.comparisons if c.scale == scale_name]
    words = f"mean answer, {scale.low:g} to {scale.high:g}"
    if study.shown == "pair":
        words += f", above 0: better than {study.baseline}"
    conditions = list(means)
    bars = Series(
        "",
        conditions,
        [means[c].value for c in conditions],
        error=[(means[c].value - means[c].low, means[c].high - means[c].value) for c in conditions],
    )
    dots = [
        Series(c.system, list(c.by_listener), list(c.by_listener.values()), hue=hue)
        for hue, c in enumerate(compared)
    ]
    effect = EFFECT_WORDS[study.form.effect]
    return [
        Section(
            f"{mark}{scale_name}: {scale.question}",
            _means_table(means) + "\n\n" + _comparison_table(analysis, compared),
            charts=[
                Chart(f"{mark}{study.title}", "", words, [bars]),
                Chart(f"{mark}each listener alone", "listener", effect, dots),
            ],
        )
    ]


def _means_table(means: dict[str, Interval]) -> str:
    rows = [[_plain(name), _interval(of)] for name, of in means.items()]
    return _table(["", "mean [95 % interval]"], rows)


def _comparison_table(analysis: Analysis, compared: Sequence[Comparison]) -> str:
    study = analysis.study
    rows = []
    for c in compared:
        model, parts = "no spread", [""] * 3
        if c.model is not None:
            model = _interval(Interval(c.model.mean, c.model.low, c.model.high))
            model += f", p {_p(c.model.p)}"
            sds = (c.model.sd_listener, c.model.sd_item, c.model.sd_residual)
            parts = [f"{sd:.2g}" for sd in sds]
        rows.append([_plain(c.system), _interval(c.effect), _p(c.p), _p(c.p_holm), model, *parts])
    head = [
        f"against {_plain(study.baseline)}", EFFECT_WORDS[study.form.effect], "Wilcoxon p", "Holm",
        "mixed model, points", "sd listeners", "sd items", "sd rest",
    ]  # fmt: skip
    return _table(head, rows)


def _listeners(analysis: Analysis) -> str:
    rows = []
    for listener, why in analysis.listeners:
        heard = listener.device or ""
        if listener.tones_right is not None:
            heard += f", {listener.tones_right} of 6 tones"
        repeated = "" if listener.repetition is None else f"{listener.repetition:.2g}"
        rows.append(
            [str(listener.number), heard, str(listener.missed_traps), repeated,
             f"{listener.minutes:.0f}", "; ".join(why) or "kept"]
        )  # fmt: skip
    count = len(analysis.listeners)
    return f"{count} before screening, {analysis.kept} after.\n\n" + _table(
        ["listener", "heard by", "traps missed", "distance of repetitions", "minutes", ""], rows
    )


def _methods(analysis: Analysis) -> str:
    study, rules = analysis.study, analysis.study.screening
    left_out = [
        f"who missed more than {rules.max_missed_traps} of {study.traps} traps",
        "who did not finish",
    ]
    if study.shown == "all" and study.reference is not None:
        left_out.insert(
            0,
            f"who rated the hidden reference under {rules.reference_below:g}, or the anchor over "
            f"{rules.anchor_above:g}, on more than {100 * rules.share_of_items:g} % of the items "
            "(one single miss leaves nobody out)",
        )
    if rules.require_headphones:
        left_out.append("who did not pass the headphone check")
    return (
        f"Left out is {'; '.join(left_out)}. All clips were brought to {study.loudness_lufs:g} "
        "LUFS.\n\nIntervals of means and effects: a bootstrap that draws listeners and items anew, "
        "widened for small numbers; it errs on the wide side. Wilcoxon: exact, on each listener's "
        "mean difference, corrected by Holm for all systems of a question. Mixed model: listeners "
        "and items as crossed random parts of the differences, by restricted maximum likelihood "
        "with Satterthwaite's degrees of freedom."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _interval(found: Interval) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"


def _plain(text: str) -> str:
    """Text that a person gave, with nothing in it taken for markup."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("_", "\\_")
