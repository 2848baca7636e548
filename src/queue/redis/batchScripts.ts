/**
 * The log of what was delivered at its first try, on Redis: it stays in the hash of its job (deliveredBatch.ts).
 *
 *   p job:ID             hash    `logged` mask, `records`, `exchanges`, `log_bytes`, `ended` (ms, of the newest),
 *                                `is_bare`: the Events go when the job is done
 *   p logged, logged:WEBHOOK zset    places of these jobs, like `jobs`
 *   p end:batch          zset    job id → number of its newest outcome, for retention and the tail
 *   p logged_kept        string  Deliveries in them, over all
 *
 * A job that is done stands in `logged` only; one that is partly delivered stands in `jobs` too.
 */
import { ENTRY_OVERHEAD_BYTES } from '../entry.ts';

/** For every script that adds or ends jobs; needs `p`, `call`, `count`, `place`, `add_pair`, `places` and `bits`. */
export const BATCH_LOG = `
local kept_change = 0
local function log_delivered(w, id, time, mask, records, exchanges, is_bare, ended_ms)
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'logged', 'records', 'exchanges', 'bytes', 'ended')
  local logged, seq = tonumber(j[1] or 0), call('INCR', p .. 'log_seq')
  local size, n = #records + #exchanges, bits(mask)
  if logged == 0 then
    size = size + ${ENTRY_OVERHEAD_BYTES}
    if is_bare == '0' then size = size + tonumber(j[4]) end
    place('logged', time .. id)
    place('logged:' .. w, time .. id)
  end
  call('HSET', job, 'logged', bit.bor(logged, mask), 'ended', math.max(ended_ms, tonumber(j[5] or 0)), 'is_bare', is_bare,
    'records', (j[2] or '') .. seq .. ' ' .. records .. '\\n')
  if exchanges ~= '' then call('HSET', job, 'exchanges', (j[3] or '') .. exchanges .. '\\n') end
  call('HINCRBY', job, 'log_bytes', size)
  add_pair(places, 'end:batch', seq, id)
  count(w, 'delivered', n)
  count(w, 'delivered_total', n)
  count(w, 'log_bytes', size)
  kept_change = kept_change + n
end
-- Takes Deliveries out of the log; returns how many were in it.
local function unlog(id, mask)
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'webhook', 'logged', 'at', 'log_bytes')
  local w, logged = j[1], tonumber(j[2] or 0)
  local gone = bit.band(logged, mask)
  local n = bits(gone)
  if n == 0 then return 0 end
  count(w, 'delivered', -n)
  kept_change = kept_change - n
  if gone < logged then call('HSET', job, 'logged', logged - gone) return n end
  local member = j[3] .. id
  call('ZREM', p .. 'logged', member)
  call('ZREM', p .. 'logged:' .. w, member)
  call('ZREM', p .. 'end:batch', id)
  count(w, 'log_bytes', -tonumber(j[4]))
  if call('ZSCORE', p .. 'jobs', member) then
    call('HDEL', job, 'logged', 'records', 'exchanges', 'log_bytes', 'is_bare', 'ended')
  else
    call('DEL', job)
  end
  return n
end
-- A job leaves the queue: what is logged in it stays.
local function leave_queue(id)
  local job = p .. 'job:' .. id
  local j = call('HMGET', job, 'logged', 'size', 'is_bare')
  if not j[1] then call('DEL', job) return end
  call('HSET', job, 'done', 2 ^ tonumber(j[2]) - 1)
  if j[3] == '1' then call('HSET', job, 'events', '') end
end
local function batches_settle()
  if kept_change ~= 0 then call('INCRBY', p .. 'logged_kept', kept_change) end
  kept_change = 0
end
`;
