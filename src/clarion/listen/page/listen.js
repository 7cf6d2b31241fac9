"use strict";
// The way through the test: welcome, volume, headphones, trials, thanks. One screen is seen at a time.

const $ = (id) => document.getElementById(id);
const SCREENS = [
  "who", "welcome", "volume", "headphones", "trial", "comment", "end", "broken",
];
const TICK_MS = 100;

function show(screen) {
  for (const name of SCREENS) $(name).hidden = name !== screen;
  scrollTo(0, 0);
  const title = $(`${screen}-title`);
  document.title = `${title.textContent} – ${CLARION.asked.study.title}`;
  title.focus();
}

/** Say something that is no part of the screen: saved, not sent. */
function say(text) {
  if ($("status").textContent !== text) $("status").textContent = text;
}

function chosen(name) {
  return document.querySelector(`input[name="${name}"]:checked`)?.value;
}

class Test {
  constructor(study, listener) {
    Object.assign(this, { study, listener });
    this.memory = new Memory(study.id, listener.code);
    // Clips are speech to be heard, also where a phone is set to be silent.
    if (navigator.audioSession) navigator.audioSession.type = "playback";
    this.context = new AudioContext();
    this.clips = new Clips(this.context);
    this.start = {};
    $("welcome-next").onclick = () => this.volume();
    $("volume-next").onclick = () => this.leaveVolume();
    $("headphones-next").onclick = () => this.nextTriple();
    $("headphones-play").onclick = () => this.playTones();
    $("trial-next").onclick = () => this.leaveTrial();
    $("comment-next").onclick = () => this.finish();
    $("save-json").onclick = () => this.saveAs("json", "application/json", this.memory.json());
    $("save-csv").onclick = () => this.saveAs("csv", "text/csv", this.memory.csv());
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("pagehide", () => this.keepDraft());
    addEventListener("online", () => this.deliver());
    setInterval(() => this.tick(), TICK_MS);
  }

  async run() {
    await this.memory.meetCollector();
    await this.deliver();
    this.welcome();
  }

  get next() { return this.listener.trials.findIndex((_, n) => !this.memory.has(`trial ${n}`)); }

  async deliver() {
    if (this.isDelivering) return; // What came meanwhile is sent by the call that goes on.
    this.isDelivering = true;
    clearTimeout(this.timer);
    const all = await this.memory.send();
    this.isDelivering = false;
    if (!this.memory.isCollected) {
      say(this.memory.unsent.length ? "Saved in this browser." : "");
    } else {
      say(all ? (this.memory.sent.length ? "All answers are saved." : "")
        : this.memory.refusal ? `An answer was not taken: ${this.memory.refusal}`
          : "No connection: answers are kept in this browser and will be sent.");
      if (!all) this.timer = setTimeout(() => this.deliver(), 15_000);
    }
    if (!$("end").hidden) this.tellEnd();
  }

  progress() {
    const count = this.listener.trials.length;
    $("progress").hidden = false;
    $("progress-bar").max = count;
    $("progress-bar").value = this.next < 0 ? count : this.next;
  }

  welcome() {
    const { study, memory } = this;
    const count = this.listener.trials.length;
    $("introduction").textContent = study.introduction;
    $("task").textContent = {
      all: "In each trial you hear one sentence in several versions, as often as you like, and rate "
        + "each version. You can switch between them while they play."
        + (study.hasHiddenReference
          ? " One of them is the undisturbed recording; a version as clear as it gets 100." : ""),
      one: "In each trial you hear a clip and answer what is asked about it.",
      pair: "In each trial you hear two versions of a sentence and compare them.",
    }[study.shown];
    $("length").textContent = `There are ${count} trials.`;
    $("memory-problem").textContent = memory.isKept ? ""
      : "This browser does not keep what a page stores: do not reload or close this page.";
    if (memory.has("end")) return this.end();
    if (memory.has("start")) {
      $("welcome-title").textContent = "Welcome back";
      $("length").textContent = this.next < 0 ? "All trials are done."
        : `You go on with trial ${this.next + 1} of ${count}.`;
      $("welcome-next").textContent = "Go on";
    }
    show("welcome");
  }

