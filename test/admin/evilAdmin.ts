/** An admin server where every text that a row, a receiver or the configuration can give is markup that acts. */
import { delivery } from './memoryDeliveries.ts';
import { type TestAdmin, testAdmin } from './testAdmin.ts';

export const EVIL = `"><img src=x onerror=alert(1)><script>alert('${'$'}{1}')</script>`;

export async function evilAdmin(): Promise<TestAdmin> {
  const admin = await testAdmin({
    config: {
      environment: 'test',
      webhooks: [
        {
          name: EVIL,
          models: [EVIL],
          events: ['created'],
          url: `http://hooks.example/?q=${encodeURIComponent(EVIL)}`,
          body_template: `{# ${EVIL} #}`,
          conditions: { attr: 'a', value: EVIL },
        },
      ],
    },
  });
  const key = admin.host.live.current.webhooks[0]?.match.key ?? '';
  const event = JSON.stringify({
    event: 'created',
    model: EVIL,
    username: EVIL,
    data: { a: EVIL },
    snapshots: { prechange: null, postchange: { [EVIL]: EVIL } },
  });
  admin.queue.deliveries.push(
    delivery('d1', {
      webhook: key,
      model: EVIL,
      key: EVIL,
      requestId: EVIL,
      detail: EVIL,
      error: EVIL,
      status: null,
      schema: EVIL,
      table: EVIL,
      event,
      request: {
        method: 'POST',
        url: `http://h/${EVIL}`,
        headers: [[EVIL, EVIL]],
        body: EVIL,
        bodyIs: 'whole',
        bodyBytes: 9,
      },
      log: [
        {
          startedMs: 1,
          durationMs: 1,
          responseMs: 1,
          status: 503,
          error: 'status',
          detail: EVIL,
          nextMs: null,
          response: { headers: [[EVIL, EVIL]], body: EVIL, encoding: 'utf8', isTruncated: true },
        },
      ],
    }),
    delivery('d2', { webhook: EVIL, model: EVIL, state: 'waiting' }),
  );
  admin.queue.gaps.push({
    id: 1,
    kind: 'overflow',
    webhook: EVIL,
    generation: EVIL,
    firstId: EVIL,
    lastId: EVIL,
    firstLsn: EVIL,
    lastLsn: EVIL,
    firstMs: 1,
    lastMs: 2,
    models: { [EVIL]: 1 },
    tables: [EVIL],
    openedMs: 1,
    closedMs: 2,
    settledMs: null,
    detail: EVIL,
  });
  return admin;
}
