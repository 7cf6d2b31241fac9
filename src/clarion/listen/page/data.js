"use strict";
// What the scripts of a study hand over: the study, what one listener is asked, and clips. They are
// scripts because a page opened from a file may load nothing else.

const CLARION = {
  asked: {},
  sound: new Map(),
  study(content) { this.asked.study = content; },
  listener(content) { this.asked.listener = content; },
  clip(name, base64) { this.sound.set(name, base64); },
};

function loadScript(path) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = path;
    script.onload = () => { script.remove(); resolve(); };
    script.onerror = () => { script.remove(); reject(new Error(`${path} could not be loaded.`)); };
    document.head.append(script);
  });
}

/** Decoded clips by name; those of `names` are kept, all others forgotten. */
class Clips {
  constructor(context) {
    this.context = context;
    this.decoded = new Map();
  }

  load(names) {
    return Promise.all(names.map((name) => {
      if (!this.decoded.has(name)) {
        const loading = this.decode(name);
        loading.catch(() => this.decoded.delete(name));
        this.decoded.set(name, loading);
      }
      return this.decoded.get(name);
    }));
  }

  keep(names) {
    for (const name of this.decoded.keys()) if (!names.includes(name)) this.decoded.delete(name);
  }

  async decode(name) {
    await loadScript(`clips/${name}.js`);
    const bytes = Uint8Array.from(atob(CLARION.sound.get(name)), (c) => c.charCodeAt(0));
    CLARION.sound.delete(name);
    return this.context.decodeAudioData(bytes.buffer);
  }
}
