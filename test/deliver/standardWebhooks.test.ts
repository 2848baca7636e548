/** What deliver sends over a socket, verified by the package that receivers use. */
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { NO_FAILPOINT } from '../../src/core/failpoint.ts';
import { SILENT } from '../../src/core/logger.ts';
import { Secret } from '../../src/core/secret.ts';
import { Deliverer } from '../../src/deliver/deliverer.ts';
import type { DeliverTarget } from '../../src/deliver/target.ts';
import { compileTemplate } from '../../src/template/engine.ts';
import { openSink, type Received } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';
import { MemoryStore } from './memoryStore.ts';
import { deliveries, deliverTarget, guard } from './webhooks.ts';

const FIRST = `whsec_${Buffer.from('a key of twenty-four byt').toString('base64')}`;
const SECOND = `whsec_${Buffer.from('another one of this kind').toString('base64')}`;

/** The request that one Delivery becomes. */
async function sent(target: Partial<DeliverTarget>): Promise<Received> {
  await using sink = await openSink();
  const store = new MemoryStore();
  const deliverer = new Deliverer({
    store,
    process: 'p1',
    targets: [deliverTarget('w', sink.url, target)],
    userAgent: 'walhook/test',
    clock: systemClock,
    log: SILENT,
    addresses: guard(),
    failpoint: NO_FAILPOINT,
    shutdownMs: 5_000,
  });
  const abort = new AbortController();
  const running = deliverer.run(abort.signal);
  store.add('w', deliveries(1, systemClock.now()));
  deliverer.wake(['w']);
  await until(() => sink.received.length > 0, { what: 'a request' });
  abort.abort();
  await running;
  const [request] = sink.received;
  if (request === undefined) throw new Error('nothing was sent');
  return request;
}

function verify(webhook: Webhook, { body, headers }: Pick<Received, 'body' | 'headers'>): unknown {
  return webhook.verify(body, headers as Record<string, string>);
}

const body = compileTemplate('{"n": "Zürich 🐘 {{ n }}"}', { path: 'body', undefined: 'lenient' });

describe('a request that is signed', () => {
  it('is accepted by the standardwebhooks package', async () => {
    const request = await sent({ secrets: [new Secret(FIRST)], body });
    expect(verify(new Webhook(FIRST), request)).toEqual({ n: expect.stringMatching(/^Zürich 🐘 \d+$/) });
  });

  it('is accepted with a secret that is plain text', async () => {
    const request = await sent({ secrets: [new Secret('plain text')] });
    expect(verify(new Webhook('plain text', { format: 'raw' }), request)).toHaveProperty('n');
  });

  it('has a signature for each of two secrets, and receivers accept either', async () => {
    const request = await sent({ secrets: [new Secret(FIRST), new Secret(SECOND)] });
    expect(String(request.headers['webhook-signature']).split(' ')).toEqual([
      expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
      expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
    ]);
    for (const secret of [FIRST, SECOND]) expect(verify(new Webhook(secret), request)).toHaveProperty('n');
    expect(request.headers['x-hook-signature']).toBe(
      createHmac('sha512', FIRST).update(request.body).digest('hex'),
    );
  });

  it.each<[string, (request: Received) => Pick<Received, 'body' | 'headers'>, string]>([
    ['another body', (request) => ({ ...request, body: `${request.body} ` }), FIRST],
    ['another id', ({ body, headers }) => ({ body, headers: { ...headers, 'webhook-id': 'x' } }), FIRST],
    ['another secret', (request) => request, SECOND],
  ])('is refused with %s', async (_what, forged, secret) => {
    const request = await sent({ secrets: [new Secret(FIRST)] });
    expect(() => verify(new Webhook(secret), forged(request))).toThrow(/No matching signature/);
  });

  it('bears the headers asked for', async () => {
    const names = async (signature: DeliverTarget['signature']) => {
      const { headers } = await sent({ secrets: [new Secret(FIRST)], signature });
      return ['x-hook-signature', 'webhook-signature'].filter((name) => name in headers);
    };
    expect(await names('netbox')).toEqual(['x-hook-signature']);
    expect(await names('standard')).toEqual(['webhook-signature']);
  });
});
