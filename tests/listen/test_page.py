"""The page in a real browser: played, rated by keys, reloaded in the middle, finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from clarion.listen.answers import read_files, read_folder
from clarion.listen.build import build
from clarion.listen.key import Key
from clarion.listen.records import Start, TrialAnswer
from clarion.listen.serve import ListenServer

pytest.importorskip("pyloudnorm")
pytest.importorskip("soxr")
playwright = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(
    (found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is to be found")

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """visit(url): a page in a browser of its own; what goes wrong in it fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_page(url: str, size: dict[str, int] = DESKTOP) -> Any:
        contexts.append(browser.new_context(viewport=size))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@contextmanager
def served(folder: Path) -> Iterator[ListenServer]:
    """The study over HTTP, until the test leaves."""
    with ListenServer(folder, port=0) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def link(folder: Path, listener: int = 0) -> str:
    code = Key.read(folder).sessions[listener].code
    return f"{(folder / 'page' / 'index.html').as_uri()}?listener={code}"


def seen(page: Any, screen: str) -> Any:
    page.wait_for_selector(f"#{screen}:not([hidden])")
    return page


def to_the_trials(page: Any) -> Any:
    seen(page, "welcome").press("#welcome-next", "Enter")
    seen(page, "volume").click("#volume-play")
    page.check("input[value=loudspeaker]")
    page.click("#volume-next")
    return seen(page, "trial")


def title(page: Any, number: int) -> None:
    page.wait_for_function(
        f"() => document.getElementById('trial-title').textContent.startsWith('Trial {number} ')"
    )


def wait_for(page: Any, held: list[Any]) -> None:
    """Wait for a request that a test holds back."""
    for _ in range(500):
        if held:
            return
        page.wait_for_timeout(20)
    pytest.fail("Nothing was asked for.")


def rate_by_keys(page: Any, presses: int) -> None:
    """Play every clip by its letter, then go from slider to slider."""
    sliders = page.locator("input[type=range]")
    count = sliders.count()
    for number in range(count):
        assert sliders.nth(number).is_disabled()  # nothing is rated unheard
        page.keyboard.press("abcdefgh"[number])
        page.wait_for_function(
            f"() => !document.querySelectorAll('input[type=range]')[{number}].disabled"
        )
    for number in range(count):
        sliders.nth(number).focus()
        for _ in range(presses + number):
            page.keyboard.press("ArrowRight")


def test_a_served_test_from_start_to_end(clips, study, tmp_path, visit):
    folder = tmp_path / "study"
    of = study(items=("a", "b"), traps=0, duplicates=0, systems=("noisy", "ours"))
    key = build(of, clips, folder)
    with served(folder) as server:
        code = key.sessions[0].code
        page = visit(f"http://127.0.0.1:{server.server_port}/?listener={code}")
        to_the_trials(page)
        page.click("#trial-next")
        assert page.text_content("#trial-problem") == "Play clip A before you rate it."
        rate_by_keys(page, 1)
        page.click("#trial-next")
        title(page, 2)
        rate_by_keys(page, 3)
        page.reload()  # in the middle of a trial: its ratings are there again
        assert "You go on with trial 2 of 3." in seen(page, "welcome").text_content("#length")
        to_the_trials(page)
        values = page.eval_on_selector_all("input[type=range]", "all => all.map(x => x.value)")
        assert values == [str(50 + 3 + number) for number in range(4)]
        page.click("#trial-next")
        title(page, 3)
        rate_by_keys(page, 0)
        page.click("#trial-next")
        # The first slider was never moved: to leave it is no answer, to press Enter on it is one.
        assert page.text_content("#trial-problem") == "Clip A is not rated yet."
        page.keyboard.press("Enter")
        page.click("#trial-next")
        seen(page, "comment").fill("#comment-text", "All was well.")
        page.click("#comment-next")
        seen(page, "end").wait_for_function(
            "() => document.getElementById('end-text').textContent.startsWith('All your answers')"
        )
        assert page.evaluate("document.activeElement.id") == "end-title"
    records = read_folder(folder / "answers", key)[code]
    assert list(records) == ["start", "trial 0", "trial 1", "trial 2", "end"]
    assert isinstance(records["start"], Start)
    assert records["start"].device == "loudspeaker"
    for number, presses in enumerate([1, 3, 0]):
        answer = records[f"trial {number}"]
        assert isinstance(answer, TrialAnswer)
        given = {rating.clip: rating.value for rating in answer.ratings}
        shown = key.shown(key.sessions[0].trials[number])
        assert [given[clip] for clip in shown] == [50 + presses + place for place in range(4)]
        # Each was heard for its length, or rather more; after a reload this is not forgotten.
        assert all(answer.heard_s[clip] >= 0.45 for clip in shown)
        assert all(answer.plays[clip] == 1 for clip in shown)