  /** Play something outside of trials. */
  preview(buffer, isAligned, changed) {
    this.player?.pause();
    this.player = new Player(this.context, new Map([["preview", buffer]]), isAligned, changed);
    return this.player;
  }

  async volume() {
    // What is decoded in a context that was never allowed to play may wait for it.
    await this.context.resume();
    const trial = this.listener.trials[Math.max(0, this.next)];
    const clip = trial.reference ?? trial.clips[0];
    const loaded = await this.load([clip], () => this.volume());
    if (!loaded) return;
    const button = $("volume-play");
    const player = this.preview(loaded[0], true, () => {
      button.setAttribute("aria-pressed", String(player.current !== null));
      button.textContent = player.current === null ? "Play" : "Stop";
    });
    button.onclick = () => (player.current === null ? player.play("preview") : player.pause());
    show("volume");
  }

  leaveVolume() {
    const problem = !this.player.plays.preview ? "Play the clip first."
      : chosen("device") ? "" : "Say what you listen with.";
    $("volume-problem").textContent = problem;
    if (problem) return;
    this.player.pause();
    this.start = { device: chosen("device"), tones_right: null };
    if (this.memory.has("start")) this.trial();
    else if (this.study.headphoneCheck && this.start.device === "headphones") this.triples();
    else this.begin();
  }

  triples() {
    this.tripleNumber = 0;
    this.start.tones_right = 0;
    this.triple();
  }

  triple() {
    this.kinds = tripleInRandomOrder();
    const player = this.preview(tones(this.context, this.kinds), false, () => {
      for (const input of document.getElementsByName("softest")) {
        input.disabled = !player.completed.preview;
      }
    });
    for (const input of document.getElementsByName("softest")) {
      Object.assign(input, { checked: false, disabled: true });
    }
    $("headphones-title").textContent = `Headphone check, ${this.tripleNumber + 1} of ${TRIPLES}`;
    show("headphones");
  }

  playTones() { this.player.play("preview"); }

  nextTriple() {
    const answer = chosen("softest");
    $("headphones-problem").textContent = answer !== undefined ? ""
      : this.player.completed.preview ? "Choose the softest." : "Play the tones to their end first.";
    if (answer === undefined) return;
    this.start.tones_right += this.kinds[Number(answer)] === "softer" ? 1 : 0;
    this.tripleNumber += 1;
    if (this.tripleNumber < TRIPLES) this.triple();
    else this.begin();
  }

  begin() {
    this.memory.add("start", "start", this.start);
    this.deliver();
    this.trial();
  }

  /** The clips of these names; null if they cannot be loaded, which is then said. Meanwhile nothing
   * can be pressed. */
  async load(names, again) {
    $("main").inert = true;
    const loaded = await this.clips.load(names).catch((error) => error);
    $("main").inert = false;
    if (!(loaded instanceof Error)) return loaded;
    $("broken-text").textContent = `${loaded.message} Nothing is lost that you have answered.`;
    $("broken-again").onclick = again;
    show("broken");
    return null;
  }

  async trial() {
    const number = this.next;
    this.player?.pause();
    this.progress();
    if (number < 0) return this.memory.has("end") ? this.end() : this.comment();
    const trial = this.listener.trials[number];
    const names = this.namesOf(trial);
    const loaded = await this.load(names, () => this.trial());
    if (!loaded) return;
    this.player = new Player(
      this.context, new Map(names.map((name, n) => [name, loaded[n]])),
      this.study.shown === "all", () => this.form?.refresh(),
    );
    const draft = this.memory.draft?.number === number ? this.memory.draft : null;
    if (draft) {
      for (const part of ["heard", "plays", "completed"]) this.player[part] = draft[part];
    }
    const kind = this.study.shown === "all" ? Sliders : Questions;
    this.form = new kind(this.study, this.listener, trial, this.player, () => this.keepDraft());
    this.number = number;
    this.seconds = draft?.seconds ?? 0;
    this.shownAt = performance.now();
    if (draft) this.form.restore(draft.answers);
    $("trial-title").textContent = `Trial ${number + 1} of ${this.listener.trials.length}`;
    $("trial-note").textContent = trial.isPractice
      ? "This one is for practice and does not count." : "";
    $("trial-problem").textContent = "";
    $("trial-form").replaceChildren(this.form.element);
    $("keys").replaceChildren(...this.form.keys().flatMap(([key, does]) =>
      [make("dt", {}, make("kbd", {}, key.length > 1 ? key : key.toUpperCase())),
        make("dd", {}, does)]));
    this.form.refresh();
    show("trial");
    this.loadAhead(names, number);
  }

