"use strict";
// What has been answered: kept in this browser at once, and sent to whoever serves the page, if anybody
// collects there. Nothing that was sent is ever changed.

class Memory {
  constructor(study, listener) {
    Object.assign(this, { study, listener });
    this.place = `clarion-listen/${study}/${listener}`;
    this.isKept = true; // whether the browser keeps it over a reload
    this.isCollected = false; // whether somebody collects over the network
    this.records = {}; // "start", "trial 0", ..., "end" -> record
    this.sent = []; // names of those that are with the collector
    this.draft = null; // the trial that is being answered
    this.refusal = ""; // what the collector said when it did not take something
    try {
      const kept = JSON.parse(localStorage.getItem(this.place));
      for (const part of ["records", "sent", "draft", "isCollected"]) {
        if (kept && part in kept) this[part] = kept[part];
      }
      this.keep();
    } catch {
      this.isKept = false;
    }
  }

  keep() {
    const { records, sent, draft, isCollected } = this;
    try {
      localStorage.setItem(this.place, JSON.stringify({ records, sent, draft, isCollected }));
    } catch {
      this.isKept = false;
    }
  }

  keepDraft(draft) {
    this.draft = draft;
    this.keep();
  }

  has(name) { return name in this.records || this.sent.includes(name); }

  get unsent() { return Object.keys(this.records).filter((name) => !this.sent.includes(name)); }

  add(name, kind, content) {
    this.records[name] = {
      kind, study: this.study, listener: this.listener, ...content, at: new Date().toISOString(),
    };
    this.draft = null;
    this.keep();
  }

  /** Ask whether somebody collects, and what is there already. */
  async meetCollector() {
    if (!location.protocol.startsWith("http")) return;
    try {
      const answer = await fetch(`answers/${this.listener}`, { cache: "no-store" });
      if (!answer.ok) return;
      const { saved } = await answer.json();
      this.isCollected = true;
      this.sent = saved;
      this.keep();
    } catch { /* A static host, or no network; what is to be sent waits. */ }
  }

  /** Send what has not been sent; whether all is there now. */
  async send() {
    if (!this.isCollected && this.unsent.length) await this.meetCollector();
    if (!this.isCollected) return !this.unsent.length;
    this.refusal = "";
    try {
      while (this.unsent.length) { // also with what comes meanwhile
        const [name] = this.unsent;
        const answer = await fetch(`answers/${this.listener}`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(this.records[name]),
        });
        // 409: another answer is there already, and that one counts.
        if (!answer.ok && answer.status !== 409) {
          this.refusal = (await answer.text()).trim();
          break;
        }
        this.sent.push(name);
        this.keep();
      }
    } catch { /* No network: next time. */ }
    return !this.unsent.length;
  }

  json() {
    return JSON.stringify({ clarion_listen: 1, records: Object.values(this.records) }, null, 1);
  }

  csv() {
    const rows = [["study", "listener", "trial", "clip", "scale", "value", "seconds", "at"]];
    for (const record of Object.values(this.records)) {
      if (record.kind !== "trial") continue;
      for (const { clip, scale, value } of record.ratings) {
        rows.push([
          record.study, record.listener, record.trial, clip, scale, value,
          record.seconds.toFixed(1), record.at,
        ]);
      }
    }
    return rows.map((row) => row.join(",")).join("\r\n") + "\r\n";
  }
}

function saveFile(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
