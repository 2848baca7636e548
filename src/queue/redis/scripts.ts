/**
 * The queue's operations on Redis, one Lua script each: Redis runs a script as one transaction.
 *
 * Keys, all under one hash tag so that a cluster keeps them on one node (`p` is `{prefix}:`):
 *
 *   p store              hash    format, installation, position, fence, definitions
 *   p note               hash    key → text: who captures, gaps, how far a replay is
 *   p seq                string  last job id
 *   p webhooks           set     keys of Webhooks that have counters
 *   p due                zset    Webhook → when its next job is due (ms; 0: at once)
 *   p count:WEBHOOK      hash    counters, is_paused
 *   p ready:WEBHOOK      zset    job id → due (0 for a first try), so that ties go in order of id
 *   p job:ID             hash    the job
 *   p owned:PROCESS      set     ids of the jobs a process has taken
 *   p process            zset    process → last sign of life (ms)
 *   p failed:WEBHOOK     zset    Delivery id → when it failed (ms)
 *   p delivery:ID        hash    a failed Delivery
 *
 * Every script takes `p store` as its one declared key and `p` as its first argument.
 */

const COMMON = `
local p = ARGV[1]
local at = 1
local function arg() at = at + 1 return ARGV[at] end
local function count(w, field, n)
  if n ~= 0 then redis.call('HINCRBY', p .. 'count:' .. w, field, n) end
end
local function bits(mask)
  local n = 0
  while mask > 0 do n = n + mask % 2 mask = math.floor(mask / 2) end
  return n
end
local function add_job(w, due, attempts, size, bytes, first, last, payload)
  local id = string.format('%016d', redis.call('INCR', p .. 'seq'))
  redis.call('HSET', p .. 'job:' .. id, 'webhook', w, 'due', due, 'attempts', attempts, 'size', size,
    'bytes', bytes, 'done', 0, 'first_id', first, 'last_id', last, 'payload', payload)
  redis.call('ZADD', p .. 'ready:' .. w, due, id)
  redis.call('ZADD', p .. 'due', 'LT', due, w)
end
local function add_failed(w, id, failed_ms, attempts, reason, detail, bytes, payload)
  redis.call('HSET', p .. 'delivery:' .. id, 'attempts', attempts, 'reason', reason, 'detail', detail,
    'bytes', bytes, 'payload', payload)
  count(w, 'failed', redis.call('ZADD', p .. 'failed:' .. w, failed_ms, id))
  count(w, 'failed_total', 1)
end
local function give_back(id)
  local job = p .. 'job:' .. id
  local j = redis.call('HMGET', job, 'webhook', 'due', 'attempts', 'size', 'done')
  if not j[1] then return nil end
  redis.call('ZADD', p .. 'ready:' .. j[1], j[2], id)
  redis.call('ZADD', p .. 'due', 'LT', j[2], j[1])
  count(j[1], 'active', bits(tonumber(j[5])) - tonumber(j[4]))
  if tonumber(j[3]) > 0 then count(j[1], 'delayed', 1) end
  return j[1]
end
`;

/** p, fence, from, to, definitions or '', channel, sender, n, n batches of 6, m, m failed of 8 → done | fenced */
export const FLUSH = `${COMMON}
local fence, from, to, definitions, channel, sender = arg(), arg(), arg(), arg(), arg(), arg()
local store = redis.call('HMGET', KEYS[1], 'fence', 'position')
if store[1] ~= fence then return 'fenced' end
if store[2] ~= from then
  -- The answer to an earlier try may have been lost on the way: then its position stands here already.
  if store[2] == to then return 'done' else return 'fenced' end
end
local woken, list = {}, {}
for _ = 1, tonumber(arg()) do
  local w, size, bytes, first, last, payload = arg(), arg(), arg(), arg(), arg(), arg()
  add_job(w, 0, 0, size, bytes, first, last, payload)
  count(w, 'pending', size)
  count(w, 'pending_bytes', bytes)
  if not woken[w] then woken[w] = true list[#list + 1] = w end
end
for _ = 1, tonumber(arg()) do
  local w, id, failed_ms, attempts, reason, detail, bytes, payload = arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg()
  add_failed(w, id, failed_ms, attempts, reason, detail, bytes, payload)
  redis.call('SADD', p .. 'webhooks', w)
end
redis.call('HSET', KEYS[1], 'position', to)
if definitions ~= '' then redis.call('HSET', KEYS[1], 'definitions', definitions) end
if #list > 0 then
  redis.call('SADD', p .. 'webhooks', unpack(list))
  redis.call('PUBLISH', channel, sender .. '|' .. table.concat(list, ','))
end
return 'done'
`;

/** p, process, now, ttl, channel */
export const HEARTBEAT = `${COMMON}
local process, now, ttl, channel = arg(), tonumber(arg()), tonumber(arg()), arg()
redis.call('ZADD', p .. 'process', 'GT', now, process)
local woken, list = {}, {}
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', p .. 'process', '-inf', '(' .. (now - ttl))) do
  for _, id in ipairs(redis.call('SMEMBERS', p .. 'owned:' .. dead)) do
    local w = give_back(id)
    if w and not woken[w] then woken[w] = true list[#list + 1] = w end
  end
  redis.call('DEL', p .. 'owned:' .. dead)
  redis.call('ZREM', p .. 'process', dead)
end
if #list > 0 then redis.call('PUBLISH', channel, '|' .. table.concat(list, ',')) end
`;

