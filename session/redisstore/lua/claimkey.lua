-- Makes a legacy key findable by its hash. KEYS[1] the pointer; ARGV lineage, life (ms), the lineage that it
-- may be taken from, or ''. Answers the lineage that it points to now.
local life, p = tonumber(ARGV[2]), redis.call('GET', KEYS[1])
if p and p ~= ARGV[1] and p ~= ARGV[3] then return p end
if p == ARGV[1] then
  if life > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], life) end
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', life)
end
return ARGV[1]