@pytest.mark.parametrize(("design", "scales"), [("acr", 1), ("p835", 3), ("ccr", 1), ("ab", 1)])
def test_other_designs_from_a_file(clips, study, tmp_path, visit, design, scales):
    folder = tmp_path / "study"
    of = study(
        design, items=("a", "b"), systems=("noisy", "ours"), reference=None,
        traps=0, duplicates=0, practice=0,
    )  # fmt: skip
    key = build(of, clips, folder)
    page = to_the_trials(visit(link(folder), PHONE))
    trials = key.sessions[0].trials
    for number, trial in enumerate(trials):
        title(page, number + 1)
        fields = page.locator("#trial-form fieldset")
        assert fields.count() == scales
        for turn in range(scales):
            assert fields.nth(turn).locator("input").first.is_disabled()
            for place in range(len(trial.conditions)):
                page.keyboard.press(str(place + 1))
                page.wait_for_function("() => !document.querySelector('[aria-pressed=true]')")
            fields.nth(turn).locator("input").first.focus()
            page.keyboard.press("ArrowDown")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.click("#trial-next")
    seen(page, "comment").click("#comment-next")
    with seen(page, "end").expect_download() as saved:
        page.click("#save-json")
    with page.expect_download() as table:
        page.click("#save-csv")
    answers = read_files([Path(saved.value.path())], key)[key.sessions[0].code]
    assert list(answers) == ["start", *(f"trial {n}" for n in range(len(trials))), "end"]
    second = {scale.name: scale.labels[1][0] for scale in of.scales}
    for number, trial in enumerate(trials):
        answer = answers[f"trial {number}"]
        assert isinstance(answer, TrialAnswer)
        assert {r.scale: r.value for r in answer.ratings} == second
        assert {r.clip for r in answer.ratings} == {key.shown(trial)[-1]}
    rows = Path(table.value.path()).read_text().splitlines()
    assert len(rows) == 1 + len(trials) * scales


SWITCHES = """
async (isSwitched) => {
  const rate = 48000, context = new OfflineAudioContext(1, 2 * rate, rate);
  const sine = (seconds) => {
    const buffer = context.createBuffer(1, seconds * rate, rate);
    const data = buffer.getChannelData(0);
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(2 * Math.PI * 440 * i / rate);
    return buffer;
  };
  const player = new Player(context, new Map([["a", sine(1)], ["b", sine(1)]]), true);
  context.suspend(0.128).then(() => player.play("a"));
  if (isSwitched) {
    for (const [at, name] of [[0.5, "b"], [0.7, "a"], [0.704, "b"], [1.3, "a"]]) {
      context.suspend(at).then(() => player.play(name));
    }
  }
  const rendered = await context.startRendering();
  return Array.from(rendered.getChannelData(0));
}
"""


def test_switching_is_without_a_gap(clips, study, tmp_path, visit):
    """Between two clips that are the same sine, nothing of a switch is left in the sound."""
    build(study(traps=0), clips, tmp_path / "study")
    page = seen(visit(link(tmp_path / "study")), "welcome")
    switched, plain = (np.array(page.evaluate(SWITCHES, flag)) for flag in (True, False))
    np.testing.assert_allclose(switched, plain, rtol=0, atol=1e-5)  # float32, gains of two clips
    # And it is the sine, begun 148 ms late, once it has faded in, also over the end of its loop.
    at = np.arange(2 * 48_000) / 48_000
    sine = np.sin(2 * np.pi * 440 * (at - 0.148))
    settled = at > 0.148 + 0.003 * 12
    np.testing.assert_allclose(switched[settled], sine[settled], rtol=0, atol=1e-4)


