import { describe, expect, it } from 'vitest';
import {
  decodePayload,
  encodePayload,
  MAX_BATCH_BYTES,
  type QueuedDelivery,
  toBatches,
} from '../../src/queue/delivery.ts';

function delivery(more: Partial<QueuedDelivery> = {}): QueuedDelivery {
  return {
    eventId: '0badcafe-0000000000000001-00000000-aaaaaaaa',
    model: 'thing',
    schema: 'public',
    table: 'thing',
    key: '1',
    requestId: null,
    lsn: '0/1',
    xid: 1,
    committedAtMs: 0,
    json: '{"n":12345678901234567890}',
    ...more,
  };
}

const frozen = {
  format: 'peering-manager',
  snapshots: '{"prechange":null,"postchange":{"n":12345678901234567890,"name":"Pé\n"}}',
} as const;

describe('the payload of a job', () => {
  it('carries Deliveries with what was frozen for them, and without', () => {
    const deliveries = [delivery(), delivery({ frozen }), delivery({ json: '{"name":"Péer"}' })];
    expect(decodePayload(encodePayload(deliveries))).toEqual(deliveries);
  });

  it('counts what was frozen as bytes of its batch', () => {
    const large = { ...frozen, snapshots: JSON.stringify('x'.repeat(MAX_BATCH_BYTES / 2)) };
    const batches = toBatches('w', [delivery({ frozen: large }), delivery({ frozen: large })]);
    expect(batches.map(({ size }) => size)).toEqual([1, 1]);
  });
});
