"use strict";
// Plays the clips of a trial. Aligned, all run at once and only their gains change, so one can switch
// between them without a gap and at the same place of the sentence.

const FADE_S = 0.003; // time constant: all gains follow it, so those of two clips always add up to 1
const FADED_S = 10 * FADE_S;
const AHEAD_S = 0.02; // a start that lies ahead is the same sample for all clips

class Player {
  /**
   * @param context an AudioContext
   * @param buffers Map: name -> AudioBuffer
   * @param isAligned whether the clips run together, in a loop; else each is played from its start
   * @param changed called when something starts, stops, or was heard for longer
   */
  constructor(context, buffers, isAligned, changed = () => {}) {
    Object.assign(this, { context, buffers, isAligned, changed });
    this.duration = Math.max(0, ...[...buffers.values()].map((buffer) => buffer.duration));
    this.current = null; // what is heard
    this.running = new Map(); // name -> {source, gain}
    this.offset = 0; // where an aligned run begins
    this.heard = {}; // name -> seconds
    this.plays = {}; // name -> how often it was chosen
    this.completed = {}; // name -> how often it was played to its end
  }

  play(name) {
    this.count();
    if (this.current !== name) this.plays[name] = (this.plays[name] ?? 0) + 1;
    if (this.isAligned) {
      if (!this.running.size) this.start([...this.buffers.keys()], this.offset);
    } else {
      this.silence();
      this.start([name], 0);
    }
    const now = Math.max(this.context.currentTime, this.begun);
    for (const [other, { gain }] of this.running) {
      gain.gain.setTargetAtTime(other === name ? 1 : 0, now, FADE_S);
    }
    this.current = name;
    this.since = now;
    // Last, for its clock runs at once: all that was scheduled lies ahead of it.
    if (this.context.state === "suspended") this.context.resume();
    this.changed();
  }

  pause() {
    if (this.current === null) return;
    this.count();
    this.offset = this.position;
    this.silence();
    this.current = null;
    this.changed();
  }

  rewind() {
    const name = this.current;
    this.pause();
    this.offset = 0;
    if (name !== null) this.play(name);
    this.changed();
  }

  /** Seconds from the start of the clips. */
  get position() {
    if (!this.running.size) return this.offset;
    const passed = this.offset + Math.max(0, this.context.currentTime - this.begun);
    return this.isAligned ? passed % this.duration : Math.min(passed, this.duration);
  }

  /** Add what was heard since this was last asked. */
  count() {
    if (this.current === null) return;
    const now = Math.max(this.context.currentTime, this.since);
    this.heard[this.current] = (this.heard[this.current] ?? 0) + now - this.since;
    this.since = now;
  }

  start(names, offset) {
    const at = this.context.currentTime + AHEAD_S;
    this.begun = at;
    this.offset = offset;
    for (const name of names) {
      const source = new AudioBufferSourceNode(this.context, {
        buffer: this.buffers.get(name), loop: this.isAligned,
      });
      const gain = new GainNode(this.context, { gain: 0 });
      source.connect(gain).connect(this.context.destination);
      source.start(at, offset);
      this.running.set(name, { source, gain });
      source.onended = () => this.ended(name, source);
    }
  }

  silence() {
    const now = this.context.currentTime;
    for (const { source, gain } of this.running.values()) {
      source.onended = null;
      gain.gain.setTargetAtTime(0, now, FADE_S);
      source.stop(now + FADED_S);
    }
    this.running.clear();
  }

  ended(name, source) {
    if (this.running.get(name)?.source !== source) return;
    this.count();
    this.running.clear();
    this.offset = 0;
    this.current = null;
    this.completed[name] = (this.completed[name] ?? 0) + 1;
    this.changed();
  }
}