  namesOf(trial) { return trial.reference ? [...trial.clips, trial.reference] : trial.clips; }

  loadAhead(names, number) {
    const following = this.listener.trials[number + 1];
    const ahead = following ? this.namesOf(following) : [];
    this.clips.keep([...names, ...ahead]);
    this.clips.load(ahead).catch(() => { /* Asked for again when it is due. */ });
  }

  get secondsSpent() { return this.seconds + (performance.now() - this.shownAt) / 1000; }

  keepDraft() {
    if (!this.form) return;
    this.player.count();
    const { heard, plays, completed } = this.player;
    this.memory.keepDraft({
      number: this.number, answers: this.form.answers, heard, plays, completed,
      seconds: this.secondsSpent,
    });
  }

  leaveTrial() {
    if (!this.form) return;
    const missing = this.form.missing();
    $("trial-problem").textContent = missing?.text ?? "";
    if (missing) return missing.element.focus();
    this.player.pause();
    this.memory.add(`trial ${this.number}`, "trial", {
      trial: this.number, ratings: this.form.ratings(), plays: this.player.plays,
      heard_s: this.player.heard, seconds: this.secondsSpent,
    });
    this.form = null;
    this.deliver();
    this.trial();
  }

  comment() { show("comment"); }

  finish() {
    this.memory.add("end", "end", { comment: $("comment-text").value.trim() });
    this.end();
    this.deliver();
  }

  end() {
    this.progress();
    this.tellEnd();
    show("end");
  }

  tellEnd() {
    const isAllThere = this.memory.isCollected && !this.memory.unsent.length;
    $("end-text").textContent = isAllThere
      ? "All your answers have arrived. You can close this page."
      : this.memory.isCollected
        ? "Your answers have not all arrived yet. Leave this page open until they have; or save them "
          + "and send the file to whoever invited you."
        : "Save your answers and send the JSON file to whoever invited you.";
    $("save-json").classList.toggle("primary", !isAllThere);
  }

  saveAs(suffix, type, text) { saveFile(`answers-${this.listener.code}.${suffix}`, type, text); }

  tick() {
    if (!this.form || this.player.current === null) return;
    this.player.count();
    this.form.refresh();
  }

  key(event) {
    if (!this.form || $("trial").hidden || !$("keys-on").checked) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const key = event.key.toLowerCase();
    const found = this.form.buttons.find((button) => button.key === key);
    if (found) this.form.toggle(found.name);
    else if (key === "p" && this.form.playOrPause) this.form.playOrPause();
    else return;
    event.preventDefault();
  }
}

function askForCode(problem) {
  $("who-problem").textContent = problem;
  $("who-form").onsubmit = (event) => {
    event.preventDefault();
    open(`${location.pathname}?listener=${encodeURIComponent($("who-code").value.trim())}`, "_self");
  };
  show("who");
}

async function main() {
  const { study } = CLARION.asked;
  if (!study) {
    CLARION.asked.study = { title: "Listening test" };
    $("broken-text").textContent = "The file study.js is missing or cannot be read.";
    $("broken-again").onclick = () => location.reload();
    return show("broken");
  }
  $("title").textContent = study.title;
  const code = new URLSearchParams(location.search).get("listener");
  if (!code) return askForCode("");
  if (!/^[0-9a-f]{1,64}$/.test(code)) return askForCode(`This is no code: ${code}`);
  try {
    await loadScript(`listeners/${code}.js`);
  } catch {
    return askForCode(`Nobody of this test has the code ${code}. Look again at your link.`);
  }
  return new Test(study, CLARION.asked.listener).run();
}

main();