/** p, webhook, process, most jobs, now → [is paused, next due or '', id, attempts, done, payload, …] */
export const CLAIM = `${COMMON}
local w, process, most, now = arg(), arg(), arg(), arg()
if redis.call('HGET', p .. 'count:' .. w, 'is_paused') == '1' then return { 1, '' } end
local ready, owned = p .. 'ready:' .. w, p .. 'owned:' .. process
local result = { 0, '' }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', ready, '-inf', now, 'LIMIT', 0, most)) do
  redis.call('ZREM', ready, id)
  local j = redis.call('HMGET', p .. 'job:' .. id, 'attempts', 'done', 'size', 'payload')
  if j[4] then
    redis.call('SADD', owned, id)
    count(w, 'active', tonumber(j[3]) - bits(tonumber(j[2])))
    if tonumber(j[1]) > 0 then count(w, 'delayed', -1) end
    local n = #result
    result[n + 1], result[n + 2], result[n + 3], result[n + 4] = id, j[1], j[2], j[4]
  end
end
local next = redis.call('ZRANGE', ready, 0, 0, 'WITHSCORES')
if next[2] then
  result[2] = next[2]
  redis.call('ZADD', p .. 'due', next[2], w)
else
  redis.call('ZREM', p .. 'due', w)
end
return result
`;

/** p, process, n, n jobs of 6, m, m retries of 6, k, k failed of 8 */
export const REPORT = `${COMMON}
local owned = p .. 'owned:' .. arg()
local mine = {}
for _ = 1, tonumber(arg()) do
  local id, mask, is_last, outcomes, delivered, bytes = arg(), tonumber(arg()), arg(), tonumber(arg()), tonumber(arg()), tonumber(arg())
  if redis.call('SISMEMBER', owned, id) == 1 then
    local job = p .. 'job:' .. id
    local j = redis.call('HMGET', job, 'webhook', 'done')
    local w = j[1]
    mine[id] = w
    if is_last == '1' then
      redis.call('DEL', job)
      redis.call('SREM', owned, id)
    else
      redis.call('HSET', job, 'done', bit.bor(tonumber(j[2]), mask))
    end
    count(w, 'active', -outcomes)
    count(w, 'pending', -outcomes)
    count(w, 'pending_bytes', -bytes)
    count(w, 'delivered_total', delivered)
  end
end
for _ = 1, tonumber(arg()) do
  local job, due, attempts, bytes, event_id, payload = arg(), arg(), arg(), arg(), arg(), arg()
  local w = mine[job]
  if w then
    add_job(w, due, attempts, 1, bytes, event_id, event_id, payload)
    count(w, 'pending', 1)
    count(w, 'delayed', 1)
  end
end
for _ = 1, tonumber(arg()) do
  local job, id, failed_ms, attempts, reason, detail, bytes, payload = arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg()
  local w = mine[job]
  if w then add_failed(w, id, failed_ms, attempts, reason, detail, bytes, payload) end
end
`;

/** p, process, ids… */
export const RELEASE = `${COMMON}
local owned = p .. 'owned:' .. arg()
for i = 3, #ARGV do
  if redis.call('SREM', owned, ARGV[i]) == 1 then give_back(ARGV[i]) end
end
`;

/** p, webhook, 1 or 0, channel */
export const PAUSE = `${COMMON}
local w, paused, channel = arg(), arg(), arg()
redis.call('HSET', p .. 'count:' .. w, 'is_paused', paused)
redis.call('SADD', p .. 'webhooks', w)
local next = redis.call('ZRANGE', p .. 'ready:' .. w, 0, 0, 'WITHSCORES')
if paused == '0' and next[2] then redis.call('ZADD', p .. 'due', next[2], w) end
if paused == '1' then redis.call('ZREM', p .. 'due', w) end
redis.call('PUBLISH', channel, '|' .. w)
`;

/** p, format, installation, position */
export const INITIALISE = `${COMMON}
local format, installation, position = arg(), arg(), arg()
redis.call('HSETNX', KEYS[1], 'position', position)
redis.call('HSETNX', KEYS[1], 'fence', 0)
redis.call('HSETNX', KEYS[1], 'format', format)
redis.call('HSET', KEYS[1], 'installation', installation)
`;

/** p, key, value or '' to remove, how: any | absent | is, expected → whether it was written */
export const PUT_NOTE = `${COMMON}
local key, value, how, expected = arg(), arg(), arg(), arg()
local notes = p .. 'note'
local now = redis.call('HGET', notes, key)
if how == 'absent' and now then return 0 end
if how == 'is' and now ~= expected then return 0 end
if value == '' then redis.call('HDEL', notes, key) else redis.call('HSET', notes, key, value) end
return 1
`;

/** p, format, installation, position */
export const REBIND = `${COMMON}
local format, installation, position = arg(), arg(), arg()
redis.call('HSET', KEYS[1], 'format', format, 'installation', installation, 'position', position)
redis.call('HINCRBY', KEYS[1], 'fence', 1)
`;
