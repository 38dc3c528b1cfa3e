-- Takes an end out of the outbox. KEYS outbox, due, cover; ARGV end.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[3], ARGV[1], ARGV[1])
return 0
