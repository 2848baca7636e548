/**
 * Renders per second of a webhook body on one core, hardened, beside bare precompiled nunjucks in the
 * same run.
 *
 * Rounds alternate between the contestants so that a noisy machine disturbs all alike; medians of five
 * are printed, with the targets: 40,000 renders a second and 0.6 of bare nunjucks. What is rendered is made
 * into bytes, as a delivery does; without that, JavaScript would put off joining the text. Further pairs
 * include reading the Event from its JSON text, with JSON.parse on both sides and with parseJson, which
 * keeps the digits of large integers.
 */

import nunjucks from 'nunjucks';

import { type JsonObject, parseJson } from '../src/core/json.ts';
import { compileTemplate } from '../src/template/engine.ts';
import { compared, median, print, type Row, thousands } from './measure.ts';

const BODY = '{"text": "IXP session {{ data["ip_address"] }} was {{ event }} by {{ username }}."}';
const ROUNDS = 5;
const ROUND_MS = 1_000;
const TARGET_RATE = 40_000;
const TARGET_RATIO = 0.6;

const row = {
  id: 85,
  display: 'DE-CIX Frankfurt - AS64498 - IP 2001:db8::1',
  ip_address: '2001:db8::1',
  autonomous_system: { id: 9, display: 'AS64498 - Example', asn: 64498 },
  status: { value: 'requested', label: 'Requested' },
  is_route_server: false,
  advertised_prefix_count: 0,
  received_prefix_count: 120,
  bgp_state: 'established',
  service_reference: null,
  comments: '',
  tags: [{ id: 1, name: 'ixp', slug: 'ixp' }],
  created: '2023-08-07T19:30:22.000000Z',
  updated: '2023-08-07T19:30:23.140019Z',
};
const event = {
  event: 'updated',
  timestamp: '2023-08-07T19:30:23.140019Z',
  model: 'internetexchangepeeringsession',
  username: 'admin',
  request_id: 'af7aebe6-d049-405a-910f-d01e5ff043cd',
  data: row,
  snapshots: { prechange: { ...row, status: 'requested' }, postchange: { ...row, status: 'enabled' } },
};
const eventText = JSON.stringify(event);

const HARDENED = 'hardened';
const BARE = 'bare nunjucks';
const FROM_TEXT = ', from Event text';

function contestants(): Record<string, () => string> {
  const ours = compileTemplate(BODY, { path: 'bench', undefined: 'lenient' });
  const environment = new nunjucks.Environment([], { autoescape: false });
  const bare = new nunjucks.Template(BODY, environment, 'bench', true);
  const parsed = parseJson(eventText) as JsonObject;
  return {
    [HARDENED]: () => ours.render(parsed),
    [BARE]: () => bare.render(event),
    [HARDENED + FROM_TEXT]: () => ours.render(JSON.parse(eventText) as JsonObject),
    [BARE + FROM_TEXT]: () => bare.render(JSON.parse(eventText)),
    [`${HARDENED}${FROM_TEXT} by parseJson`]: () => ours.render(parseJson(eventText) as JsonObject),
  };
}

/** Renders per second over one round. */
function rateOf(render: () => string): number {
  let count = 0;
  const start = performance.now();
  let elapsed = 0;
  while (elapsed < ROUND_MS) {
    for (let at = 0; at < 500; at += 1) Buffer.from(render());
    count += 500;
    elapsed = performance.now() - start;
  }
  return (count / elapsed) * 1_000;
}

/** Prints rates and ratios. */
export function benchRender(): void {
  const all = Object.entries(contestants());
  const outputs = new Set(all.map(([, render]) => render()));
  if (outputs.size !== 1) throw new Error('the contestants render different texts');
  for (const [, render] of all) rateOf(render);
  const rates = new Map(all.map(([name]) => [name, [] as number[]]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, render] of all) rates.get(name)?.push(rateOf(render));
  }
  const medians = new Map(Array.from(rates, ([name, list]) => [name, median(list)]));
  report(medians);
}

function report(medians: ReadonlyMap<string, number>): void {
  const of = (name: string): number => medians.get(name) ?? Number.NaN;
  for (const [name, value] of medians) print(`${name.padEnd(40)} ${Math.round(value)} renders/s`);
  const beside = (ours: string, bare: string): Pick<Row, 'ours' | 'bare' | 'value'> => ({
    ours: thousands(of(ours)),
    bare: `${BARE} ${thousands(of(bare))}`,
    value: of(ours) / of(bare),
  });
  compared({
    what: 'renders/s',
    ours: thousands(of(HARDENED)),
    bare: null,
    value: of(HARDENED),
    kind: 'at least',
    target: TARGET_RATE,
  });
  compared({ what: 'renders/s', ...beside(HARDENED, BARE), kind: 'at least', target: TARGET_RATIO });
  compared({
    what: 'renders/s with reading the Event',
    ...beside(HARDENED + FROM_TEXT, BARE + FROM_TEXT),
    kind: null,
    target: null,
  });
}
