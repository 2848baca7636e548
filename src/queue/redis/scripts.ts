/** What capture and deliver do in Redis, one Lua script each: each is one transaction. Keys and helpers: see common.ts. */
import { MAX_UNDECIDED } from '../entry.ts';
import { COMMON, GAPS } from './common.ts';

/**
 * p, fence, from, to, definitions or '', channel, sender, now, n, n batches of 12, m, m entries of 11,
 * k, k Webhooks to pause → done | fenced | held
 */
export const FLUSH = `${COMMON}${GAPS}
local fence, from, to, definitions, channel, sender, now = arg(), arg(), arg(), arg(), arg(), arg(), arg()
local store = call('HMGET', KEYS[1], 'fence', 'position')
if store[1] ~= fence then return 'fenced' end
if store[2] ~= from then
  -- The answer to an earlier try may have been lost on the way: then its position stands here already.
  if store[2] == to then return 'done' else return 'fenced' end
end
local batches, waits = {}, {}
for i = 1, tonumber(arg()) do
  local b = { w = arg(), size = tonumber(arg()), bytes = tonumber(arg()), first = arg(), last = arg(),
    time = arg(), head = arg(), events = arg(), max = tonumber(arg()), max_bytes = tonumber(arg()), rule = arg(),
    rows = arg() }
  batches[i] = b
  local q = waits[b.w]
  if not q then
    local c = call('HMGET', p .. 'count:' .. b.w, 'pending', 'pending_bytes')
    q = { tonumber(c[1] or 0), tonumber(c[2] or 0) }
    q.was_empty = q[1] == 0
    waits[b.w] = q
  end
  q[1], q[2] = q[1] + b.size, q[2] + b.bytes
  b.excess, b.excess_bytes = 0, 0
  if b.max > 0 then b.excess, b.excess_bytes = q[1] - b.max, q[2] - b.max_bytes end
  if b.excess > 0 or b.excess_bytes > 0 then
    -- What is larger than the bound by itself would never fit: it is let in where nothing waits.
    if b.rule == 'hold' and not q.was_empty then return 'held' end
    b.is_over, q.is_over = b.rule ~= 'hold', b.rule ~= 'hold'
    -- What is not stored leaves room for nothing behind it in this flush: order is kept.
  end
end
local closed = {}
for _, b in ipairs(batches) do
  local w = b.w
  if b.is_over and b.rule == 'overflow' then
    extend_gap('overflow', w, cjson.decode(b.head).d, now)
  else
    if b.is_over then
      local over, over_bytes = b.excess, b.excess_bytes
      for _, member in ipairs(call('ZRANGEBYLEX', p .. 'jobs:' .. w, '-', '+', 'LIMIT', 0, 500)) do
        if over <= 0 and over_bytes <= 0 then break end
        local id = string.sub(member, 13)
        if call('ZSCORE', p .. 'ready:' .. w, id) then
          local j = call('HMGET', p .. 'job:' .. id, 'head', 'done', 'attempts', 'bytes', 'history', 'at')
          local left = not_done(j[1], tonumber(j[2]))
          if #left > 0 then extend_gap('dropped', w, left, now) end
          -- Bytes of what was done already were counted off before.
          local bytes = 0
          for _, d in ipairs(left) do bytes = bytes + (d.b or d.n) end
          call('ZREM', p .. 'ready:' .. w, id)
          drop_job(w, id, j[6], j[5])
          count(w, 'pending', -#left)
          count(w, 'pending_bytes', -bytes)
          if tonumber(j[3]) > 0 then count(w, 'delayed', -1) end
          over, over_bytes = over - #left, over_bytes - bytes
          for _, later in ipairs(batches) do
            if later.w == w then
              later.excess, later.excess_bytes = later.excess - #left, later.excess_bytes - bytes
            end
          end
        end
      end
    elseif not closed[w] and not waits[w].is_over then
      closed[w] = true
      close_gap('overflow', w, now)
      close_gap('dropped', w, now)
    end
    rows_join(w, add_job(w, b.time, 0, 0, b.size, b.bytes, b.first, b.last, b.head, b.events, '', ''), b.rows)
    count(w, 'pending', b.size)
    count(w, 'pending_bytes', b.bytes)
    wake(w)
  end
end
local failing = {}
for _ = 1, tonumber(arg()) do
  local e = read_entry()
  put_entry(e)
  call('SADD', p .. 'webhooks', e[2])
  if undecided[e[7]] then failing[e[2]] = true end
end
for _ = 1, tonumber(arg()) do
  local w = arg()
  call('HSET', p .. 'count:' .. w, 'is_paused', 1, 'is_braked', 1)
  call('SADD', p .. 'webhooks', w)
  wake(w)
end
call('HSET', KEYS[1], 'position', to)
if definitions ~= '' then call('HSET', KEYS[1], 'definitions', definitions) end
settle()
counts, places, fields = {}, {}, {}
for w in pairs(failing) do
  local set = p .. 'undecided:' .. w
  local excess = call('ZCARD', set) - ${MAX_UNDECIDED}
  if excess > 0 then
    for _, member in ipairs(call('ZRANGEBYLEX', set, '-', '+', 'LIMIT', 0, excess)) do
      drop_entry(string.sub(member, 13))
    end
  end
end
settle()
for w in pairs(waits) do call('SADD', p .. 'webhooks', w) end
announce(channel, sender)
return 'done'
`;

