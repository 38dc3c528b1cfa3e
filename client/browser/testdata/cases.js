// What the client promises, one function per promise. The Go test runs each under its name.
import { create } from "/_crossfade/client.js?module";
import { Environment, equal, settle } from "/testdata/environment.js";

const onNew = { system: "new", kind: "guest", epoch: "3.n", expires: 1700, reason: "serve_new", reload: false };
const onLegacy = { ...onNew, system: "legacy", epoch: "3.l", reason: "serve_legacy" };

// start makes a client that has had its first answer.
const start = async (env, answer = onLegacy, options = {}) => {
  const client = create(env);
  client.watch(options);
  client.handshake();
  await settle();
  env.handshake.answer(answer, answer.epoch);
  await settle();
  return client;
};

// respond makes a request of the page's own and answers it under an epoch.
const respond = async (env, fetch, header, type) => {
  fetch("/api");
  await settle();
  env.requests.at(-1).answer({}, header, 200, type);
  await settle();
};

export const cases = {
  "a handshake answers what the edge says": async (env) => {
    const client = create(env);
    const promise = client.handshake();
    await settle();
    equal(env.handshake.url, "/_crossfade/handshake", "url");
    const { credentials, cache, redirect } = env.handshake.init;
    equal([credentials, cache, redirect], ["same-origin", "no-store", "error"], "request");
    env.handshake.answer({ ...onNew, epoch: 3 }, "3.n");
    equal(await promise, { ok: true, ...onNew }, "answer");
    equal(client.current(), { ok: true, ...onNew }, "current");
    equal(env.changes, [], "the first answer is no change");
  },

  "handshakes at the same time are one request": async (env) => {
    const client = create(env);
    const all = Promise.all([client.handshake(), client.handshake(), client.handshake()]);
    await settle();
    env.handshake.answer(onNew);
    equal((await all).map(({ epoch }) => epoch), ["3.n", "3.n", "3.n"]);
    equal(env.requests.length, 1, "requests");
  },

  "the last known epoch is sent": async (env) => {
    const client = await start(env);
    client.handshake();
    await settle();
    equal(env.handshake.url, "/_crossfade/handshake?epoch=3.l");
  },

  "a page that names its epoch is told when that is over": async (env) => {
    env.meta = { content: "2.l" };
    let told = 0;
    const client = await start(env, { ...onNew, reload: true }, { onReload: () => told++ });
    equal(env.handshakes[0].url, "/_crossfade/handshake?epoch=2.l");
    equal([client.current().reload, told, env.reloads], [true, 1, 0]);
    equal(env.changes[0].before, null);
  },

  "errors are answers, and keep what was known": async (env) => {
    const client = await start(env);
    const known = { system: "legacy", kind: "guest", epoch: "3.l", expires: 1700 };
    for (const [reason, answer] of [
      ["unreachable", (request) => request.fail()],
      ["status 503", (request) => request.answer("busy", null, 503)],
      ["malformed", (request) => request.answer("<html>", null)],
      ["malformed", (request) => request.answer("null", null)],
      ["malformed", (request) => request.answer({ system: 7, epoch: 1 }, "3.l")],
      ["malformed", (request) => request.answer({ kind: "guest" }, "3.l")],
    ]) {
      const promise = client.handshake();
      await settle();
      answer(env.handshake);
      const { ok, expires, reason: got, system, kind, epoch } = await promise;
      equal({ ok, reason: got, system, kind, epoch, expires }, { ok: false, reason, ...known });
    }
    equal([env.changes.length, env.errors.length], [0, 0], "changes and errors");
  },

  "nothing known and no answer is said so": async (env) => {
    const promise = create(env).handshake();
    await settle();
    env.handshake.fail();
    const want = { ok: false, system: null, kind: null, epoch: null, expires: null, reason: "unreachable", reload: false };
    equal(await promise, want);
  },

  "a slow edge times out, and is asked no more": async (env) => {
    const promise = create(env).handshake({ timeout: 500 });
    await settle();
    await env.advance(499);
    equal(env.handshake.init.signal.aborted, false, "given up early");
    await env.advance(1);
    equal((await promise).reason, "timeout");
    equal(env.handshake.init.signal.aborted, true, "aborted");
  },

  "a fetch that heeds no signal times out too": async (env) => {
    env.fetch = () => new Promise(() => {});
    const promise = create(env).handshake();
    await settle();
    await env.advance(3000);
    equal((await promise).reason, "timeout");
  },

  "a fetch that throws is an answer": async (env) => {
    env.fetch = () => {
      throw new Error("blocked by an extension");
    };
    equal((await create(env).handshake()).reason, "unreachable");
  },

  "offline asks nobody, and back online asks": async (env) => {
    env.navigator.onLine = false;
    const client = create(env);
    client.watch();
    equal((await client.handshake()).reason, "offline");
    equal(env.requests.length, 0, "requests");
    env.navigator.onLine = true;
    env.dispatchEvent(new Event("online"));
    await settle();
    equal(env.requests.length, 1, "requests");
  },

  "a prerendered page waits until it is shown, however long": async (env) => {
    env.document.prerendering = true;
    const promise = create(env).handshake();
    await env.advance(60_000);
    equal(env.requests.length, 0, "requests");
    env.document.prerendering = false;
    env.document.dispatchEvent(new Event("prerenderingchange"));
    await settle();
    env.handshake.answer(onNew);
    equal((await promise).system, "new");
  },

  "another epoch on a response asks again and tells the page": async (env) => {
    const client = await start(env);
    await respond(env, client.fetch, "3.n");
    equal(env.handshake.url, "/_crossfade/handshake?epoch=3.l");
    env.handshake.answer({ ...onNew, reload: true }, "3.n");
    await settle();
    equal(env.changes.map(({ before, after }) => [before.system, after.system, after.reload]), [["legacy", "new", true]]);
    equal(env.reloads, 0, "reloads without being asked to");
  },

  "the same epoch asks nothing": async (env) => {
    const client = await start(env);
    await respond(env, client.fetch, "3.l");
    await respond(env, client.fetch, null);
    equal(env.handshakes.length, 1);
  },

  "a response of another origin is not listened to": async (env) => {
    const client = await start(env);
    for (const type of ["cors", "opaque", "error"]) await respond(env, client.fetch, "9.n", type);
    equal(env.handshakes.length, 1);
  },

  "an edge that has not heard yet is no news": async (env) => {
    const client = await start(env, onNew);
    await respond(env, client.fetch, "2.l");
    equal(env.handshakes.length, 1);
  },

  "a slow response from before a change costs one question": async (env) => {
    const client = create(env);
    for (const url of ["/slow", "/slower"]) client.fetch(url);
    client.handshake();
    await settle();
    env.handshake.answer(onNew, "3.n");
    await settle();
    const before = env.handshakes.length;
    for (const request of env.requests.slice(0, 2)) request.answer({}, "3.l");
    await settle();
    equal(env.handshakes.length, before + 1);
    env.handshake.answer(onNew, "3.n");
    await settle();
    equal(client.current().epoch, "3.n");
  },

  "what a response says during a handshake is looked at after it": async (env) => {
    const client = create(env);
    client.handshake();
    await settle();
    await respond(env, client.fetch, "4.n");
    env.handshakes[0].answer(onLegacy, "3.l"); // made before the change, delivered after it
    await settle();
    equal(env.handshake.url, "/_crossfade/handshake?epoch=3.l");
    equal(env.handshakes.length, 2);
    env.handshake.fail();
    await settle();
    equal(env.handshakes.length, 2, "and not again by itself");
  },

  "edges that disagree cost one question in two seconds": async (env) => {
    const client = await start(env, onNew);
    for (let i = 0; i < 20; i++) {
      await respond(env, client.fetch, "3.l");
      if (env.handshakes.length > 1) env.handshake.answer(onNew, "3.n");
      await settle();
    }
    equal(env.handshakes.length, 2, "at once");
    await env.advance(1999);
    equal(env.handshakes.length, 2, "before two seconds");
    await env.advance(1);
    equal(env.handshakes.length, 3, "after two seconds");
  },

  "fetch resolves and rejects as the page's own": async (env) => {
    const client = create(env);
    const good = client.fetch("/good", { method: "POST" });
    const bad = client.fetch("/bad");
    await settle();
    equal([env.requests[0].url, env.requests[0].init], ["/good", { method: "POST" }]);
    env.requests[0].answer({ a: 1 }, null);
    env.requests[1].fail();
    equal(await (await good).json(), { a: 1 });
    equal(await bad.catch((error) => error.message), "Failed to fetch");
  },

  "watching fetch stands in its place and leaves it again": async (env) => {
    const own = env.fetch;
    const client = create(env);
    const stops = [client.watch({ fetch: true }), client.watch({ fetch: true })];
    equal(env.fetch === own, false, "patched");
    client.handshake();
    await settle();
    env.handshake.answer(onLegacy, "3.l");
    await settle();
    await respond(env, env.fetch, "3.n");
    equal(env.handshakes.length, 2, "handshakes");
    stops[0]();
    equal(env.fetch === own, false, "the other one still watches");
    stops[1]();
    equal(env.fetch === own, true, "given back");
  },

  "who patched fetch after us keeps his patch": async (env) => {
    const client = create(env);
    const stop = client.watch({ fetch: true });
    const ours = env.fetch;
    const theirs = (...args) => ours(...args);
    env.fetch = theirs;
    stop();
    equal(env.fetch === theirs, true);
    await respond(env, env.fetch, "3.n");
    await respond(env, env.fetch, "4.n");
    equal(env.handshakes.length, 0, "handshakes after the end");
    client.watch({ fetch: true });
    await respond(env, env.fetch, "5.n");
    await respond(env, env.fetch, "6.n");
    equal(env.handshakes.length, 1, "handshakes while watching again");
  },

  "the back button asks anew, even while an old answer is on its way": async (env) => {
    const client = await start(env);
    const waiting = client.handshake();
    await settle();
    const old = env.handshake;
    env.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    await settle();
    equal(env.handshakes.length, 3, "handshakes");
    equal(old.init.signal.aborted, true, "the old one is given up");
    env.handshake.answer({ ...onNew, reload: true }, "3.n");
    equal((await waiting).system, "new", "who waited gets the answer that counts");
    equal(client.current().system, "new");
  },

  "a page shown for the first time does not ask twice": async (env) => {
    await start(env);
    env.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: false }));
    await settle();
    equal(env.handshakes.length, 1);
  },

  "a return to the tab asks again": async (env) => {
    await start(env);
    env.document.visibilityState = "hidden";
    env.document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    equal(env.handshakes.length, 1, "on leaving");
    env.document.visibilityState = "visible";
    env.document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    equal(env.handshakes.length, 2, "on return");
    env.handshake.answer({ ...onLegacy, kind: "authenticated" }, "3.l");
    await settle();
    equal(env.changes.map(({ after }) => after.kind), ["authenticated"], "a login in another tab");
  },

  "who opted in is reloaded, but never in a loop": async (env) => {
    env.meta = { content: "2.l" };
    await start(env, { ...onNew, reload: true }, { reload: true });
    equal(env.reloads, 1, "reloads");
    const again = new Environment();
    again.meta = { content: "2.l" };
    again.navigation.type = "reload";
    again.time = 800; // milliseconds since the reload
    await start(again, { ...onNew, reload: true }, { reload: true });
    equal(again.reloads, 0, "reloads after a reload");
  },

  "hooks and listeners that throw harm neither us nor the page": async (env) => {
    env.meta = { content: "2.l" };
    const calls = [];
    const client = create(env);
    client.watch({
      onReload: () => {
        calls.push("first");
        throw new Error("in the hook");
      },
    });
    client.watch({ onReload: async () => calls.push("second") });
    const promise = client.handshake();
    await settle();
    env.handshake.answer({ ...onNew, reload: true }, "3.n");
    equal((await promise).ok, true);
    await settle();
    equal(calls, ["first", "second"]);
    equal(env.errors.map(({ message }) => message), ["in the hook"]);
  },

  "stop ends all of it, at once and for good": async (env) => {
    const client = create(env);
    const stop = client.watch({ fetch: true, reload: true });
    stop();
    stop();
    env.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    env.dispatchEvent(new Event("online"));
    env.document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    equal(env.requests.length, 0);
  },
};

// run plays one case and returns what went wrong, or the empty text.
export const run = async (name) => {
  try {
    await cases[name](new Environment());
    return "";
  } catch (error) {
    return String(error?.stack ?? error);
  }
};
