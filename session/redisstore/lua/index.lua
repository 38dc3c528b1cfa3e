-- Puts a record into its subject's index. KEYS[1] the index; ARGV member, created, life (ms).
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if tonumber(ARGV[3]) > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 0