/** p, digest of what is known or '' → nothing where it is the same, else digest and text; '' where there are none */
export const DEFINITIONS = `
local format = redis.call('HGET', KEYS[1], 'format') or '0'
local text = redis.call('HGET', KEYS[1], 'definitions') or ''
local digest = redis.sha1hex(text)
if digest == ARGV[2] then return { format } end
return { format, digest, text }
`;

/** p, process, ttl, channel */
export const HEARTBEAT = `${COMMON}
local process, ttl, channel = arg(), tonumber(arg()), arg()
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
call('ZADD', p .. 'process', 'GT', now, process)
for _, dead in ipairs(call('ZRANGEBYSCORE', p .. 'process', '-inf', '(' .. (now - ttl))) do
  if dead ~= process then
    for _, id in ipairs(call('SMEMBERS', p .. 'owned:' .. dead)) do
      local w = give_back(id)
      if w then wake(w) end
    end
    call('DEL', p .. 'owned:' .. dead)
    call('ZREM', p .. 'process', dead)
  end
end
settle()
announce(channel, '')
`;

/** p, webhook, process, most jobs, now → [is paused, next due or '', 6 fields of each job…] */
export const CLAIM = `${COMMON}
local w, process, most, now = arg(), arg(), arg(), arg()
if call('HGET', p .. 'count:' .. w, 'is_paused') == '1' then return { 1, '' } end
local ready, owned = p .. 'ready:' .. w, p .. 'owned:' .. process
local result = { 0, '' }
for _, id in ipairs(call('ZRANGEBYSCORE', ready, '-inf', now, 'LIMIT', 0, most)) do
  call('ZREM', ready, id)
  local j = call('HMGET', p .. 'job:' .. id, 'attempts', 'done', 'size', 'head', 'events', 'history', 'bodies', 'payload')
  if j[4] or j[8] then
    call('SADD', owned, id)
    count(w, 'active', tonumber(j[3]) - bits(tonumber(j[2])))
    if tonumber(j[1]) > 0 then count(w, 'delayed', -1) end
    local n = #result
    -- A job of format 1 has head and Events in one text.
    result[n + 1], result[n + 2], result[n + 3] = id, j[1], j[2]
    result[n + 4], result[n + 5] = j[4] or '', j[5] or j[8] or ''
    result[n + 6], result[n + 7] = j[6] or '', j[7] or ''
  end
end
if #result > 2 and not call('ZSCORE', p .. 'process', process) then
  -- Given up meanwhile, it could take what nobody would ever take back from it.
  local time = call('TIME')
  call('ZADD', p .. 'process', time[1] * 1000 + math.floor(time[2] / 1000), process)
end
local next = call('ZRANGE', ready, 0, 0, 'WITHSCORES')
if next[2] then
  result[2] = next[2]
  call('ZADD', p .. 'due', next[2], w)
else
  call('ZREM', p .. 'due', w)
end
settle()
return result
`;

