/** Flow state on Redis: `p flow`, a hash of Webhook → text. */

/** p, then of each: webhook, expected or '', next → of each that was not swapped: its place, what stands there */
export const SWAP_FLOWS = `
local key = ARGV[1] .. 'flow'
local refused = {}
for i = 2, #ARGV, 3 do
  local webhook, expected, next = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local current = redis.call('HGET', key, webhook)
  if (current or '') == expected then
    redis.call('HSET', key, webhook, next)
  else
    local n = #refused
    refused[n + 1], refused[n + 2] = (i - 2) / 3, current or ''
  end
end
return refused
`;
