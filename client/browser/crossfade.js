// Crossfade's browser client: puts the page in agreement with the edge about which of the two systems
// governs this browser, and notices when that changes. It keeps what it knows in memory, for the life
// of the page, and nothing anywhere else. No function here throws or rejects into the page.
//
// This file is an ES module. The edge also serves it as a classic script: the same text without the
// export at the end, with globalThis.crossfade as its only name.

const HANDSHAKE = "/_crossfade/handshake";
const HEADER = "Crossfade-Epoch";
// A page that waits for the handshake before it renders should not wait longer for it than for itself.
const TIMEOUT = 3000;
// Between two handshakes that nobody asked for: while a change spreads over the edges, answers of both
// kinds arrive, and one question per visitor and two seconds is what that may cost.
const QUIET = 2000;
// A page that reloaded itself less than this ago does not do it again.
const LOOP = 10000;

// create makes a client on an environment, by default the page's window. Tests give their own.
const create = (env = globalThis) => {
  let known = null; // the epoch that this page lives in, as the header has it
  let last = null; // the last answer of the edge
  let flight = null; // the handshake under way, shared by all who ask meanwhile
  let news = null; // an epoch that a response named while a handshake was under way
  let asked = -Infinity; // when the last handshake that nobody asked for began
  let timer; // set while the next one waits for QUIET to pass
  let plainFetch = null; // the page's fetch, while ours stands in its place
  let fetchWatchers = 0;
  const hooks = new Set();

  const now = () => env.performance.now();

  // rendered is the epoch under which the server made this page, if the page says so.
  const rendered = () => env.document?.querySelector('meta[name="crossfade-epoch"]')?.content || null;

  const failed = (reason) => ({
    ok: false,
    system: last?.system ?? null,
    kind: last?.kind ?? null,
    epoch: known,
    expires: last?.expires ?? null,
    reason,
    reload: false,
  });

  // parse reads an answer of the edge; anything else fails as malformed.
  const parse = (body, header) => {
    const { system, kind, epoch, expires, reason, reload } = body;
    if (typeof system !== "string" || !system || (header === null && epoch == null)) throw new Error("malformed");
    return {
      ok: true,
      system,
      kind: kind ?? null,
      epoch: header ?? String(epoch),
      expires: expires ?? null,
      reason: reason ?? "",
      reload: reload === true,
    };
  };

  // visited waits until a prerendered page is shown: a handshake before that could move a visitor who
  // never comes.
  const visited = async () => {
    if (!env.document?.prerendering) return;
    await new Promise((go) => env.document.addEventListener("prerenderingchange", go, { once: true }));
  };

  const ask = async (signal) => {
    if (env.navigator?.onLine === false) return failed("offline");
    known ??= rendered();
    const url = known === null ? HANDSHAKE : `${HANDSHAKE}?epoch=${encodeURIComponent(known)}`;
    let response;
    try {
      response = await (plainFetch ?? env.fetch).call(env, url, {
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        headers: { Accept: "application/json" },
        signal,
      });
    } catch {
      return failed("unreachable");
    }
    if (!response.ok) return failed(`status ${response.status}`);
    try {
      return parse(await response.json(), response.headers.get(HEADER));
    } catch {
      return failed("malformed");
    }
  };

  // within gives up on its own clock as well: not every fetch that a page has in place heeds a signal.
  const within = async (limit, controller) => {
    let alarm;
    const late = new Promise((resolve) => {
      alarm = env.setTimeout(() => resolve(failed("timeout")), limit);
    });
    try {
      return await Promise.race([ask(controller.signal), late]);
    } catch {
      return failed("unreachable");
    } finally {
      env.clearTimeout(alarm);
      controller.abort();
    }
  };

  const report = (error) => {
    if (env.reportError) env.reportError(error);
    else env.console?.error(error);
  };

  const announce = (before, after) => {
    try {
      env.dispatchEvent(new env.CustomEvent("crossfade:change", { detail: { before, after } }));
    } catch (error) {
      report(error);
    }
    if (!after.reload) return;
    for (const hook of hooks) {
      Promise.resolve(after).then(hook).catch(report);
    }
  };

  const land = (answer) => {
    if (!answer.ok) return;
    const before = last;
    const changed = ["system", "kind", "epoch"].some((key) => before && before[key] !== answer[key]);
    known = answer.epoch;
    last = answer;
    if (changed || answer.reload) announce(before, answer);
  };

  const depart = (limit) => {
    const controller = new env.AbortController();
    const self = { controller };
    self.promise = (async () => {
      await visited();
      const answer = await within(limit, controller);
      // Overtaken (see fresh): those who waited for this one get the answer of the one that counts.
      if (flight !== self) return flight?.promise ?? last ?? answer;
      flight = null;
      land(answer);
      if (news) consider(news);
      return answer;
    })();
    return self;
  };

  const handshake = ({ timeout = TIMEOUT } = {}) => {
    flight ??= depart(timeout);
    return flight.promise;
  };

  // fresh asks anew even if an answer is on its way: the page slept, and that answer is from before.
  const fresh = () => {
    const overtaken = flight;
    asked = now();
    flight = depart(TIMEOUT);
    overtaken?.controller.abort();
  };

  // again asks when nobody asked: at once, or when QUIET has passed since it last did.
  const again = () => {
    if (timer !== undefined) return;
    const wait = asked + QUIET - now();
    if (wait <= 0) {
      asked = now();
      handshake();
      return;
    }
    timer = env.setTimeout(() => {
      timer = undefined;
      again();
    }, wait);
  };

  // consider compares the epoch that a response was made under with what is known, once that is certain:
  // an answer on its way may be older or newer. Asking once too often is the smaller evil.
  const consider = (seen) => {
    news = null;
    if (flight) {
      news = seen;
      return;
    }
    known ??= rendered() ?? seen;
    // An edge that has not heard yet still names a lower epoch; its word is not news.
    if (seen !== known && Number.parseInt(seen) >= Number.parseInt(known)) again();
  };

  const observe = (response) => {
    const seen = response.headers.get(HEADER);
    const ours = response.type === "basic" || response.type === "default"; // not of another origin
    if (seen && ours) consider(seen);
  };

  const observed = async (fetched) => {
    const response = await fetched;
    try {
      observe(response);
    } catch (error) {
      report(error);
    }
    return response;
  };

  const watchedFetch = (...args) => observed((plainFetch ?? env.fetch).apply(env, args));

  const patched = (...args) => (fetchWatchers > 0 ? watchedFetch(...args) : plainFetch.apply(env, args));

  const patch = () => {
    if (fetchWatchers++ > 0 || plainFetch) return;
    plainFetch = env.fetch;
    env.fetch = patched;
  };

  const unpatch = () => {
    // Somebody who patched after us still calls ours: then it stays, and only passes on.
    if (--fetchWatchers > 0 || env.fetch !== patched) return;
    env.fetch = plainFetch;
    plainFetch = null;
  };

  const reload = () => {
    const [entry] = env.performance.getEntriesByType("navigation");
    if (entry?.type === "reload" && now() < LOOP) return;
    env.location.reload();
  };

  const watch = (options = {}) => {
    const undo = [];
    const on = (target, type, listener) => {
      target.addEventListener(type, listener);
      undo.push(() => target.removeEventListener(type, listener));
    };
    on(env, "pageshow", (event) => event.persisted && fresh());
    on(env, "online", again);
    on(env.document, "visibilitychange", () => env.document.visibilityState === "visible" && again());
    const chosen = options.onReload ?? (options.reload ? reload : null);
    if (chosen) {
      const hook = (answer) => chosen(answer); // watching twice with one function is two hooks
      hooks.add(hook);
      undo.push(() => hooks.delete(hook));
    }
    if (options.fetch) {
      patch();
      undo.push(unpatch);
    }
    return () => undo.splice(0).forEach((step) => step());
  };

  return { handshake, watch, fetch: watchedFetch, current: () => last };
};

// One page, one client, however often the file is loaded.
const crossfade = (globalThis.crossfade ??= create());

// <script src="/_crossfade/client.js" data-watch="fetch reload"> needs no inline script, which a strict
// Content-Security-Policy forbids.
const wanted = globalThis.document?.currentScript?.dataset.watch?.split(/\s+/);
if (wanted) {
  crossfade.watch({ fetch: wanted.includes("fetch"), reload: wanted.includes("reload") });
  crossfade.handshake();
}

const { handshake, watch, fetch: crossfadeFetch, current } = crossfade;
export { crossfade as default, create, handshake, watch, crossfadeFetch as fetch, current };
