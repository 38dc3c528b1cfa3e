-- Merges activity into one record. KEYS[1] the lineage, or what points to it.
-- ARGV field, now, slack, since, seen, used, secret, unseal
-- Answers {lineage} where the record lives elsewhere, {} where there is none, {subject, created and expires} otherwise.
local key, f = KEYS[1], ARGV[1]
local now, slack, since, seen, used = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local v = redis.call('HGET', key, f)
if not v then
  local p = f == 's' and redis.call('HGET', key, 'p')
  return p and {p} or {}
end
local function int(at) return (struct.unpack('>I8', v, at)) end
local function eight(n) return struct.pack('>I8', n) end
if v:byte(2) >= 3 then return {} end
local subject = struct.unpack('>I4c0', v, 111)
if int(23) + int(31) > since then
  local opened, first = int(55), int(63)
  if used ~= 0 then
    if opened == 0 then opened = used end
    if first == 0 and v:sub(79, 110) == ARGV[7] then first = used end
  end
  v = v:sub(1, 22) .. eight(math.max(int(23), seen)) .. v:sub(31, 54) .. eight(opened) .. eight(first) .. v:sub(71)
end
if ARGV[8] == '1' then
  local s, r, _, rest = struct.unpack('>I4c0I4c0I4c0', v, 111)
  v = v:sub(1, 110) .. struct.pack('>I4c0I4c0I4', #s, s, #r, r, 0) .. v:sub(rest)
end
redis.call('HSET', key, f, v)
local remaining = redis.call('PTTL', key)
if remaining >= 0 then
  local t = math.max(math.min(int(39), int(23) + int(31)), int(71))
  local wanted = math.max(t - now, 0) + slack
  if wanted > remaining then redis.call('PEXPIRE', key, wanted) end
end
return {subject, v:sub(15, 22) .. v:sub(39, 46)}
