-- Carries out the operations of one commit on one lineage: every condition first, then every write, so
-- that a refusal leaves nothing behind. It reads no clock and draws nothing by chance.
--
-- KEYS[1] the lineage
-- ARGV    mode, commit, now (ms), slack (ms), lineage, publishing command or '', channel, mark, end, operations...
--
-- Modes: run writes at once. prepare writes nothing but the lock that holds the operations until the
-- commit is decided. apply carries out what the lock holds, with the mark and end that were decided. abort
-- takes the lock away.
--
-- Answers: {refusal}, {'locked', commit}, {'again'}, or {'ok', known, id, live, id, live...}: the end that a
-- tombstone had before, -1 if there was none, and what ended.
local key = KEYS[1]
local mode, commit, now, slack, lineage = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local publishing, channel, mark, decided = ARGV[6], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local ops, first = ARGV, 10

local lock = redis.call('HGET', key, 'x')
if lock then
  local owner = lock:sub(1, 16)
  if mode == 'abort' then
    if owner == commit then redis.call('HDEL', key, 'x') end
    return {'ok', 0}
  elseif mode == 'apply' and owner == commit then
    ops, first = cmsgpack.unpack(lock:sub(17)), 1
  elseif mode == 'apply' then
    return {'ok', 0}
  elseif not (mode == 'prepare' and owner == commit) then
    return {'locked', owner}
  end
elseif mode == 'abort' or mode == 'apply' then
  return {'ok', 0}
end
if mode == 'run' and redis.call('HGET', key, 'c') == commit then
  return {'again'} -- the answer to the first time was lost
end

-- Fields as they will be: reads go through, writes wait until all conditions hold.
local fields, dirty, names = {}, {}, nil
local function get(f)
  local v = fields[f]
  if v == nil then
    v = redis.call('HGET', key, f)
    fields[f] = v
  end
  return v
end
local function put(f, v)
  if names and not names[f] then names[f] = true end
  fields[f], dirty[f] = v, true
