-- Stores a note at its version. KEYS[1] the notes; ARGV name, version, value or ''. Answers 1, or 0 for a conflict.
local v, n = redis.call('HGET', KEYS[1], ARGV[1]), tonumber(ARGV[2])
local stored = v and (struct.unpack('>I8', v)) or 0
if stored ~= n - 1 or not v and ARGV[3] == '' then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], struct.pack('>I8', n) .. ARGV[3])
end
return 1
