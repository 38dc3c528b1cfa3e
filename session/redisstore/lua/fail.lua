-- Counts a failed attempt. KEYS outbox, due; ARGV end, at, first, last, cause. One that was confirmed
-- meanwhile is left alone. The layout of a notice is that of notice.go.
local v = redis.call('HGET', KEYS[1], ARGV[1])
if not v then return 0 end
local attempts = struct.unpack('>I4', v, 66) + 1
local pause = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ math.min(math.max(attempts - 1, 0), 20))
local subject, reason, rest = struct.unpack('>I4c0I4c0', v, 70)
redis.call('HSET', KEYS[1], ARGV[1], v:sub(1, 65) .. struct.pack('>I4', attempts) .. v:sub(70, rest - 1) .. ARGV[5])
redis.call('ZADD', KEYS[2], tonumber(ARGV[2]) + pause, ARGV[1])
return 1
