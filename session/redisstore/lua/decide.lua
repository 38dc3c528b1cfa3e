-- Decides a commit that concerns more than one lineage, draws a mark, or has to be told to legacy: from here
-- on it has happened. All keys are in one slot.
--
-- KEYS sequence, marks, outbox, due, cover, decided, abort, ends
-- ARGV commit, kind ('' or 'mark'), subject, at, floor of the sequence, floor of the ends, notice or '', since,
--      what is left to be done, or '' if nothing is, publishing command or '', channel, covered lineages...
--
-- Answers {mark, end}, or {-1, 0} if somebody took the commit for dead and aborted it.
local before = redis.call('HGET', KEYS[6], ARGV[1])
if before then
  return {struct.unpack('>I8I8', before)} -- the answer to the first time was lost
end
if redis.call('EXISTS', KEYS[7]) == 1 then return {-1, 0} end
local mark, row = 0, 0
if ARGV[2] == 'mark' then
  mark = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[5])) + 1
  redis.call('SET', KEYS[1], string.format('%.0f', mark))
  redis.call('HSET', KEYS[2], ARGV[3], struct.pack('>I8I8', mark, tonumber(ARGV[4])))
end
if ARGV[7] ~= '' then
  row = math.max(tonumber(redis.call('GET', KEYS[8]) or '0'), tonumber(ARGV[6])) + 1
  redis.call('SET', KEYS[8], string.format('%.0f', row))
  local v = ARGV[7]:sub(1, 49) .. struct.pack('>I8', mark) .. ARGV[7]:sub(58)
  local id = string.format('%.0f', row)
  redis.call('HSET', KEYS[3], id, v)
  redis.call('ZADD', KEYS[4], ARGV[8], id)
  for i = 12, #ARGV do redis.call('ZADD', KEYS[5], id, ARGV[i]) end
end
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[6], ARGV[1], struct.pack('>I8I8', mark, row) .. ARGV[9])
elseif ARGV[2] == 'mark' and ARGV[10] ~= '' then
  redis.call(ARGV[10], ARGV[11], 'm' .. struct.pack('>I8I4c0', mark, #ARGV[3], ARGV[3]))
end
return {mark, row}