end
local function all()
  if not names then
    names = {}
    for _, f in ipairs(redis.call('HKEYS', key)) do names[f] = true end
    for f in pairs(dirty) do names[f] = true end
  end
  local sorted = {}
  for f in pairs(names) do sorted[#sorted + 1] = f end
  table.sort(sorted, function(a, b) return #a < #b or (#a == #b and a < b) end)
  return sorted
end

-- The layout of a record is that of record.go.
local function int(v, at) return (struct.unpack('>I8', v, at)) end
local function eight(n) return struct.pack('>I8', n) end
local function state(v) return v:byte(2) end
local function generation(v) return (struct.unpack('>I4', v, 3)) end
local function version(v) return int(v, 7) end
local function until_(v)
  local t = int(v, 39)
  if state(v) < 3 then t = math.min(t, int(v, 23) + int(v, 31)) end
  return math.max(t, int(v, 71))
end
local function recordField(f) return f:sub(1, 1) == 's' and (#f == 1 or #f == 17) end
local function idOf(f) if #f == 1 then return lineage end return f:sub(2) end

local life, told, ended, known = 0, {}, {}, -1 -- known: the end of a tombstone that was there before
local function lives(t) if t > life then life = t end end
local function tellRecord(f, v) told[#told + 1] = 'r' .. idOf(f) .. v:sub(7, 14) end
local function attributesOf(f) return 'a' .. f:sub(2) end

-- prune drops what nobody can need any more of a lineage that goes on: views, generations long over, keys.
local function prune(except)
  for _, f in ipairs(all()) do
    local v = get(f)
    if v and recordField(f) and f ~= except then
      local wait = slack
      if generation(v) == 0 then wait = 60000 end
      if until_(v) + wait < now then put(f, false) put(attributesOf(f), false) end
    elseif v and f:sub(1, 1) == 'k' and #v > 20 and int(v, 13) + slack < now then
      put(f, false)
    end
  end
end

local function insert(f, v, attributes)
  if get('t') then return 'ended' end
  if get(f) or (f == 's' and get('p')) then return 'conflict' end
  if redis.call('EXISTS', key) == 1 or next(dirty) then
    prune(f)
    local g = generation(v)
    if g > 0 then
      for _, other in ipairs(all()) do
        local o = recordField(other) and get(other)
        if o and generation(o) == g then return 'conflict' end
      end
    end
  end
  put(f, v)
  put(attributesOf(f), attributes ~= '' and attributes)
  lives(until_(v))
  tellRecord(f, v)
end

-- update writes every field but the attributes. What touches set is kept: activity only grows, first uses
-- are set once, and that of the current secret goes with the secret.
local function update(f, v, with, attributes)
  local old = get(f)
  if not old or version(old) ~= version(v) - 1 then return 'conflict' end
  local seen = math.max(int(v, 23), int(old, 23))
  local opened, used = int(v, 55), int(v, 63)
  if int(old, 55) ~= 0 then opened = int(old, 55) end
  if old:sub(79, 110) == v:sub(79, 110) and int(old, 63) ~= 0 then used = int(old, 63) end
  v = v:sub(1, 14) .. old:sub(15, 22) .. eight(seen) .. v:sub(31, 54) .. eight(opened) .. eight(used) .. v:sub(71)
  put(f, v)
  if with == '1' then put(attributesOf(f), attributes ~= '' and attributes) end
  lives(until_(v))
  tellRecord(f, v)
end

-- bury ends every record of the lineage and leaves its tombstone. A secret stays, so that its token is
-- answered "ended" rather than "invalid"; data and sealed secret go.
local function bury(reason, at, keep, covering)
  local t = get('t')
  if t then
    known = int(t, 17)
    put('t', t:sub(1, 8) .. eight(math.max(int(t, 9), keep)) .. t:sub(17))
    if known ~= 0 then told[#told + 1] = 'l' .. lineage end
    return
  end
  for _, f in ipairs(all()) do
    local v = recordField(f) and get(f)
    if v and state(v) < 4 and (f == 's' or generation(v) > 0) then
      local subject, _, _, rest = struct.unpack('>I4c0I4c0I4c0', v, 111)
      local last = math.max(int(v, 71), int(v, 39))
      ended[#ended + 1], ended[#ended + 2] = idOf(f), state(v) < 3 and 1 or 0
      v = v:sub(1, 1) .. '\4' .. v:sub(3, 6) .. eight(version(v) + 1) .. v:sub(15, 70) .. eight(last) .. v:sub(79, 110)
        .. struct.pack('>I4c0I4c0I4', #subject, subject, #reason, reason, 0) .. v:sub(rest)
      keep = math.max(keep, last)
      put(f, v)
      put(attributesOf(f), false)
      tellRecord(f, v)
    end
  end
  put('t', eight(at) .. eight(keep) .. eight(covering) .. reason)
  told[#told + 1] = 'l' .. lineage
end

local function putKey(hash, v)
  local f = 'k' .. hash
  local old, n = get(f), (struct.unpack('>I4', v, 1))
  if n == 1 then
    if old then return 'conflict' end
  else
    if not old or #old < 5 or (struct.unpack('>I4', old, 1)) ~= n - 1 then return 'conflict' end
    if int(old, 5) ~= 0 then v = v:sub(1, 4) .. old:sub(5, 12) .. v:sub(13) end
  end
  put(f, v)
  lives(int(v, 13))
  told[#told + 1] = 'k' .. hash
end

-- respawn bears a live record again at the mark that was decided.
local function respawn(f, at)
  local old = get(f)
  if not old or version(old) ~= at or state(old) ~= 1 then return 'conflict' end
  local v = old:sub(1, 6) .. eight(at + 1) .. old:sub(15, 46) .. eight(mark) .. old:sub(55)
  put(f, v)
  tellRecord(f, v)
end

local at = first
local function arg() at = at + 1 return ops[at - 1] end
while ops[at] do
  local op, refusal = arg(), nil
  if op == 'I' then
    local f, v, attributes = arg(), arg(), arg()
    refusal = insert(f, v, attributes)
  elseif op == 'U' then
    local f, v, with, attributes = arg(), arg(), arg(), arg()
    refusal = update(f, v, with, attributes)
  elseif op == 'K' then
    local hash, v = arg(), arg()
    refusal = putKey(hash, v)
  elseif op == 'E' then
    local reason, when, keep, covered = arg(), tonumber(arg()), tonumber(arg()), arg()
    bury(reason, when, keep, covered == '1' and decided or 0)
  elseif op == 'B' then -- bury, if the record is the subject's still
    local f, subject, reason, when, keep = arg(), arg(), arg(), tonumber(arg()), tonumber(arg())
    local v = get(f)
    if not v or state(v) == 4 or (struct.unpack('>I4c0', v, 111)) ~= subject then return {'stale'} end
    bury(reason, when, keep, decided)
  elseif op == 'R' then
    local f, version = arg(), tonumber(arg())
    refusal = respawn(f, version)
  end
  if refusal then
    if mode == 'apply' then redis.call('HDEL', key, 'x') end
    return {refusal}
  end
end

local answer = {'ok', known, unpack(ended)}
if mode == 'prepare' and known >= 0 and ops[first] == 'E' and not ops[first + 5] then
  mode = 'run' -- it had ended: nothing is left to decide
end
if mode == 'prepare' then
  local held = {}
  for i = first, #ARGV do held[#held + 1] = ARGV[i] end
  redis.call('HSET', key, 'x', commit .. cmsgpack.pack(held))
  if not get('t') and redis.call('PTTL', key) == -1 then redis.call('PEXPIRE', key, 86400000) end
  return answer
end
local set, gone = {}, {}
for f in pairs(dirty) do
  if fields[f] then
    set[#set + 1], set[#set + 2] = f, fields[f]
  else
    gone[#gone + 1] = f
  end
end
if mode == 'apply' then
  gone[#gone + 1] = 'x'
else
  set[#set + 1], set[#set + 2] = 'c', commit
end
local remaining = redis.call('PTTL', key) -- -2: there is none yet, -1: it stays until it is swept
if #set > 0 then redis.call('HSET', key, unpack(set)) end
if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
if get('t') then
  if remaining >= 0 then redis.call('PERSIST', key) end
elseif remaining ~= -1 or redis.call('HLEN', key) > 0 then
  local wanted = math.max(life - now, 0) + slack
  if wanted > remaining then redis.call('PEXPIRE', key, wanted) end
end
if publishing ~= '' and #told > 0 then redis.call(publishing, channel, table.concat(told)) end
return answer
