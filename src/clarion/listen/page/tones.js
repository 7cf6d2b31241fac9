"use strict";
// A check that headphones are worn: of three tones one is 6 dB softer, and another is in opposite
// phase left and right, which loudspeakers cancel in the room and headphones do not.
// Source: Woods et al. 2017, doi 10.3758/s13414-017-1361-2.

const TONE = { frequencyHz: 200, lengthS: 1.0, pauseS: 0.5, rampS: 0.1, level: 0.2, softerDb: 6 };
const TRIPLES = 6;

/** The three tones one after another, two channels; `kinds` says which is "softer", "opposite". */
function tones(context, kinds) {
  const rate = context.sampleRate;
  const each = TONE.lengthS + TONE.pauseS;
  const buffer = context.createBuffer(2, Math.ceil(rate * each * kinds.length), rate);
  const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
  kinds.forEach((kind, number) => {
    const level = TONE.level * (kind === "softer" ? 10 ** (-TONE.softerDb / 20) : 1);
    const start = Math.round(number * each * rate);
    const length = Math.round(TONE.lengthS * rate);
    for (let i = 0; i < length; i++) {
      const ramp = Math.min(1, i / (TONE.rampS * rate), (length - i) / (TONE.rampS * rate));
      const value = level * ramp * Math.sin((2 * Math.PI * TONE.frequencyHz * i) / rate);
      left[start + i] = value;
      right[start + i] = kind === "opposite" ? -value : value;
    }
  });
  return buffer;
}

/** "softer", "opposite" and "same" in a random order. */
function tripleInRandomOrder() {
  const kinds = ["softer", "opposite", "same"];
  for (let i = kinds.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [kinds[i], kinds[j]] = [kinds[j], kinds[i]];
  }
  return kinds;
}