/**
 * p, process, 1 or 0: what is delivered loses its Event, n, n jobs of 8 (id, mask; mask, bytes, time, records and
 * exchanges of what was delivered at its first try; end of its ids), m, m retries of 11, k, k entries of 3 + 11
 */
export const REPORT = `${COMMON}
local owned, is_bare = p .. 'owned:' .. arg(), arg()
local mine, fresh = {}, {}
-- Of what is reported as delivered, what is done already was cancelled or purged while its request was in flight.
-- Where it was cancelled and arrived all the same, it is delivered. Returns which, and the bytes of the others.
local function look_again(id, mask, done, suffix)
  local revived, bytes = 0, 0
  for i, d in ipairs(cjson.decode(call('HGET', p .. 'job:' .. id, 'head')).d) do
    local bit = 2 ^ (i - 1)
    local entry = d.i .. '-' .. suffix
    if has(mask, bit) and not has(done, bit) then
      bytes = bytes + (d.b or d.n)
    elseif has(mask, bit) and call('ZSCORE', p .. 'end:cancelled', entry) then
      drop_entry(entry)
      revived = revived + bit
    end
  end
  return revived, bytes
end
for _ = 1, tonumber(arg()) do
  local id, mask, delivered, bytes, ended_ms, records, exchanges, suffix =
    arg(), tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg()), arg(), arg(), arg()
  if call('SISMEMBER', owned, id) == 1 then
    local job = p .. 'job:' .. id
    local j = call('HMGET', job, 'webhook', 'done', 'size', 'at', 'history')
    local w, done, time = j[1], tonumber(j[2]), j[4] or ''
    local now_done = bit.bor(done, mask)
    local n = bits(now_done) - bits(done)
    mine[id], fresh[id] = w, now_done - done
    count(w, 'active', -n)
    count(w, 'pending', -n)
    local logged = bit.band(delivered, now_done - done)
    if logged ~= delivered then
      local revived
      revived, bytes = look_again(id, delivered, done, suffix)
      -- Exchanges are one text, perhaps sealed: those of what was purged must not be kept.
      logged, exchanges = logged + revived, ''
    end
    if logged ~= 0 then log_delivered(w, id, time, logged, records, exchanges, is_bare, ended_ms) end
    if delivered ~= 0 then count(w, 'pending_bytes', -bytes) end
    if bits(now_done) == tonumber(j[3]) then
      drop_job(w, id, time, j[5])
      call('SREM', owned, id)
    else
      call('HSET', job, 'done', now_done)
    end
  end
end
for _ = 1, tonumber(arg()) do
  local job, mask, time, due, attempts, bytes, event_id, head, events, history, bodies =
    arg(), tonumber(arg()), arg(), arg(), arg(), tonumber(arg()), arg(), arg(), arg(), arg(), arg()
  local w = mine[job]
  if w and has(fresh[job], mask) then
    rows_replace(job, add_job(w, time, due, attempts, 1, bytes, event_id, event_id, head, events, history, bodies))
    count(w, 'pending', 1)
    count(w, 'delayed', 1)
  end
end
for _ = 1, tonumber(arg()) do
  local job, mask, bytes = arg(), tonumber(arg()), tonumber(arg())
  local e = read_entry()
  local w = mine[job]
  if w and has(fresh[job], mask) then
    count(w, 'pending_bytes', -bytes)
    put_entry(e)
  elseif w and e[3] == 'delivered' and call('ZSCORE', p .. 'end:cancelled', e[1]) then
    -- It was cancelled while the request was in flight, and arrived all the same.
    put_entry(e)
  end
end
settle()
`;

