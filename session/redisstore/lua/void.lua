-- Makes sure that a legacy key never gets a row in a lineage that it was claimed for and has none in: whoever
-- claimed it there was stopped before writing. KEYS[1] the lineage; ARGV hash. Answers 1 if it has none.
local f = 'k' .. ARGV[1]
local v = redis.call('HGET', KEYS[1], f)
if v and v ~= '' then return 0 end
if not v then
  redis.call('HSET', KEYS[1], f, '')
  if redis.call('PTTL', KEYS[1]) == -1 and redis.call('HEXISTS', KEYS[1], 't') == 0 and redis.call('HLEN', KEYS[1]) == 1 then
    redis.call('PEXPIRE', KEYS[1], 86400000)
  end
end
return 1