def test_the_tones_tell_headphones(clips, study, tmp_path, visit):
    build(study(traps=0, headphone_check=True), clips, tmp_path / "study")
    page = seen(visit(link(tmp_path / "study")), "welcome")
    left, right = np.array(
        page.evaluate(
            """() => {
              const context = new OfflineAudioContext(2, 8000, 8000);
              const buffer = tones(context, ["same", "opposite", "softer"]);
              return [0, 1].map((channel) => Array.from(buffer.getChannelData(channel)));
            }"""
        )
    )

    def power(samples: Any, tone: int) -> float:
        return float(np.mean(samples[tone * 12_000 : tone * 12_000 + 8_000] ** 2))

    level = [10 * np.log10(power(left, tone) / power(left, 0)) for tone in range(3)]
    np.testing.assert_allclose(level, [0, 0, -6], atol=0.05)
    # In the air before loudspeakers both channels meet.
    assert power(left + right, 1) < 1e-9 * power(left + right, 0)


PLAYERS = """
window.players = [];
const play = Player.prototype.play;
Player.prototype.play = function (clip) { players.push(this); return play.call(this, clip); };
0;
"""


def test_the_headphone_check(clips, study, tmp_path, visit):
    """Six triples, five of them right; tones that still play do not run into the first trial."""
    folder = tmp_path / "study"
    key = build(study(traps=0, headphone_check=True), clips, folder)
    with served(folder) as server:
        code = key.sessions[0].code
        page = visit(f"http://127.0.0.1:{server.server_port}/?listener={code}")
        page.evaluate(PLAYERS)
        page.evaluate("Object.assign(TONE, { lengthS: 0.08, pauseS: 0.02, rampS: 0.01 })")
        page.evaluate("window.tripleInRandomOrder = () => ['same', 'softer', 'opposite']")
        seen(page, "welcome").click("#welcome-next")
        seen(page, "volume").click("#volume-play")
        page.check("input[value=headphones]")
        page.click("#volume-next")
        seen(page, "headphones").click("#headphones-next")
        assert page.text_content("#headphones-problem") == "Play the tones to their end first."
        for number in range(6):
            assert page.text_content("#headphones-title") == f"Headphone check, {number + 1} of 6"
            page.click("#headphones-play")
            page.check(f"input[name=softest][value='{0 if number == 2 else 1}']")  # once enabled
            if number == 5:
                page.evaluate("$('headphones-play').click(); $('headphones-next').click()")
            else:
                page.click("#headphones-next")
        seen(page, "trial")
        assert page.evaluate("players.length") == 1 + 6 + 1
        assert page.evaluate("players.every((player) => player.current === null)")
        page.wait_for_function("() => $('status').textContent === 'All answers are saved.'")
    started = read_folder(folder / "answers", key)[code]["start"]
    assert isinstance(started, Start)
    assert (started.device, started.tones_right) == ("headphones", 5)


def test_nothing_can_be_pressed_while_a_trial_loads(clips, study, tmp_path, visit):
    folder = tmp_path / "study"
    of = study(items=("a", "b"), traps=0, duplicates=0, practice=0, systems=("noisy", "ours"))
    key = build(of, clips, folder)
    held: list[Any] = []
    with served(folder) as server:
        page = visit(f"http://127.0.0.1:{server.server_port}/?listener={key.sessions[0].code}")
        for clip in key.shown(key.sessions[0].trials[1]):
            page.route(f"**/clips/{clip}.js", lambda route: held.append(route))
        to_the_trials(page)
        rate_by_keys(page, 1)
        page.evaluate(PLAYERS)
        place = page.locator("#trial-form button").first.bounding_box()
        page.evaluate("$('trial-next').click(); $('trial-next').click()")
        page.mouse.click(place["x"] + 5, place["y"] + 5)
        page.keyboard.press("Enter")
        page.keyboard.press("a")
        wait_for(page, held)
        assert page.evaluate("players.length") == 0
        for route in held:
            route.continue_()
        title(page, 2)
        rate_by_keys(page, 0)


