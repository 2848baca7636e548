/** Dropping from the log on Redis what retention no longer keeps. Keys and helpers: see common.ts. */
import { COMMON } from './common.ts';

/**
 * p, delivered: most kept, before (ms); others: before (ms); bodies: before (ms); bytes; most to drop
 * → [delivered, others, others before their time, 1 or 0: there is more]
 */
export const SWEEP = `${COMMON}
local keep, delivered_before, failed_before, bodies_before, limit, most =
  tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg()), tonumber(arg())
local ALL = 2 ^ 25 - 1
local left = most
local function entry_ended(id) return cjson.decode(call('HGET', p .. 'log', id))[8] end
local function batch_ended(id) return tonumber(call('HGET', p .. 'job:' .. id, 'ended')) end
local function clear()
  settle()
  counts, places = {}, {}
end
local function oldest(set)
  local first = call('ZRANGE', p .. set, 0, 0, 'WITHSCORES')
  return first[1], tonumber(first[2])
end
-- The oldest that was delivered: an entry, or all that is logged in one job.
local function oldest_delivered()
  local entry, e = oldest('end:delivered')
  local batch, b = oldest('end:batch')
  if batch and (not entry or b < e) then return nil, batch end
  return entry, nil
end
local function lowest(mask, n)
  local some, place = 0, 1
  while n > 0 do
    if has(mask, place) then some, n = some + place, n - 1 end
    place = place * 2
  end
  return some
end

local delivered = 0
local excess = call('ZCARD', p .. 'end:delivered') + tonumber(call('GET', p .. 'logged_kept') or 0) - keep
while left > 0 do
  local entry, batch = oldest_delivered()
  local n = 0
  if entry and (excess > 0 or entry_ended(entry) < delivered_before) then
    drop_entry(entry)
    n = 1
  elseif batch then
    local logged = tonumber(call('HGET', p .. 'job:' .. batch, 'logged'))
    if batch_ended(batch) < delivered_before or excess >= bits(logged) then
      n = unlog(batch, ALL)
    elseif excess > 0 then
      n = unlog(batch, lowest(logged, excess))
    end
  end
  if n == 0 then break end
  delivered, excess, left = delivered + n, excess - n, left - n
end
local others = 0
for _, state in ipairs({ 'failed', 'cancelled' }) do
  local ids = {}
  if left > 0 then ids = call('ZRANGE', p .. 'end:' .. state, 0, left - 1) end
  for _, id in ipairs(ids) do
    if entry_ended(id) >= failed_before then break end
    drop_entry(id)
    others, left = others + 1, left - 1
  end
end
clear()
-- Bodies go before their entries; where this has come to is remembered by number.
local function drop_bodies(set, ended, drop)
  local mark = call('HGET', p .. 'swept', set) or '-inf'
  if mark ~= '-inf' then mark = '(' .. mark end
  local found = call('ZRANGEBYSCORE', p .. 'end:' .. set, mark, '+inf', 'WITHSCORES', 'LIMIT', 0, 500)
  for i = 1, #found, 2 do
    if left <= 0 or ended(found[i]) >= bodies_before then break end
    drop(found[i])
    call('HSET', p .. 'swept', set, found[i + 1])
    left = left - 1
  end
end
local function drop_of_entry(id)
  local size = call('HSTRLEN', p .. 'bodies', id)
  if size == 0 then return end
  call('HDEL', p .. 'bodies', id)
  count(cjson.decode(call('HGET', p .. 'log', id))[1], 'log_bytes', -size)
end
local function drop_of_batch(id)
  local job = p .. 'job:' .. id
  local size = call('HSTRLEN', job, 'exchanges')
  if size == 0 then return end
  call('HDEL', job, 'exchanges')
  call('HINCRBY', job, 'log_bytes', -size)
  count(call('HGET', job, 'webhook'), 'log_bytes', -size)
end
for _, state in ipairs({ 'delivered', 'failed', 'cancelled' }) do drop_bodies(state, entry_ended, drop_of_entry) end
drop_bodies('batch', batch_ended, drop_of_batch)
clear()
local early = 0
local function is_full() return left > 0 and tonumber(call('GET', p .. 'log_bytes') or 0) > limit end
while is_full() do
  local entry, batch = oldest_delivered()
  local n = 0
  if entry then
    drop_entry(entry)
    n = 1
  elseif batch then
    n = unlog(batch, ALL)
  end
  if n == 0 then break end
  clear()
  delivered, left = delivered + n, left - n
end
for _, state in ipairs({ 'cancelled', 'failed' }) do
  while is_full() do
    local id = oldest('end:' .. state)
    if not id then break end
    drop_entry(id)
    clear()
    others, early, left = others + 1, early + 1, left - 1
  end
end
local more = 0
if left <= 0 then more = 1 end
return { delivered, others, early, more }
`;
