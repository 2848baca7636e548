/** Listing and operating on Deliveries in Redis, one Lua script each. Keys and helpers: see common.ts. */
import { MAX_STRADDLING, ORDERED_LENGTH } from '../backend.ts';
import { COMMON, GAPS } from './common.ts';

/**
 * p, set of places, `(place` or `+`, least `at` or '', most to give back, most to look at, taken: 1, 0 or '',
 * first commit before (ms) or '', field with Attempts or '', what it holds, retried: 1, 0 or '',
 * n, n tokens, m, m places of Events in commit order, sorted → [place to go on below or '', 11 fields of each job…]
 */
export const SCAN_JOBS = `${COMMON}
local set, below, since, most, budget, taken = p .. arg(), arg(), arg(), tonumber(arg()), tonumber(arg()), arg()
local till, field, token, tried = tonumber(arg()), arg(), arg(), arg()
local tokens = {}
for i = 1, tonumber(arg()) do tokens[i] = arg() end
local events = {}
for i = 1, tonumber(arg()) do events[i] = arg() end
-- Whether one of the Events can be in a job.
local function is_in_range(id)
  local ends = call('HMGET', p .. 'job:' .. id, 'first_id', 'last_id')
  if not ends[1] or not ends[2] then return true end
  local first, last = string.sub(ends[1], 1, ${ORDERED_LENGTH}), string.sub(ends[2], 1, ${ORDERED_LENGTH})
  local low, high = 1, #events + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if events[middle] < first then low = middle + 1 else high = middle end
  end
  return events[low] ~= nil and events[low] <= last
end
local lowest = '-'
if since ~= '' then lowest = '[' .. since end
local members = call('ZREVRANGEBYLEX', set, below, lowest, 'LIMIT', 0, budget)
local result = { '' }
local n, found = 1, 0
for i, member in ipairs(members) do
  local id = string.sub(member, 13)
  local known = call('HMGET', p .. 'job:' .. id, 'head', 'attempts')
  local head = known[1]
  -- The first commit time in a head is that of its first Delivery.
  local matches = head and (not till or tonumber(string.match(head, '"c":(%d+)') or till) < till)
  if matches and tried ~= '' then matches = (tonumber(known[2]) > 0) == (tried == '1') end
  if matches and field ~= '' then
    local text = call('HGET', p .. 'job:' .. id, field) or ''
    matches = text ~= '' and string.find(text, token, 1, true)
  end
  for _, token in ipairs(tokens) do
    matches = matches and string.find(head, token, 1, true)
  end
  if matches and #events > 0 then matches = is_in_range(id) end
  if matches then
    local j = call('HMGET', p .. 'job:' .. id, 'webhook', 'attempts', 'due', 'done', 'size', 'history', 'logged', 'records')
    local is_taken = 1
    if call('ZSCORE', p .. 'ready:' .. j[1], id) then is_taken = 0 end
    if taken == '' or tonumber(taken) == is_taken then
      result[n + 1], result[n + 2], result[n + 3], result[n + 4], result[n + 5] = member, j[1], j[2], j[3], j[4]
      result[n + 6], result[n + 7], result[n + 8], result[n + 9] = j[5], is_taken, head, j[6] or ''
      result[n + 10], result[n + 11] = j[7] or 0, j[8] or ''
      n, found = n + 11, found + 1
    end
  end
  if found == most and i < #members then result[1] = member return result end
end
if #members == budget then result[1] = members[budget] end
return result
`;

/** p, ids… → 14 fields of each job that is there */
export const READ_JOBS = `${COMMON}
local result, n = {}, 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local j = call('HMGET', p .. 'job:' .. id, 'at', 'webhook', 'attempts', 'due', 'done', 'size', 'head', 'history', 'logged',
    'records', 'events', 'bodies', 'exchanges')
  if j[1] then
    local is_taken = 1
    if call('ZSCORE', p .. 'ready:' .. j[2], id) then is_taken = 0 end
    result[n + 1], result[n + 2], result[n + 3], result[n + 4], result[n + 5] = j[1] .. id, j[2], j[3], j[4], j[5]
    result[n + 6], result[n + 7], result[n + 8], result[n + 9] = j[6], is_taken, j[7], j[8] or ''
    result[n + 10], result[n + 11], result[n + 12] = j[9] or 0, j[10] or '', j[11]
    result[n + 13], result[n + 14] = j[12] or '', j[13] or ''
    n = n + 14
  end
end
return result
`;

