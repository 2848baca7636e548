/** Flow state on Redis: `p flow`, a hash of Webhook → text. */

/** p, webhook, expected or '', next → [1 or 0, what stands there] */
export const SWAP_FLOW = `
local key, webhook, expected, next = ARGV[1] .. 'flow', ARGV[2], ARGV[3], ARGV[4]
local current = redis.call('HGET', key, webhook)
if (current or '') ~= expected then return { 0, current or '' } end
redis.call('HSET', key, webhook, next)
return { 1, next }
`;
