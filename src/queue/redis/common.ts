/**
 * The queue's operations on Redis, one Lua script each: Redis runs a script as one transaction.
 *
 * Keys, all under one hash tag so that a cluster keeps them on one node (`p` is `{prefix}:`):
 *
 *   p store              hash    format, installation, position, fence, definitions, marks
 *   p note               hash    key → text: who captures, how far a replay is
 *   p seq                string  last job id: microseconds since 1970, or one more than the one before
 *   p webhooks           set     keys of Webhooks that have counters
 *   p due                zset    Webhook → when its next job is due (ms; 0: at once)
 *   p count:WEBHOOK      hash    counters, is_paused, is_braked, is_parked
 *   p ready:WEBHOOK      zset    job id → due (0 for a first try), so that ties go in order of id
 *   p job:ID             hash    the job
 *   p jobs, jobs:WEBHOOK zset    every job by the commit time of its last Delivery: `at` .. id
 *   p tried              zset    jobs of retries → place in the sequence of outcomes
 *   p row:WEBHOOK:ROW    list    ids of the jobs of a row that are not done, where order matters (rowScripts.ts)
 *   p owned:PROCESS      set     ids of the jobs a process has taken
 *   p process            zset    process → last sign of life (ms)
 *   p gaps, gap_open     hash    Gaps by number; those that still grow by kind and Webhook
 *
 * The log: what was delivered at its first try stays in its job (batchScripts.ts). Of everything else that has
 * ended, an entry per Delivery in three hashes by its id, and sorted sets of its places (`at` .. id, all of
 * score 0, so that they sort as text: by commit time, then id):
 *
 *   p log, event, bodies hash    the entry's parts (see entry.ts)
 *   p log_seq            string  last outcome's number
 *   p log_bytes          string  what the log takes
 *   p end:STATE          zset    id → number of the outcome, for retention and the tail
 *   p s:STATE, ws:WEBHOOK:STATE, m:MODEL, k:KEY, r:REQUEST, c:STATUS    zset of places
 *   p undecided:WEBHOOK  zset    places of those that failed because a condition could not be evaluated
 *
 * `at` is a commit time in milliseconds as 12 hex digits. Every script takes `p store` as its one declared
 * key and `p` as its first argument.
 */

import { UNDECIDED } from '../entry.ts';
import { BATCH_LOG } from './batchScripts.ts';
import { ROWS } from './rowScripts.ts';

