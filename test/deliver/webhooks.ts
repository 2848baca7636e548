/** Webhooks and Deliveries for the tests of deliver. */
import { systemClock } from '../../src/core/clock.ts';
import { OwnServices } from '../../src/deliver/addresses/ownServices.ts';
import { writtenLoopbackOf } from '../../src/deliver/addresses/policy.ts';
import { systemResolve } from '../../src/deliver/connector.ts';
import type { AddressGuard, DeliverTarget } from '../../src/deliver/target.ts';
import { DEFAULT_TLS } from '../../src/deliver/tlsFiles.ts';
import { Transport, type TransportOptions } from '../../src/deliver/transport.ts';
import type { QueuedDelivery } from '../../src/queue/delivery.ts';
import { compileTemplate } from '../../src/template/engine.ts';

export function deliverTarget(key: string, url: string, more: Partial<DeliverTarget> = {}): DeliverTarget {
  return {
    key,
    name: key,
    method: 'POST',
    contentType: 'application/json',
    format: 'walhook',
    url: compileTemplate(url, { path: 'url', undefined: 'lenient' }),
    origin: new URL(url).origin,
    headers: null,
    body: null,
    secrets: [],
    signature: 'both',
    retry: { scheduleMs: [5_000, 5_000], maxAgeMs: 7 * 86_400_000, onGone: 'pause' },
    timeoutMs: 15_000,
    concurrency: 4,
    rate: null,
    ordering: 'none',
    tls: DEFAULT_TLS,
    proxy: null,
    writtenLoopback: writtenLoopbackOf(new URL(url).origin),
    ...more,
  };
}

/** The policy as it is by default, and no services of our own. */
export function guard(more: Partial<AddressGuard> = {}): AddressGuard {
  return {
    rules: { policy: 'internal', allow: [] },
    own: new OwnServices(() => [], systemResolve, systemClock),
    resolve: systemResolve,
    ...more,
  };
}

/** Connections to a receiver of this machine, whose host stands in the configuration file. */
export function transportTo(origin: string, more: Partial<TransportOptions> = {}): Transport {
  return new Transport({
    ...guard(),
    connections: 2,
    timeoutMs: 5_000,
    tls: DEFAULT_TLS,
    proxy: null,
    writtenLoopback: writtenLoopbackOf(origin),
    clock: systemClock,
    ...more,
  });
}

let nextEvent = 0;

/** Deliveries one after the other in commit order; each body is `{"n":…}` of its own. */
export function deliveries(count: number, committedAtMs: number): QueuedDelivery[] {
  return Array.from({ length: count }, () => {
    nextEvent += 1;
    const lsn = nextEvent.toString(16).padStart(16, '0');
    return {
      eventId: `0badcafe-${lsn}-00000000-aaaaaaaa`,
      model: 'thing',
      schema: 'public',
      table: 'thing',
      key: String(nextEvent),
      requestId: null,
      lsn: '0/1',
      xid: 1,
      committedAtMs,
      json: `{"n":${nextEvent}}`,
    };
  });
}
