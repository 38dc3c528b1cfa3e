-- Reads the records of a lineage without their attributes. KEYS[1] the lineage. Answers field, record...
local out = {}
for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do
  if f:sub(1, 1) == 's' and (#f == 1 or #f == 17) then
    out[#out + 1], out[#out + 2] = f, redis.call('HGET', KEYS[1], f)
  end
end
return out
