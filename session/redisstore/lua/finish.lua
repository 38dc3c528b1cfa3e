-- Forgets a decided commit, all of which is done. KEYS decided, cover, outbox.
-- ARGV commit, publishing command or '', channel, message or '', end, covered lineages...
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[5] ~= '0' and redis.call('HEXISTS', KEYS[3], ARGV[5]) == 1 then
  for i = 6, #ARGV do redis.call('ZADD', KEYS[2], ARGV[5], ARGV[i]) end
end
if ARGV[2] ~= '' and ARGV[4] ~= '' then redis.call(ARGV[2], ARGV[3], ARGV[4]) end
return 0
