// express-session with connect-redis: what the middleware does for a request, called without a web server.
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { RedisStore } from 'connect-redis'
import session from 'express-session'
import signature from 'cookie-signature'
import { createClient } from 'redis'
import uid from 'uid-safe'

const secret = 'a secret of the measurement'
const cart = '{"store":"riverside","items":[{"sku":"12-331","n":2},{"sku":"31-008","n":1}],"note":""}'
let client, store, opening
const cookies = []

const newCookie = (ms) => new session.Cookie({ maxAge: ms ?? 14 * 24 * 3600 * 1000 })

async function open(data, ms) {
  const sid = await uid(24)
  await store.set(sid, { ...data, cookie: newCookie(ms) })
  return 's:' + signature.sign(sid, secret)
}

// load verifies the cookie and reads the session, as the middleware does.
async function load(cookie) {
  const sid = signature.unsign(cookie.slice(2), secret)
  const found = sid && (await store.get(sid))
  if (!found) throw new Error('a live session is not there')
  return [sid, store.createSession({ sessionID: sid }, found)]
}

const tasks = {
  'check a live session': async (i) => {
    const [, found] = await load(cookies[i])
    if (!found.subject) throw new Error('nobody is logged in')
  },
  'create a guest with a cart': () => open({ cart }),
  'log in, with a new token': async (i) => {
    const [sid, found] = await load(cookies[i])
    await store.destroy(sid) // what regenerate does
    cookies[i] = await open({ cart: found.cart, subject: 'customer-' + i })
  },
}

async function own(subject, live, dead) {
  await all(dead, () => open({ subject, cart }, 1000))
  if (dead > 0) await new Promise((done) => setTimeout(done, 1200))
  await all(live, () => open({ subject, cart }))
}

// The store has no owners: whoever wants a subject's sessions looks at all.
const times = {
  'end all 1,000 sessions of a subject': async (subject) => {
    const mine = (await store.all()).filter((s) => s.subject === subject)
    for (const s of mine) await store.destroy(s.id)
    return mine.length
  },
  'list a subject with 10,000 dead sessions': async (subject) => (await store.all()).filter((s) => s.subject === subject).length,
}

async function all(n, make) {
  for (let at = 0; at < n; at += 256) await Promise.all(Array.from({ length: Math.min(256, n - at) }, (_, i) => make(at + i)))
}

const nanos = (ms) => Math.round(ms * 1e6)
const processor = () => { const u = process.cpuUsage(); return (u.user + u.system) * 1000 }

function result(taken, took, cpu) {
  taken.sort((a, b) => a - b)
  const at = (q) => nanos(taken[Math.min(taken.length - 1, Math.floor(q * taken.length))] ?? 0)
  return { count: taken.length, took: nanos(took), p50: at(0.5), p99: at(0.99), cpu: Math.round(cpu) }
}

async function crowd(order) {
  const taken = []
  const [before, start] = [processor(), performance.now()]
  const end = start + order.seconds * 1000
  await Promise.all(Array.from({ length: order.callers }, async (_, w) => {
    for (let i = w, last = performance.now(); last < end; i += order.callers) {
      if (i >= opening.sessions) i = w
      await tasks[order.task](i)
      const now = performance.now()
      taken.push(now - last)
      last = now
    }
  }))
  return result(taken, performance.now() - start, processor() - before)
}

let fresh = 0
async function repeat(order) {
  const taken = []
  let [took, cpu] = [0, 0]
  for (let n = 0; n < order.times; n++) {
    const ends = order.task.startsWith('end')
    const subject = ends ? 'ended-' + ++fresh : 'listed'
    if (ends) await own(subject, opening.owned, 0)
    const [before, start] = [processor(), performance.now()]
    const met = await times[order.task](subject)
    const d = performance.now() - start
    if (met !== (ends ? opening.owned : 10)) throw new Error(`met ${met} sessions`)
    taken.push(d); took += d; cpu += processor() - before
  }
  return result(taken, took, cpu)
}

async function obey(order) {
  if (order.open) {
    opening = order.open
    client = createClient({ url: 'redis://' + opening.redis })
    await client.connect()
    store = new RedisStore({ client })
    await all(opening.sessions, async (i) => { cookies[i] = await open({ cart, subject: 'customer-' + i }) })
    await own('listed', 10, opening.dead)
    const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version
    return { version: `${version('express-session')}, connect-redis ${version('connect-redis')}` }
  }
  return tasks[order.task] ? crowd(order) : repeat(order)
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer
  try { answer = await obey(JSON.parse(line)) } catch (e) { answer = { error: String(e?.message ?? e) } }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
await client?.close()
