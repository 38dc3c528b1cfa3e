-- Makes a record findable by its id where that is not its lineage. KEYS[1] the id; ARGV lineage, life (ms).
-- Answers 1, or 0 where the id is taken.
local key, life = KEYS[1], tonumber(ARGV[2])
if redis.call('HEXISTS', key, 's') == 1 then return 0 end
local p = redis.call('HGET', key, 'p')
if p and p ~= ARGV[1] then return 0 end
local remaining = redis.call('PTTL', key)
if not p then redis.call('HSET', key, 'p', ARGV[1]) end
if remaining ~= -1 and life > remaining then redis.call('PEXPIRE', key, life) end
return 1
