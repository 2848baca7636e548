/** Gaps in Redis: recorded, settled, trimmed, one Lua script each. Keys and helpers: see common.ts. */
import { COMMON } from './common.ts';

/**
 * p, Gap as JSON, its Generation or '' → its number; that of the same Gap where nobody has settled it
 */
export const RECORD_GAP = `${COMMON}
local gap, generation = cjson.decode(arg()), arg()
local function text(value) if not value or value == cjson.null then return '' end return value end
local function same(one)
  local known = text(one.generation)
  if known == '' then known = string.sub(text(one.firstId), 1, 8) end
  return text(one.settledMs) == '' and one.kind == gap.kind and text(one.webhook) == text(gap.webhook)
    and known == generation and text(one.firstLsn) == text(gap.firstLsn)
end
for _, known in ipairs(call('HVALS', p .. 'gaps')) do
  local one = cjson.decode(known)
  if same(one) then return one.id end
end
gap.id = call('INCR', p .. 'gap_seq')
-- An empty table is an object here, whatever it was.
if not next(gap.models) then gap.models = nil end
if not next(gap.tables) then gap.tables = nil end
call('HSET', p .. 'gaps', gap.id, cjson.encode(gap))
return gap.id
`;

/** p, number, now, LSN and time of its end or '' → 1 or 0 */
export const SETTLE_GAP = `${COMMON}
local id, now, lsn, last = arg(), tonumber(arg()), arg(), arg()
local text = call('HGET', p .. 'gaps', id)
if not text then return 0 end
local gap = cjson.decode(text)
local function is_none(value) return not value or value == cjson.null end
if not is_none(gap.settledMs) then return 1 end
if is_none(gap.lastLsn) and lsn ~= '' then gap.lastLsn, gap.lastMs = lsn, tonumber(last) end
gap.settledMs = now
if is_none(gap.closedMs) then
  gap.closedMs = now
  if not is_none(gap.webhook) then call('HDEL', p .. 'gap_open', gap.kind .. ':' .. gap.webhook) end
end
call('HSET', p .. 'gaps', id, cjson.encode(gap))
return 1
`;

/** p, most kept → how many were dropped */
export const TRIM_GAPS = `${COMMON}
local excess = call('HLEN', p .. 'gaps') - tonumber(arg())
if excess <= 0 then return 0 end
local found = {}
for _, text in ipairs(call('HVALS', p .. 'gaps')) do
  local gap = cjson.decode(text)
  if gap.closedMs and gap.closedMs ~= cjson.null then
    local rank = gap.id
    if not gap.settledMs or gap.settledMs == cjson.null then rank = rank + 1e12 end
    found[#found + 1] = { rank, gap.id }
  end
end
table.sort(found, function(a, b) return a[1] < b[1] end)
local dropped = math.min(excess, #found)
for i = 1, dropped do call('HDEL', p .. 'gaps', found[i][2]) end
return dropped
`;