/**
 * p, below, since or '', until or '', most, budget, webhook, state, model, key, request, status ('' is any),
 * only count: 1 or 0 → [place to go on below or '', place, head, …] or the count as a text
 */
export const SCAN_ENTRIES = `${COMMON}
local below, since, till, most, budget = arg(), arg(), arg(), tonumber(arg()), tonumber(arg())
local w, state, model, key, request, status, only_count = arg(), arg(), arg(), arg(), arg(), arg(), arg()
local states = { 'delivered', 'failed', 'cancelled' }
if state ~= '' then states = { state } end
local low, high = '-', '+'
if since ~= '' then low = '[' .. since end
if till ~= '' then high = '(' .. till end
if below ~= '' and (high == '+' or below < till) then high = '(' .. below end

-- A place is wanted that stands in one set of each group: those of the smallest are asked of the others.
local groups = {}
local base = {}
for i, one in ipairs(states) do
  base[i] = p .. 's:' .. one
  if w ~= '' then base[i] = p .. 'ws:' .. w .. ':' .. one end
end
if model ~= '' then groups[#groups + 1] = { p .. 'm:' .. model } end
if key ~= '' then groups[#groups + 1] = { p .. 'k:' .. key } end
if request ~= '' then groups[#groups + 1] = { p .. 'r:' .. request } end
if status ~= '' then groups[#groups + 1] = { p .. 'c:' .. status } end
-- Whatever has ended stands in one of all states.
if w ~= '' or state ~= '' or #groups == 0 then groups[#groups + 1] = base end
local smallest, size = 1, nil
for i, sets in ipairs(groups) do
  local n = 0
  for _, set in ipairs(sets) do n = n + call('ZCARD', set) end
  if not size or n < size then smallest, size = i, n end
end
local choice = table.remove(groups, smallest)
local whole = #groups == 0
local function is_wanted(member)
  for _, sets in ipairs(groups) do
    local stands = false
    for _, set in ipairs(sets) do stands = stands or call('ZSCORE', set, member) end
    if not stands then return false end
  end
  return true
end

if only_count == '1' and whole then
  local n = 0
  for _, set in ipairs(choice) do n = n + call('ZLEXCOUNT', set, low, high) end
  return { '', tostring(n) }
end
local ask = math.min(budget, most)
if not whole or only_count == '1' then ask = budget end
local members = {}
for _, set in ipairs(choice) do
  for _, member in ipairs(call('ZREVRANGEBYLEX', set, high, low, 'LIMIT', 0, ask + 1)) do
    members[#members + 1] = member
  end
end
if #choice > 1 then table.sort(members, function(a, b) return a > b end) end
local result, n, found = { '' }, 1, 0
local looked = math.min(ask, #members)
for i = 1, looked do
  local member = members[i]
  if whole or is_wanted(member) then
    found = found + 1
    if only_count ~= '1' then
      result[n + 1], result[n + 2] = member, call('HGET', p .. 'log', string.sub(member, 13))
      n = n + 2
      if found == most then
        if i < #members then result[1] = member end
        return result
      end
    end
  end
end
if #members > looked then result[1] = members[looked] end
if only_count == '1' then return { result[1], tostring(found) } end
return result
`;

/** p, ids… → id, head, event, bodies of each entry that is there */
export const READ_ENTRIES = `${COMMON}
local result, n = {}, 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local head = call('HGET', p .. 'log', id)
  if head then
    result[n + 1], result[n + 2] = id, head
    result[n + 3] = call('HGET', p .. 'event', id) or ''
    result[n + 4] = call('HGET', p .. 'bodies', id) or ''
    n = n + 4
  end
end
return result
`;

