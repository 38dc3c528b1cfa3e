-- Asks what became of a commit. KEYS decided, abort; ARGV commit, '1' to abort it unless it is decided.
local v = redis.call('HGET', KEYS[1], ARGV[1])
if v then return v end
if ARGV[2] == '1' then redis.call('SET', KEYS[2], '1', 'PX', 86400000) end
return false