def test_answers_are_sent_as_soon_as_they_can_be(clips, study, tmp_path, visit):
    """No collector at first, then one that takes its time, then none, then one."""
    folder = tmp_path / "study"
    key = build(study(traps=0), clips, folder)
    code = key.sessions[0].code
    with served(folder) as server:
        page = visit(f"http://127.0.0.1:{server.server_port}/")
        page.route("**/answers/*", lambda route: route.abort())
        seen(page, "who").fill("#who-code", code)
        page.press("#who-code", "Enter")
        seen(page, "welcome")
        page.evaluate(
            """() => {
              window.test = new Test(CLARION.asked.study, CLARION.asked.listener);
              window.waiting = new Set();
              const [start, stop] = [setTimeout, clearTimeout];
              window.setTimeout = (does, ms) => {
                const id = start(does, ms);
                if (ms === 15_000) waiting.add(id);
                return id;
              };
              window.clearTimeout = (id) => { waiting.delete(id); stop(id); };
            }"""
        )
        page.unroute("**/answers/*")
        held: list[Any] = []
        page.route(
            "**/answers/*",
            lambda route: (
                held.append(route) if route.request.method == "POST" else route.continue_()
            ),
        )
        start = "test.memory.add('start', 'start', { device: 'headphones', tones_right: null })"
        page.evaluate(f"{start}; test.deliver(); 0")
        wait_for(page, held)
        page.evaluate("test.memory.add('end', 'end', { comment: '' }); test.deliver(); 0")
        assert not page.text_content("#status").startswith("No connection")
        held.pop().abort()
        page.wait_for_function("() => $('status').textContent.startsWith('No connection')")
        page.evaluate("test.deliver(); 0")
        wait_for(page, held)
        held.pop().abort()
        page.wait_for_function("() => waiting.size")
        assert page.evaluate("waiting.size") == 1
        page.unroute("**/answers/*")
        page.evaluate("test.deliver(); 0")
        page.wait_for_function(
            "() => $('status').textContent === 'All answers are saved.'", timeout=10_000
        )
        assert page.evaluate("waiting.size") == 0
    assert list(read_folder(folder / "answers", key)[code]) == ["start", "end"]


def test_what_is_wrong_is_said(clips, study, tmp_path, visit):
    folder = tmp_path / "study"
    key = build(study(traps=0), clips, folder)
    start = (folder / "page" / "index.html").as_uri()
    assert seen(visit(start), "who").text_content("#who-problem") == ""
    page = visit(f"{start}?listener=0123")
    assert "Nobody of this test has the code 0123" in seen(page, "who").text_content("#who-problem")
    page.fill("#who-code", key.sessions[1].code)
    page.press("#who-code", "Enter")
    seen(page, "welcome")
    for clip in (folder / "page" / "clips").iterdir():
        clip.rename(clip.with_suffix(".gone"))
    page.click("#welcome-next")
    assert "could not be loaded" in seen(page, "broken").text_content("#broken-text")
    for clip in (folder / "page" / "clips").iterdir():
        clip.rename(clip.with_suffix(".js"))
    page.click("#broken-again")
    seen(page, "volume")


def test_every_control_has_a_name(clips, study, tmp_path, visit):
    build(study(traps=0), clips, tmp_path / "study")
    page = to_the_trials(visit(link(tmp_path / "study"), PHONE))
    tree = page.locator("#trial").aria_snapshot()
    for wanted in (
        'heading "Trial 1 of',
        'button "Play reference"',
        'group "Clip A"',
        'slider "Clip A: How clear is the speech?"',
        'button "Next"',
    ):
        assert wanted in tree
    assert "Enter" in page.locator("#keys kbd").all_text_contents()
    assert page.text_content("#status") == "Saved in this browser."
    page.keyboard.press("b")
    page.wait_for_function("() => $('status').textContent === 'Clip B can be rated.'")
    assert json.dumps(page.title())[1:].startswith("Trial 1 of")