/** p, process, ids… */
export const RELEASE = `${COMMON}
local owned = p .. 'owned:' .. arg()
for i = 3, #ARGV do
  if call('SREM', owned, ARGV[i]) == 1 then give_back(ARGV[i]) end
end
settle()
`;

/** p, webhook, 1 or 0, channel */
export const PAUSE = `${COMMON}
local w, paused, channel = arg(), arg(), arg()
call('HSET', p .. 'count:' .. w, 'is_paused', paused, 'is_braked', 0)
call('SADD', p .. 'webhooks', w)
local next = call('ZRANGE', p .. 'ready:' .. w, 0, 0, 'WITHSCORES')
if paused == '0' and next[2] then call('ZADD', p .. 'due', next[2], w) end
if paused == '1' then call('ZREM', p .. 'due', w) end
call('PUBLISH', channel, '|' .. w)
`;

/** p, webhook, at, bytes, event id, head, events, channel */
export const ENQUEUE = `${COMMON}
local w, time, bytes, event_id, head, events, channel = arg(), arg(), arg(), arg(), arg(), arg(), arg()
add_job(w, time, 0, 0, 1, bytes, event_id, event_id, head, events, '', '')
count(w, 'pending', 1)
count(w, 'pending_bytes', bytes)
call('SADD', p .. 'webhooks', w)
settle()
call('PUBLISH', channel, '|' .. w)
`;

/** p, format, installation, position. Brings a store of format 1 to this one. */
export const INITIALISE = `${COMMON}
local format, installation, position = arg(), arg(), arg()
if call('HGET', KEYS[1], 'format') == '1' then
  local function index(id)
    local job = p .. 'job:' .. id
    local j = call('HMGET', job, 'webhook', 'payload')
    if not j[2] then return end
    local head = string.match(j[2], '^[^\\n]*')
    local ds = cjson.decode(head).d
    local time = string.format('%012x', ds[#ds].c)
    call('HSET', job, 'at', time, 'head', head, 'events', string.sub(j[2], #head + 2))
    call('HDEL', job, 'payload')
    place('jobs', time .. id)
    place('jobs:' .. j[1], time .. id)
  end
  for _, w in ipairs(call('SMEMBERS', p .. 'webhooks')) do
    for _, id in ipairs(call('ZRANGE', p .. 'ready:' .. w, 0, -1)) do index(id) end
    for _, id in ipairs(call('ZRANGE', p .. 'failed:' .. w, 0, -1)) do
      local f = call('HMGET', p .. 'delivery:' .. id, 'reason', 'detail', 'payload')
      local ended = tonumber(call('ZSCORE', p .. 'failed:' .. w, id))
      local line = string.match(f[3], '^[^\\n]*')
      local d = cjson.decode(line).d[1]
      local request = d.r
      if request == cjson.null then request = '' end
      local row = cjson.encode({ w, 'failed', d.m, d.k, request, f[1], d.c, ended, d.i, d.s, d.t, d.l, d.x, 0, f[1], f[2], 0 })
      put_entry({ id, w, 'failed', d.m, d.k, request, f[1], string.format('%012x', d.c),
        string.sub(row, 1, -2) .. ',[]]', string.sub(f[3], #line + 2), '' })
      count(w, 'failed', -1)
      count(w, 'failed_total', -1)
      call('DEL', p .. 'delivery:' .. id)
    end
    call('DEL', p .. 'failed:' .. w)
  end
  for _, process in ipairs(call('ZRANGE', p .. 'process', 0, -1)) do
    for _, id in ipairs(call('SMEMBERS', p .. 'owned:' .. process)) do index(id) end
  end
end
call('HSETNX', KEYS[1], 'position', position)
call('HSETNX', KEYS[1], 'fence', 0)
call('HSET', KEYS[1], 'format', format, 'installation', installation)
settle()
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

/**
 * p, position → 1 and a write that comes after all up to the position, or 0. A server that came back with less
 * than it had holds an earlier position: what is not there cannot be said to be on its disk.
 */
export const MARK = `
local at = redis.call('HGET', KEYS[1], 'position')
if not at or at < ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[1], 'marks', 1)
return 1
`;
