-- Reads notices whose time has come. KEYS outbox, due; ARGV now, limit. Answers end, notice... oldest first.
local ids = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, math.max(tonumber(ARGV[2]), 1000))
table.sort(ids, function(a, b) return tonumber(a) < tonumber(b) end)
local out = {}
for i = 1, math.min(#ids, tonumber(ARGV[2])) do
  local v = redis.call('HGET', KEYS[1], ids[i])
  if v then out[#out + 1], out[#out + 2] = ids[i], v end
end
return out
