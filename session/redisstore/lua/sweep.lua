-- Deletes a lineage whose tombstone nobody needs any more. KEYS[1] the lineage; ARGV now, later.
-- Answers 0 when it is gone, and otherwise when to look again.
local key, now = KEYS[1], tonumber(ARGV[1])
local t = redis.call('HGET', key, 't')
if not t then return 0 end
if redis.call('HEXISTS', key, 'x') == 1 or (struct.unpack('>I8', t, 17)) ~= 0 then return tonumber(ARGV[2]) end
local keep = struct.unpack('>I8', t, 9)
for _, f in ipairs(redis.call('HKEYS', key)) do
  if f:sub(1, 1) == 'k' then
    local v = redis.call('HGET', key, f)
    if #v > 20 then keep = math.max(keep, (struct.unpack('>I8', v, 13))) end
  end
end
if keep > now then return keep end
local p = redis.call('HGET', key, 'p')
redis.call('DEL', key)
if p then redis.call('HSET', key, 'p', p) redis.call('PEXPIRE', key, 86400000) end
return 0
