"use strict";
// What a trial asks: sliders beside play buttons, or questions below them.

/** An element with attributes and children; what begins with "on" is listened to. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What all forms have: buttons that play clips, and answers by clip and question. */
class Form {
  /**
   * @param study what everybody is told
   * @param listener what this listener is asked
   * @param trial one of its trials
   * @param player plays its clips
   * @param changed called when an answer was given
   */
  constructor(study, listener, trial, player, changed) {
    Object.assign(this, { study, listener, trial, player, changed });
    this.buttons = []; // {name, key, label, button}
    this.answers = {}; // clip -> question -> value
    this.scales = listener.scales.map((name) => study.scales.find((s) => s.name === name));
  }

  playButton(name, key, label) {
    const button = make("button", {
      type: "button", "aria-pressed": "false", "aria-keyshortcuts": key,
      onclick: () => this.toggle(name),
    }, `Play ${label}`);
    this.buttons.push({ name, key, label, button });
    return button;
  }

  toggle(name) {
    if (this.player.current === name && !this.player.isAligned) this.player.pause();
    else this.player.play(name);
  }

  answer(clip, scale, value) {
    (this.answers[clip] ??= {})[scale] = value;
    this.changed();
  }

  ratings() {
    return Object.entries(this.answers).flatMap(([clip, values]) =>
      Object.entries(values).map(([scale, value]) => ({ clip, scale, value })));
  }

  refresh() {
    for (const { name, button } of this.buttons) {
      button.setAttribute("aria-pressed", String(this.player.current === name));
    }
  }
}

/** All conditions of an item at once, a slider each, and the reference if it is open. */
class Sliders extends Form {
  constructor(...given) {
    super(...given);
    this.scale = this.scales[0];
    this.rows = this.trial.clips.map((clip, number) => this.row(clip, "ABCDEFGHIJKLM"[number]));
    this.place = make("span");
    this.toggleButton = make("button", {
      type: "button", "aria-keyshortcuts": "p", onclick: () => this.playOrPause(),
    }, "Play");
    const controls = [
      this.toggleButton,
      make("button", { type: "button", onclick: () => this.player.rewind() }, "Restart"),
      make("div", { class: "place", "aria-hidden": "true" }, this.place),
    ];
    if (this.trial.reference) {
      controls.unshift(this.playButton(this.trial.reference, "r", "reference"));
    }
    const words = [...this.scale.labels].reverse().map(([, word]) => make("span", {}, word));
    this.element = make("div", {},
      make("p", { class: "question", id: "question" }, this.scale.question),
      make("div", { class: "row" }, ...controls),
      make("div", { class: "words", "aria-hidden": "true" }, make("div", {}, ...words)),
      ...this.rows.map((row) => row.element));
  }

  row(clip, letter) {
    const { low, high } = this.scale;
    const slider = make("input", {
      type: "range", min: low, max: high, step: 1, value: (low + high) / 2, class: "unrated",
      disabled: true, "aria-label": `Clip ${letter}: ${this.scale.question}`,
      "aria-valuetext": "not rated yet",
    });
    const output = make("output", { "aria-hidden": "true" }, "–");
    const rate = () => this.rate(clip, Number(slider.value));
    slider.addEventListener("input", rate);
    // To leave a slider where it stands is an answer, too.
    slider.addEventListener("click", rate);
    slider.addEventListener("keydown", (event) => { if (event.key === "Enter") rate(); });
    const button = this.playButton(clip, letter.toLowerCase(), letter);
    const element = make("div", {
      class: "stimulus", role: "group", "aria-label": `Clip ${letter}`,
    }, button, slider, output);
    return { clip, letter, slider, output, element };
  }

  rate(clip, value) {
    const { slider, output } = this.rows.find((row) => row.clip === clip);
    slider.value = value;
    slider.classList.remove("unrated");
    slider.setAttribute("aria-valuetext", `${value}, ${this.word(value)}`);
    output.textContent = value;
    this.answer(clip, this.scale.name, value);
  }

  /** The label whose part of the scale a value lies in. */
  word(value) {
    const distance = ([middle]) => Math.abs(middle - value);
    return this.scale.labels.reduce((a, b) => (distance(b) < distance(a) ? b : a))[1].toLowerCase();
  }

  restore(answers) {
    for (const [clip, values] of Object.entries(answers)) this.rate(clip, values[this.scale.name]);
  }

