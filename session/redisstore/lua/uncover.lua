-- Notes on a tombstone that legacy knows. KEYS[1] the lineage; ARGV end.
local t = redis.call('HGET', KEYS[1], 't')
if t and (struct.unpack('>I8', t, 17)) == tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 't', t:sub(1, 16) .. struct.pack('>I8', 0) .. t:sub(25))
end
return 0
