// A window for one test: fetch answers as it is told, time stands still until it is moved, and whatever
// the client does to the page is written down.

export class Environment extends EventTarget {
  constructor() {
    super();
    this.document = new EventTarget();
    this.document.visibilityState = "visible";
    this.document.querySelector = () => this.meta;
    this.meta = null; // {content: "3.l"} as a page that says its epoch
    this.navigator = { onLine: true };
    this.requests = []; // {url, init, answer(body, header, status), fail()}
    this.errors = [];
    this.changes = [];
    this.reloads = 0;
    this.navigation = { type: "navigate" };
    this.time = 1e6;
    this.timers = new Map();
    this.performance = { now: () => this.time, getEntriesByType: () => [this.navigation] };
    this.location = { reload: () => this.reloads++ };
    this.AbortController = AbortController;
    this.CustomEvent = CustomEvent;
    this.reportError = (error) => this.errors.push(error);
    this.addEventListener("crossfade:change", (event) => this.changes.push(event.detail));
    this.fetch = (url, init) =>
      new Promise((resolve, reject) => {
        const answer = (body, header, status = 200, type = "basic") => {
          const text = typeof body === "string" ? body : JSON.stringify(body);
          const response = new Response(null, { status, headers: header ? { "Crossfade-Epoch": header } : {} });
          Object.defineProperty(response, "type", { value: type });
          response.json = async () => JSON.parse(text); // the real one takes as long as it likes
          resolve(response);
        };
        init?.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        this.requests.push({ url, init, answer, fail: () => reject(new TypeError("Failed to fetch")) });
      });
  }

  setTimeout(run, wait) {
    const id = this.timers.size + 1;
    this.timers.set(id, { run, at: this.time + wait });
    return id;
  }

  clearTimeout(id) {
    this.timers.delete(id);
  }

  // advance moves the clock and runs what is due.
  async advance(ms) {
    this.time += ms;
    for (const [id, timer] of this.timers) {
      if (timer.at > this.time) continue;
      this.timers.delete(id);
      timer.run();
    }
    await settle();
  }

  get handshakes() {
    return this.requests.filter(({ url }) => String(url).startsWith("/_crossfade/handshake"));
  }

  get handshake() {
    return this.handshakes.at(-1);
  }
}

// settle lets everything run that waits for nothing but its turn.
export const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

export const equal = (got, want, what = "value") => {
  const [a, b] = [got, want].map((value) => JSON.stringify(value));
  if (a !== b) throw new Error(`${what}: got ${a}, want ${b}`);
};