/** Marks Deliveries of a job as done that were not; drops the job when nothing is left and nobody has it. */
const END_IN_JOB = `
local cancelled = {}
local function end_in_job(id, mask, bytes)
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'webhook', 'done', 'size', 'at', 'history', 'attempts')
  if not j[1] then return nil end
  local w, done = j[1], tonumber(j[2])
  local now_done = bit.bor(done, mask)
  local n = bits(now_done) - bits(done)
  if n == 0 then return w, 0 end
  count(w, 'pending', -n)
  count(w, 'pending_bytes', -bytes)
  call('HSET', job, 'done', now_done)
  if call('ZSCORE', p .. 'ready:' .. w, id) then
    if tonumber(j[6]) > 0 then count(w, 'delayed', -n) end
    if bits(now_done) == tonumber(j[3]) then
      call('ZREM', p .. 'ready:' .. w, id)
      drop_job(w, id, j[4], j[5])
    end
  else
    count(w, 'active', -n)
    cancelled[#cancelled + 1] = id .. ':' .. mask
  end
  return w, n
end
local function announce_cancelled(channel)
  for i = 1, #cancelled, 100 do
    call('PUBLISH', channel, '!' .. table.concat(cancelled, ',', i, math.min(i + 99, #cancelled)))
  end
end
`;

/** p, channel, n, n × (job, bit, bytes, entry of 11) → how many */
export const CANCEL = `${COMMON}${END_IN_JOB}
local channel, total = arg(), 0
for _ = 1, tonumber(arg()) do
  local id, mask, bytes = arg(), tonumber(arg()), tonumber(arg())
  local e = read_entry()
  local w, n = end_in_job(id, mask, bytes)
  if w and n > 0 then
    put_entry(e)
    total = total + n
  end
end
settle()
announce_cancelled(channel)
return total
`;

/** p, channel, n, n × (job, head and done expected, mask, bytes, head, events, exchanges) → ids of the jobs changed */
export const BLANK = `${COMMON}${END_IN_JOB}
local channel, changed = arg(), {}
for _ = 1, tonumber(arg()) do
  local id, expected, done, mask, bytes, head, events, exchanges =
    arg(), arg(), arg(), tonumber(arg()), tonumber(arg()), arg(), arg(), arg()
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'head', 'done', 'size')
  if j[1] == expected and j[2] == done then
    call('HSET', job, 'head', head, 'events', events)
    if exchanges == '' then call('HDEL', job, 'exchanges') else call('HSET', job, 'exchanges', exchanges) end
    if j[3] == '1' then call('HDEL', job, 'history', 'bodies') call('ZREM', p .. 'tried', id) end
    end_in_job(id, mask, bytes)
    unlog(id, mask)
    changed[#changed + 1] = id
  end
end
settle()
announce_cancelled(channel)
return changed
`;

/**
 * p, channel, n, n × (id, job and bit where it is logged in one or '', webhook, at, bytes, event id, head, events,
 * history, bodies) → how many
 */
export const REQUEUE = `${COMMON}
local channel, total = arg(), 0
for _ = 1, tonumber(arg()) do
  local id, job, mask, w, time, bytes, event_id, head, events, history, bodies =
    arg(), arg(), tonumber(arg()), arg(), arg(), tonumber(arg()), arg(), arg(), arg(), arg(), arg()
  local was_there
  if job == '' then was_there = drop_entry(id) else was_there = unlog(job, mask) > 0 end
  if was_there then
    add_job(w, time, 0, 0, 1, bytes, event_id, event_id, head, events, history, bodies)
    count(w, 'pending', 1)
    count(w, 'pending_bytes', bytes)
    wake(w)
    total = total + 1
  end
end
settle()
announce(channel, '')
return total
`;

/** p, channel, ids… → how many */
export const MAKE_DUE = `${COMMON}
local channel, total = arg(), 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local j = call('HMGET', p .. 'job:' .. id, 'webhook', 'attempts')
  if j[1] and tonumber(j[2]) > 0 and call('ZSCORE', p .. 'ready:' .. j[1], id) then
    call('HSET', p .. 'job:' .. id, 'due', 0)
    call('ZADD', p .. 'ready:' .. j[1], 0, id)
    call('ZADD', p .. 'due', 'LT', 0, j[1])
    wake(j[1])
    total = total + 1
  end
end
announce(channel, '')
return total
`;