  playOrPause() {
    if (this.player.current !== null) {
      this.last = this.player.current;
      this.player.pause();
    } else this.player.play(this.last ?? this.trial.reference ?? this.trial.clips[0]);
  }

  refresh() {
    super.refresh();
    const enough = Math.min(this.study.heardS, this.player.duration);
    for (const { clip, letter, slider } of this.rows) {
      const isHeard = (this.player.heard[clip] ?? 0) >= enough;
      if (isHeard && slider.disabled) say(`Clip ${letter} can be rated.`);
      slider.disabled = !isHeard;
    }
    this.toggleButton.textContent = this.player.current === null ? "Play" : "Pause";
    const passed = this.player.duration ? this.player.position / this.player.duration : 0;
    this.place.style.width = `${100 * passed}%`;
  }

  missing() {
    for (const { clip, letter, slider } of this.rows) {
      if (slider.disabled) {
        const { button } = this.buttons.find((b) => b.name === clip);
        return { text: `Play clip ${letter} before you rate it.`, element: button };
      }
      if (!(clip in this.answers)) return { text: `Clip ${letter} is not rated yet.`, element: slider };
    }
    return null;
  }

  keys() {
    return [
      ...this.buttons.map(({ key, label }) => [key, `play ${label}`]),
      ["p", "play or pause"], ["Tab", "go to the next slider"], ["← →", "change a rating by 1"],
      ["Page ↑ ↓", "change it by 10"], ["Enter", "rate it as it stands"],
    ];
  }
}

/** One clip, or one after the other, and the questions on it. */
class Questions extends Form {
  constructor(...given) {
    super(...given);
    const { clips } = this.trial;
    const labels = clips.length > 1 ? ["the first", "the second"] : ["the clip"];
    const buttons = clips.map((clip, n) => this.playButton(clip, String(n + 1), labels[n]));
    this.rated = clips.at(-1); // of a pair, the second is rated beside the first
    this.heardText = make("p", { class: "heard" });
    this.groups = this.scales.map((scale, number) => this.group(scale, number));
    this.element = make("div", {},
      make("div", { class: "row" }, ...buttons), this.heardText,
      ...this.groups.map((group) => group.element));
  }

  group(scale, number) {
    const inputs = scale.labels.map(([value]) => make("input", {
      type: "radio", name: `scale-${scale.name}`, value,
      onchange: () => this.answer(this.rated, scale.name, value),
    }));
    const element = make("fieldset", { disabled: true }, make("legend", {}, scale.question),
      make("div", { class: "choices" }, ...scale.labels.map(([, words], n) =>
        make("label", { class: "choice" }, inputs[n], words))));
    return { scale, number, inputs, element };
  }

  restore(answers) {
    for (const { scale, inputs } of this.groups) {
      const value = answers[this.rated]?.[scale.name];
      if (value === undefined) continue;
      inputs.find((input) => Number(input.value) === value).checked = true;
      this.answer(this.rated, scale.name, value);
    }
  }

  /** How often every clip was heard to its end. */
  get timesHeard() {
    return Math.min(...this.trial.clips.map((clip) => this.player.completed[clip] ?? 0));
  }

  refresh() {
    super.refresh();
    // One playing a question: listeners attend to one thing at a time (ITU-T P.835).
    for (const { element, number } of this.groups) element.disabled = this.timesHeard < number + 1;
    const waiting = this.groups.length - this.timesHeard;
    this.heardText.textContent = waiting <= 0 ? ""
      : this.trial.clips.length > 1 ? "Listen to both to the end, then answer."
        : this.groups.length === 1 ? "Listen to the end, then answer."
          : this.timesHeard ? "Play it again for the next question."
            : "Listen to the end once for each question, and read the question first.";
  }

  missing() {
    for (const { scale, number, inputs } of this.groups) {
      if (this.timesHeard < number + 1) {
        const unheard = this.buttons.find(({ name }) =>
          (this.player.completed[name] ?? 0) < number + 1);
        return { text: `Play ${unheard.label} to the end first.`, element: unheard.button };
      }
      if (this.answers[this.rated]?.[scale.name] === undefined) {
        return { text: `Not answered yet: ${scale.question}`, element: inputs[0] };
      }
    }
    return null;
  }

  keys() {
    return [
      ...this.buttons.map(({ key, label }) => [key, `play ${label}`]),
      ["Tab", "go to the answers"], ["↑ ↓", "choose an answer"],
    ];
  }
}
