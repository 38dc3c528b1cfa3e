-- Sets when a legacy key was first presented, once. KEYS[1] the lineage; ARGV hash, when.
local f = 'k' .. ARGV[1]
local v = redis.call('HGET', KEYS[1], f)
if v and #v > 12 and (struct.unpack('>I8', v, 5)) == 0 then
  redis.call('HSET', KEYS[1], f, v:sub(1, 4) .. struct.pack('>I8', tonumber(ARGV[2])) .. v:sub(13))
end
return 0
