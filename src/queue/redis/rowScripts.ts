/**
 * Order by row on Redis: `p row:WEBHOOK:ROW`, a list of the ids of the jobs of one row that are not done, the
 * next one first. A job can be taken only while it is the first of each of its rows; until then it stands
 * in `ready` at a time that never comes. A retry takes the place of the job that it follows. The job's field
 * `rows` names its rows, separated by spaces.
 */

/** For every script that adds or ends jobs; needs `p` and `call`. */
export const ROWS = `
local NEVER = '9000000000000000'
local function row_names(text)
  local names = {}
  for name in string.gmatch(text or '', '%S+') do names[#names + 1] = name end
  return names
end
local function row_key(w, row) return p .. 'row:' .. w .. ':' .. row end
local function is_first(w, rows, id)
  for _, row in ipairs(rows) do
    if call('LINDEX', row_key(w, row), 0) ~= id then return false end
  end
  return true
end
-- A new job goes last in its rows, and waits where it is not the first.
local function rows_join(w, id, text)
  local rows = row_names(text)
  if #rows == 0 then return end
  call('HSET', p .. 'job:' .. id, 'rows', text)
  for _, row in ipairs(rows) do call('RPUSH', row_key(w, row), id) end
  if not is_first(w, rows, id) then call('ZADD', p .. 'ready:' .. w, NEVER, id) end
end
-- What ended makes way for the next of each of its rows, once it is known whether a retry follows.
local ended = {}
local function rows_ended(w, id)
  local text = call('HGET', p .. 'job:' .. id, 'rows')
  if text then ended[id] = { w, text } end
end
-- A retry goes where the job was whose Delivery it tries again.
local function rows_replace(old, id)
  local gone = ended[old]
  if not gone then return end
  ended[old] = nil
  for _, row in ipairs(row_names(gone[2])) do
    local at = call('LPOS', row_key(gone[1], row), old)
    if at then call('LSET', row_key(gone[1], row), at, id) end
  end
  call('HSET', p .. 'job:' .. id, 'rows', gone[2])
end
local function rows_settle()
  for id, gone in pairs(ended) do
    local w = gone[1]
    for _, row in ipairs(row_names(gone[2])) do
      call('LREM', row_key(w, row), 1, id)
      local next = call('LINDEX', row_key(w, row), 0)
      if next and call('ZSCORE', p .. 'ready:' .. w, next) then
        local j = call('HMGET', p .. 'job:' .. next, 'rows', 'due')
        if is_first(w, row_names(j[1]), next) then
          call('ZADD', p .. 'ready:' .. w, j[2], next)
          call('ZADD', p .. 'due', 'LT', j[2], w)
        end
      end
    end
  end
end
`;
