// Types of crossfade.js. In a classic script the same functions are on `window.crossfade`.

/** What the edge says about this browser, or the last that is known of it (`ok` is false then). */
export interface Answer {
  /** False if the edge could not be asked; `reason` says why, and the rest is what was known before. */
  readonly ok: boolean;
  /** The system that governs this browser, `"new"` or `"legacy"`; null if nothing was ever heard. */
  readonly system: string | null;
  /** `"guest"`, `"authenticated"` or `"none"`; null if nothing was ever heard. */
  readonly kind: string | null;
  /** The epoch, as the `Crossfade-Epoch` header has it, e.g. `"7.n"`. */
  readonly epoch: string | null;
  /** When the session expires, in Unix seconds; null without a session. */
  readonly expires: number | null;
  /**
   * Why it is so. With `ok` false: `"offline"`, `"timeout"`, `"unreachable"`, `"malformed"` or
   * `"status 503"`.
   */
  readonly reason: string;
  /** True if this page was rendered under an epoch that is over: load it anew when that hurts nobody. */
  readonly reload: boolean;
}

/** The detail of a `crossfade:change` event. */
export interface Change {
  /** The answer before; null if this page had none. */
  readonly before: Answer | null;
  readonly after: Answer;
}

export interface HandshakeOptions {
  /** Milliseconds to wait for the edge; 3000 if absent. Ignored if a handshake is under way. */
  timeout?: number;
}

export interface WatchOptions {
  /** Look at the responses to `window.fetch`, by standing in its place. Absent: `crossfade.fetch` only. */
  fetch?: boolean;
  /** Load the page anew when an answer says so, except twice within ten seconds. Absent: no. */
  reload?: boolean;
  /** Called instead, once for each answer that says so. What it throws goes to `window.onerror`. */
  onReload?: (answer: Answer) => void | Promise<void>;
}

export interface Crossfade {
  /**
   * Asks the edge. Calls at the same time share one request. Never rejects: see `Answer.ok`. In a
   * prerendered page it waits until the page is shown.
   */
  handshake(options?: HandshakeOptions): Promise<Answer>;
  /**
   * Asks again when it may have changed: after the back button, on return to the tab or to the network,
   * and when a response names another epoch. Returns a function that ends it.
   */
  watch(options?: WatchOptions): () => void;
  /** `window.fetch`, with an eye on the epoch of same-origin responses. Resolves and rejects as it does. */
  fetch: typeof globalThis.fetch;
  /** The last answer of the edge; null before the first. */
  current(): Answer | null;
}

/** Makes a client on an environment of its own, for tests; `globalThis` if absent. */
export function create(env?: typeof globalThis): Crossfade;

export const handshake: Crossfade["handshake"];
export const watch: Crossfade["watch"];
export const current: Crossfade["current"];
declare const crossfadeFetch: Crossfade["fetch"];
export { crossfadeFetch as fetch };
declare const crossfade: Crossfade;
export default crossfade;

declare global {
  interface Window {
    crossfade?: Crossfade;
  }
  interface WindowEventMap {
    "crossfade:change": CustomEvent<Change>;
  }
}