/** p, ids… → how many */
export const DROP_ENTRIES = `${COMMON}
local total = 0
for i = 2, #ARGV do
  if drop_entry(ARGV[i]) then total = total + 1 end
end
settle()
return total
`;

/**
 * p, after, most → up to which number, (ended | tried | delivered, number, head, 11 fields of the job) …, in no
 * order. A job stands at its newest number: those with something logged up to that number and more after it are
 * looked for.
 */
export const OUTCOMES = `${COMMON}
local after, most = '(' .. arg(), arg()
local up_to = tonumber(call('GET', p .. 'log_seq') or 0)
local result, n = { 0 }, 1
local function first_of(set)
  local found = call('ZRANGEBYSCORE', p .. set, after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  if #found == 2 * most and #found > 0 then up_to = math.min(up_to, tonumber(found[#found])) end
  return found
end
for _, state in ipairs({ 'delivered', 'failed', 'cancelled' }) do
  local found = first_of('end:' .. state)
  for i = 1, #found, 2 do
    result[n + 1], result[n + 2], result[n + 3] = 'ended', found[i + 1], call('HGET', p .. 'log', found[i])
    for j = 4, 14 do result[n + j] = '' end
    n = n + 14
  end
end
local function jobs(kind, found)
  for i = 1, #found, 2 do
    local id = found[i]
    local j = call('HMGET', p .. 'job:' .. id, 'at', 'webhook', 'attempts', 'due', 'done', 'size', 'head', 'history',
      'logged', 'records')
    if j[1] then
      local is_taken = 1
      if call('ZSCORE', p .. 'ready:' .. j[2], id) then is_taken = 0 end
      local row = { kind, found[i + 1], '', j[1] .. id, j[2], j[3], j[4], j[5], j[6], is_taken, j[7], j[8] or '', j[9] or 0,
        j[10] or '' }
      for k = 1, 14 do result[n + k] = row[k] end
      n = n + 14
    end
  end
end
jobs('tried', first_of('tried'))
local batches = first_of('end:batch')
local later = '(' .. (batches[#batches] or string.sub(after, 2))
local more = call('ZRANGEBYSCORE', p .. 'end:batch', later, '+inf', 'WITHSCORES', 'LIMIT', 0, ${MAX_STRADDLING})
for i = 1, #more, 2 do
  local first = tonumber(string.match(call('HGET', p .. 'job:' .. more[i], 'records') or '', '^%d+'))
  if first and first <= up_to then batches[#batches + 1], batches[#batches + 2] = more[i], more[i + 1] end
end
jobs('delivered', batches)
result[1] = up_to
return result
`;

/** p, webhook, now → [Deliveries dropped, jobs dropped]; a Gap tells which */
export const DROP_WEBHOOK = `${COMMON}${GAPS}
local w, now = arg(), arg()
local total, jobs = 0, 0
for _, member in ipairs(call('ZRANGEBYLEX', p .. 'jobs:' .. w, '-', '+', 'LIMIT', 0, 200)) do
  local id = string.sub(member, 13)
  if call('ZREM', p .. 'ready:' .. w, id) == 1 then
    local j = call('HMGET', p .. 'job:' .. id, 'head', 'done', 'attempts', 'history', 'at')
    local left = not_done(j[1], tonumber(j[2]))
    if #left > 0 then extend_gap('orphan', w, left, now) end
    local bytes = 0
    for _, d in ipairs(left) do bytes = bytes + (d.b or d.n) end
    drop_job(w, id, j[5], j[4])
    count(w, 'pending', -#left)
    count(w, 'pending_bytes', -bytes)
    if tonumber(j[3]) > 0 then count(w, 'delayed', -1) end
    total, jobs = total + #left, jobs + 1
  end
end
settle()
if jobs == 0 then close_gap('orphan', w, now) end
return { total, jobs }
`;
