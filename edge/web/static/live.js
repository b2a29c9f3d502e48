// The panel's live events, and whether they still come.

/** Without any event for so long the page says that it is old: health comes each second. */
const SILENT_MS = 5000;
const AGAIN_MS = 2000;

export class Live extends EventTarget {
  #source = null;
  #heard = 0;
  #seq = null;
  #timer = null;
  #lost = null;

  /** Listen for what comes behind an outcome. */
  begin(seq) {
    this.#seq = seq;
    this.#connect();
    this.#timer ??= setInterval(() => this.#watch(), 500);
  }

  /** Listen no longer; what was lost stays lost until somebody begins again. */
  end() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#source?.close();
  }

  #connect() {
    this.#source?.close();
    this.#heard = performance.now();
    this.#source = new EventSource(`/v1/live?after=${this.#seq}`);
    for (const name of ["health", "outcome", "lagging"]) {
      this.#source.addEventListener(name, (event) => this.#hear(name, event));
    }
  }

  #hear(name, event) {
    this.#heard = performance.now();
    if (this.#lost !== null) {
      this.#lost = null;
      this.dispatchEvent(new Event("found"));
    }
    if (event.lastEventId) this.#seq = event.lastEventId;
    this.dispatchEvent(new CustomEvent(name, { detail: JSON.parse(event.data) }));
  }

  #watch() {
    const silent = performance.now() - this.#heard;
    const closed = this.#source.readyState !== EventSource.OPEN;
    if (this.#lost === null && (silent > SILENT_MS || (closed && silent > 1500))) {
      this.#lost = Date.now();
      this.dispatchEvent(new CustomEvent("lost", { detail: this.#lost }));
    }
    // The browser gives up after an answer such as 503; and a connection may hang.
    if (this.#lost !== null && silent > AGAIN_MS && (this.#source.readyState === EventSource.CLOSED || silent > SILENT_MS)) {
      this.#connect();
    }
  }
}