/** What every script begins with. */
export const COMMON = `
local p = ARGV[1]
local at = 1
local function arg() at = at + 1 return ARGV[at] end
local call = redis.call
-- While its slot moves to another node of a Cluster, a script would fail in its middle, at the first key that is
-- there no more or not yet. It fails here, before it has written anything.
local moving = redis.pcall('EXISTS', p .. 'none')
if type(moving) == 'table' and moving.err then
  return redis.error_reply('TRYAGAIN the slot of ' .. p .. ' moves to another node')
end
${ROWS}
local counts = {}
local function count(w, field, n)
  local c = counts[w]
  if not c then c = {} counts[w] = c end
  c[field] = (c[field] or 0) + n
end
local places, fields = {}, {}
local function add_pair(lists, name, a, b)
  local list = lists[name]
  if not list then list = {} lists[name] = list end
  local n = #list
  list[n + 1], list[n + 2] = a, b
end
local function place(set, member) add_pair(places, set, 0, member) end
local function bits(mask)
  local n = 0
  while mask > 0 do n = n + mask % 2 mask = math.floor(mask / 2) end
  return n
end
local function has(mask, bit) return math.floor(mask / bit) % 2 == 1 end
${BATCH_LOG}
-- What was counted and placed goes to the keys at the end, many at a time.
local function settle()
  rows_settle()
  batches_settle()
  for w, sums in pairs(counts) do
    for field, n in pairs(sums) do
      if n ~= 0 then call('HINCRBY', p .. 'count:' .. w, field, n) end
    end
    if sums.log_bytes and sums.log_bytes ~= 0 then call('INCRBY', p .. 'log_bytes', sums.log_bytes) end
  end
  for set, list in pairs(places) do
    for i = 1, #list, 2000 do call('ZADD', p .. set, unpack(list, i, math.min(i + 1999, #list))) end
  end
  for hash, list in pairs(fields) do
    for i = 1, #list, 2000 do call('HSET', p .. hash, unpack(list, i, math.min(i + 1999, #list))) end
  end
end
-- Ids rise with the server's clock: those of jobs that a crash or a failover took away must not be given again, for
-- whoever has such a job in hand still would report it done, and the new one with it.
local is_raised = false
local function next_id()
  if not is_raised then
    is_raised = true
    local time = call('TIME')
    local now = time[1] * 1000000 + time[2]
    if tonumber(call('GET', p .. 'seq') or 0) < now then call('SET', p .. 'seq', string.format('%.0f', now)) end
  end
  return string.format('%016.0f', call('INCR', p .. 'seq'))
end
local function add_job(w, time, due, attempts, size, bytes, first, last, head, events, history, bodies)
  local id = next_id()
  call('HSET', p .. 'job:' .. id, 'webhook', w, 'at', time, 'due', due, 'attempts', attempts, 'size', size,
    'bytes', bytes, 'done', 0, 'first_id', first, 'last_id', last, 'head', head, 'events', events)
  if history ~= '' then
    call('HSET', p .. 'job:' .. id, 'history', history, 'bodies', bodies)
    call('ZADD', p .. 'tried', call('INCR', p .. 'log_seq'), id)
  end
  place('jobs', time .. id)
  place('jobs:' .. w, time .. id)
  call('ZADD', p .. 'ready:' .. w, due, id)
  call('ZADD', p .. 'due', 'LT', due, w)
  return id
end
local function drop_job(w, id, time, history)
  rows_ended(w, id)
  leave_queue(id)
  call('ZREM', p .. 'jobs', time .. id)
  call('ZREM', p .. 'jobs:' .. w, time .. id)
  if history and history ~= '' then call('ZREM', p .. 'tried', id) end
end
local undecided = { ${UNDECIDED.map((reason) => `['${reason}'] = true`).join(', ')} }
local function drop_entry(id)
  local head = call('HGET', p .. 'log', id)
  if not head then return nil end
  local e = cjson.decode(head)
  local w, state = e[1], e[2]
  local member = string.format('%012x', e[7]) .. id
  local size = #head + call('HSTRLEN', p .. 'event', id) + call('HSTRLEN', p .. 'bodies', id) + 600
  call('HDEL', p .. 'log', id)
  call('HDEL', p .. 'event', id)
  call('HDEL', p .. 'bodies', id)
  call('ZREM', p .. 'end:' .. state, id)
  call('ZREM', p .. 's:' .. state, member)
  call('ZREM', p .. 'ws:' .. w .. ':' .. state, member)
  call('ZREM', p .. 'm:' .. e[3], member)
  call('ZREM', p .. 'k:' .. e[4], member)
  if e[5] ~= '' then call('ZREM', p .. 'r:' .. e[5], member) end
  call('ZREM', p .. 'c:' .. e[6], member)
  if undecided[e[6]] then call('ZREM', p .. 'undecided:' .. w, member) end
  count(w, state, -1)
  count(w, 'log_bytes', -size)
  return state
end
-- id, webhook, state, model, key, request, status, at, head, event, bodies
local function read_entry() return { arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg(), arg() } end
local function put_entry(e)
  local id, w, state, member = e[1], e[2], e[3], e[8] .. e[1]
  if call('HEXISTS', p .. 'log', id) == 1 then drop_entry(id) end
  add_pair(fields, 'log', id, e[9])
  if e[10] ~= '' then add_pair(fields, 'event', id, e[10]) end
  if e[11] ~= '' then add_pair(fields, 'bodies', id, e[11]) end
  add_pair(places, 'end:' .. state, call('INCR', p .. 'log_seq'), id)
  place('s:' .. state, member)
  place('ws:' .. w .. ':' .. state, member)
  place('m:' .. e[4], member)
  place('k:' .. e[5], member)
  if e[6] ~= '' then place('r:' .. e[6], member) end
  place('c:' .. e[7], member)
  if state == 'failed' and undecided[e[7]] then place('undecided:' .. w, member) end
  count(w, state, 1)
  count(w, 'log_bytes', #e[9] + #e[10] + #e[11] + 600)
  if state ~= 'cancelled' then count(w, state .. '_total', 1) end
end
local function give_back(id)
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'webhook', 'due', 'attempts', 'size', 'done', 'at', 'history')
  if not j[1] then return nil end
  local left = tonumber(j[4]) - bits(tonumber(j[5]))
  if left == 0 then drop_job(j[1], id, j[6] or '', j[7]) return nil end
  call('ZADD', p .. 'ready:' .. j[1], j[2], id)
  call('ZADD', p .. 'due', 'LT', j[2], j[1])
  count(j[1], 'active', -left)
  if tonumber(j[3]) > 0 then count(j[1], 'delayed', 1) end
  return j[1]
end
local woken, list = {}, {}
local function wake(w) if not woken[w] then woken[w] = true list[#list + 1] = w end end
local function announce(channel, sender)
  if #list > 0 then call('PUBLISH', channel, sender .. '|' .. table.concat(list, ',')) end
end
`;

/** For scripts that record Gaps, after {@link COMMON}. */
export const GAPS = `
-- Adds Deliveries to the Gap that is open for a Webhook, or opens one.
local function extend_gap(kind, w, deliveries, now)
  local name = kind .. ':' .. w
  local id = call('HGET', p .. 'gap_open', name)
  local gap
  if id then
    gap = cjson.decode(call('HGET', p .. 'gaps', id))
  else
    id = call('INCR', p .. 'gap_seq')
    local first = deliveries[1]
    gap = { id = id, kind = kind, webhook = w, firstId = first.i, firstLsn = first.l, firstMs = first.c,
      openedMs = tonumber(now), models = {} }
    call('HSET', p .. 'gap_open', name, id)
  end
  local last = deliveries[#deliveries]
  if not gap.lastId or gap.lastId < last.i then gap.lastId, gap.lastLsn, gap.lastMs = last.i, last.l, last.c end
  for _, d in ipairs(deliveries) do gap.models[d.m] = (gap.models[d.m] or 0) + 1 end
  call('HSET', p .. 'gaps', id, cjson.encode(gap))
  count(w, 'skipped_total', #deliveries)
end
local function close_gap(kind, w, now)
  local name = kind .. ':' .. w
  local id = call('HGET', p .. 'gap_open', name)
  if not id then return end
  local gap = cjson.decode(call('HGET', p .. 'gaps', id))
  gap.closedMs = tonumber(now)
  call('HSET', p .. 'gaps', id, cjson.encode(gap))
  call('HDEL', p .. 'gap_open', name)
end
local function not_done(head, done)
  local left = {}
  for i, d in ipairs(cjson.decode(head).d) do
    if d.i ~= '' and not has(done, 2 ^ (i - 1)) then left[#left + 1] = d end
  end
  return left
end
`;
