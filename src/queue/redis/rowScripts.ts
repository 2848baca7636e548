/**
 * Order by row on Redis: `p row:WEBHOOK:ROW`, a list of the ids of the jobs of one row that are not done, the
 * next one first. A job is ready only while it is the first of each of its rows; a retry takes the place of
 * the job that it follows. The job's field `rows` names its rows, separated by spaces.
 */

/** Functions for the scripts that add and end jobs; they need `p`. */
export const ROWS = `
local function row_names(text)
  local names = {}
  for name in string.gmatch(text or '', '%S+') do names[#names + 1] = name end
  return names
end
local function row_key(w, row) return p .. 'row:' .. w .. ':' .. row end
local function is_first(w, rows, id)
  for _, row in ipairs(rows) do
    if redis.call('LINDEX', row_key(w, row), 0) ~= id then return false end
  end
  return true
end
-- A new job goes last in its rows, and waits where it is not the first.
local function rows_join(w, id, text)
  local rows = row_names(text)
  if #rows == 0 then return end
  redis.call('HSET', p .. 'job:' .. id, 'rows', text)
  for _, row in ipairs(rows) do redis.call('RPUSH', row_key(w, row), id) end
  if not is_first(w, rows, id) then redis.call('ZREM', p .. 'ready:' .. w, id) end
end
-- A retry goes where the job was whose Delivery it tries again.
local function rows_replace(w, old, id, text)
  for _, row in ipairs(row_names(text)) do
    local at = redis.call('LPOS', row_key(w, row), old)
    if at then redis.call('LSET', row_key(w, row), at, id) end
  end
  redis.call('HSET', p .. 'job:' .. id, 'rows', text)
end
-- What ended makes way for the next of each of its rows.
local function rows_leave(w, id, text)
  for _, row in ipairs(row_names(text)) do
    redis.call('LREM', row_key(w, row), 1, id)
    local next = redis.call('LINDEX', row_key(w, row), 0)
    if next then
      local j = redis.call('HMGET', p .. 'job:' .. next, 'rows', 'due')
      if j[2] and is_first(w, row_names(j[1]), next) then
        redis.call('ZADD', p .. 'ready:' .. w, j[2], next)
        redis.call('ZADD', p .. 'due', 'LT', j[2], w)
      end
    end
  end
end
`;
