/**
 * Peering Manager's webhooks from its database alone: who did it from its change log, bodies as its own
 * webhooks have them. The samples were captured from a running Peering Manager.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configFolder, type Daemon, startDaemon, walhook } from '../helpers/command.ts';
import { createDatabase, type TestDatabase } from '../helpers/database.ts';
import { inTransaction, logChange, migratePeeringManager, tag } from '../helpers/peeringManager.ts';
import { createQueue, type TestQueue } from '../helpers/queue.ts';
import { openSink, type Sink } from '../helpers/sink.ts';
import { until } from '../helpers/until.ts';

type Body = Record<string, unknown> & { data: Record<string, unknown>; timestamp: string };

interface Sample {
  readonly case: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Body;
}

const samples = readFileSync(new URL('../conformance/peeringManagerPayloads.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sample);

/** What no row holds; docs/peering-manager.md has the reasons. */
const ABSENT = ['config_context', 'exists_in_peeringdb', 'is_abandoned'];

/** Python's json.dumps, written a second time. */
function dumps(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${dumps(key)}: ${dumps(item)}`)
      .join(', ')}}`;
  }
  return [...JSON.stringify(value)]
    .map((char) => (char > '~' ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char))
    .join('');
}

function sample(name: string): Sample {
  const found = samples.find((one) => one.case === name);
  if (found === undefined) throw new Error(`no sample ${name}`);
  return found;
}

const TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+00:00$/;

// One story of one database, told in its order.
describe('Peering Manager, from its database', { shuffle: false }, () => {
  const slot = `slot_${randomBytes(5).toString('hex')}`;
  let database: TestDatabase;
  let queue: TestQueue;
  let sink: Sink;
  let folder: Awaited<ReturnType<typeof configFolder>>;
  let daemon: Daemon;

  beforeAll(async () => {
    database = await createDatabase();
    queue = await createQueue('postgres');
    sink = await openSink();
    await migratePeeringManager(database.client);
    const webhook = (name: string, more: Record<string, unknown>) => ({
      name,
      models: ['autonomoussystem', 'internetexchangepeeringsession'],
      events: ['created', 'updated', 'deleted'],
      url: `${sink.url}${name}`,
      ...more,
    });
    folder = await configFolder({
      environment: 'test',
      preset: 'peering-manager',
      postgres: { url: database.url, slot },
      queue: queue.section,
      webhooks: [
        webhook('pm', {
          payload_format: 'peering-manager',
          conditions: { and: [{ attr: 'comments', value: 'bulk', negate: true }] },
        }),
        webhook('template', {
          payload_format: 'peering-manager',
          models: ['peering.autonomoussystem'.split('.')[1]],
          conditions: { and: [{ attr: 'comments', value: 'bulk', negate: true }] },
          additional_headers: 'X-Event: {{ event }}',
          body_template:
            "{% if event == 'create' %}new {{ model }} {{ data.asn }} at {{ timestamp }}, tags {{ snapshots.postchange.tags | join(',') }}{% else %}{{ event }}{% endif %}",
        }),
        webhook('netbox', {
          payload_format: 'netbox',
          conditions: { and: [{ attr: 'comments', value: 'bulk', negate: true }] },
        }),
        webhook('tags', {
          payload_format: 'peering-manager',
          events: ['updated'],
          conditions: {
            and: [
              { attr: 'comments', value: 'bulk', negate: true },
              { attr: 'tags', op: 'changed' },
              { attr: 'snapshots.prechange.tags', op: 'contains', value: 'Foo' },
            ],
          },
        }),
        webhook('bulk', {
          payload_format: 'peering-manager',
          conditions: {
            and: [
              { attr: 'comments', value: 'bulk' },
              { attr: 'name', value: 'bulk 49999' },
            ],
          },
        }),
      ],
    });
    const done = await walhook(['setup', '-c', folder.file]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    daemon = startDaemon(['-c', folder.file]);
    await daemon.untilLogged('capturing');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await queue[Symbol.asyncDispose]();
  });

  /** The bodies that arrive for one webhook from now on. */
  function arriving(webhook: string) {
    const start = sink.received.length;
    return async (count: number) => {
      const texts = () =>
        sink.received
          .slice(start)
          .filter((one) => one.path === `/${webhook}`)
          .map((one) => one.body);
      await until(() => texts().length >= count, { what: `${count} for ${webhook}\n${daemon.output()}` });
      return texts();
    };
  }

  function expectSample(text: string | undefined, name: string) {
    const { body: expected } = sample(name);
    const found = JSON.parse(text ?? '') as Body;
    expect(found.timestamp).toMatch(TIMESTAMP);
    const data = Object.fromEntries(Object.entries(expected.data).filter(([key]) => !ABSENT.includes(key)));
    const wanted = { ...expected, timestamp: found.timestamp, data };
    expect(found).toEqual(wanted);
    expect(text).toBe(dumps(wanted));
  }

  it('knows the encoding of the samples to the byte', () => {
    for (const { headers, body } of samples) {
      expect(dumps(body).length).toBe(Number(headers['Content-Length']));
    }
  });

  const type = 'peering.autonomoussystem';
  it('sends a created object with its tags as Peering Manager does', async () => {
    const pm = arriving('pm');
    const templated = arriving('template');
    const netbox = arriving('netbox');
    const { request_id: requestId } = sample('as-create-with-tags').body as unknown as { request_id: string };
    await inTransaction(database.client, async () => {
      await database.client.query(
        `insert into peering_autonomoussystem (id, asn, name, created, updated)
         values (2, 64501, 'Péer One', '2026-11-23 08:26:24.330515Z', '2026-11-23 08:26:24.330540Z')`,
      );
      const change = await logChange(database.client, {
        user: 'admin',
        requestId,
        action: 'create',
        type,
        id: 2,
      });
      await tag(database.client, type, 2, [1, 2], change);
    });
    expectSample((await pm(1))[0], 'as-create-with-tags');
    expect((await templated(1))[0]).toMatch(
      /^new autonomoussystem 64501 at \d{4}-\d\d-\d\d .*, tags Foo,Bar$/,
    );
    const body = JSON.parse((await netbox(1))[0] ?? '') as Body & {
      snapshots: { postchange: { tags: string[] } };
    };
    expect(Object.keys(body)).toEqual([
      'event',
      'timestamp',
      'object_type',
      'username',
      'request_id',
      'data',
      'request',
      'snapshots',
    ]);
    expect(body).toMatchObject({
      event: 'created',
      object_type: 'peering.autonomoussystem',
      username: 'admin',
      request: { id: requestId, method: null, path: null, user: 'admin' },
    });
    expect(body.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$/);
    expect(body.snapshots.postchange.tags).toEqual(['Bar', 'Foo']);
  });

  it('sends an update of nothing but a routing policy', async () => {
    const { client } = database;
    await inTransaction(client, async () => {
      await client.query(
        `insert into peering_autonomoussystem (id, asn, name, affiliated, created, updated)
         values (1, 64500, 'Local', true, '2026-11-23 08:26:24.220016Z', '2026-11-23 08:26:24.220016Z')`,
      );
    });
    const pm = arriving('pm');
    const { request_id: requestId } = sample('as-patch-m2m-only').body as unknown as { request_id: string };
    await inTransaction(client, async () => {
      await client.query(
        "update peering_autonomoussystem set updated = '2026-11-23 08:27:23.174779Z' where id = 1",
      );
      await client.query(
        'insert into peering_autonomoussystem_import_routing_policies (autonomoussystem_id, routingpolicy_id) values (1, 1)',
      );
      await logChange(client, { user: 'admin', requestId, action: 'update', type, id: 1 });
    });
    const texts = await pm(2);
    expect(JSON.parse(texts[0] ?? '')).toMatchObject({ event: 'create', username: null, request_id: null });
    expectSample(texts[1], 'as-patch-m2m-only');
  });

  it('has tags in snapshots, for conditions and for what is sent', async () => {
    const { client } = database;
    const tags = arriving('tags');
    await client.query("update peering_autonomoussystem set description = 'not about tags' where id = 2");
    await inTransaction(client, async () => {
      await client.query("update peering_autonomoussystem set updated = '2026-11-23 09:00:00Z' where id = 2");
      await logChange(client, {
        user: 'admin',
        requestId: '22222222-2222-4333-8444-555555555555',
        action: 'update',
        type,
        id: 2,
      });
      await client.query(
        "delete from extras_taggeditem where object_id = 2 and content_type_id = (select id from django_content_type where model = 'autonomoussystem')",
      );
    });
    const bodies = (await tags(1)).map((text) => JSON.parse(text) as Body);
    expect(bodies).toMatchObject([
      {
        event: 'update',
        username: 'admin',
        data: { tags: [] },
        snapshots: {
          prechange: { tags: ['Foo', 'Bar'], description: 'not about tags' },
          postchange: { tags: [], updated: '2026-11-23T09:00:00Z' },
        },
      },
    ]);
  });

  it('sends a deleted session as it was, with the objects around it', async () => {
    const { client } = database;
    const session = 'peering.internetexchangepeeringsession';
    await client.query("update peering_autonomoussystem set name = 'P3' where id = 2");
    await inTransaction(client, async () => {
      await client.query(
        `insert into peering_internetexchangepeeringsession (id, ip_address, autonomous_system_id, ixp_connection_id, status, password, created, updated)
         values (1, '2001:db8::fbf2:1', 2, 1, 'requested', 'hunter2', '2026-11-23 08:27:50.377271Z', '2026-11-23 08:27:50.377361Z')`,
      );
      const requestId = '11111111-2222-4333-8444-555555555555';
      const change = await logChange(client, {
        user: 'eve',
        requestId,
        action: 'create',
        type: session,
        id: 1,
      });
      await tag(client, session, 1, [1], change);
    });
    const pm = arriving('pm');
    const { request_id: requestId } = sample('ixsession-delete').body as unknown as { request_id: string };
    await inTransaction(client, async () => {
      await logChange(client, { user: 'admin', requestId, action: 'delete', type: session, id: 1 });
      await client.query('delete from peering_internetexchangepeeringsession where id = 1');
      await client.query(
        "delete from extras_taggeditem where object_id = 1 and content_type_id = (select id from django_content_type where model = 'internetexchangepeeringsession')",
      );
    });
    const texts = await untilDeleted(pm);
    expectSample(texts, 'ixsession-delete');
  });

  /** The first delete among what arrives. */
  async function untilDeleted(pm: (count: number) => Promise<string[]>): Promise<string | undefined> {
    let found: string | undefined;
    await until(
      async () => {
        found = (await pm(1)).find((text) => text.startsWith('{"event": "delete"'));
        return found !== undefined;
      },
      { what: 'a delete' },
    );
    return found;
  }

  it('tells what the preset names and this database has not', async () => {
    const { code, stdout } = await walhook(['check', '--json', '-c', folder.file]);
    const { findings } = JSON.parse(stdout) as {
      findings: { code: string; level: string; message: string }[];
    };
    expect({ code, problems: findings.filter(({ level }) => level === 'problem') }).toEqual({
      code: 0,
      problems: [],
    });
    const misfits = findings
      .filter((finding) => finding.code === 'PRESET_MISFIT')
      .map(({ message }) => message);
    expect(misfits).toContain(
      'expected the tables of the preset peering-manager, found that there is no table public.core_datasource: the model datasource is left out',
    );
    expect(misfits.join()).not.toContain('autonomoussystem');
    const logged = daemon.log().find(({ msg }) => msg === 'the database has not all that the preset names');
    expect(logged?.['notes']).toContain(
      'there is no table public.core_datasource: the model datasource is left out',
    );
  });

  it('converts an Event offline', async () => {
    const event = {
      event: 'deleted',
      timestamp: '2023-08-07T19:30:23.140019Z',
      model: 'autonomoussystem',
      username: 'admin',
      request_id: null,
      data: { id: 2, comments: '', tags: [{ id: 1, name: 'Foo' }] },
      snapshots: { prechange: { id: 2, created: '2023-08-07T19:30:23.140019Z' }, postchange: null },
    };
    const { stdout } = await walhook(['try', '-c', folder.file, '--webhook', 'pm', '--event', '-'], {
      input: JSON.stringify(event),
    });
    const { request } = JSON.parse(stdout) as { request: { body: string } };
    expect(request.body).toBe(
      '{"event": "delete", "timestamp": "2023-08-07 19:30:23.140019+00:00", "model": "autonomoussystem", "username": "admin", "request_id": null, ' +
        '"data": {"id": 2, "comments": "", "tags": [{"id": 1, "name": "Foo"}]}, ' +
        '"snapshots": {"prechange": {"created": "2023-08-07T19:30:23.140Z", "tags": ["Foo"]}, "postchange": null}}',
    );
  });

  it('knows who did it in every kind of request, with nothing installed in the database', async () => {
    const { client } = database;
    const pm = arriving('pm');
    const requests = Array.from({ length: 5 }, (_, i) => `00000000-0000-4000-8000-00000000000${i}`);
    const log = (i: number, action: 'create' | 'update' | 'delete', id: number, of = type) =>
      logChange(client, { user: `user${i}`, requestId: requests[i] ?? '', action, type: of, id });
    const asys = (id: number) =>
      client.query(`insert into peering_autonomoussystem (id, asn, name) values (${id}, ${id}, 'as ${id}')`);
    await inTransaction(client, async () => {
      await asys(101);
      await log(0, 'create', 101);
    });
    await inTransaction(client, async () => {
      await client.query("update peering_autonomoussystem set name = 'renamed' where id = 101");
      await log(1, 'update', 101);
    });
    await inTransaction(client, async () => {
      for (const id of [102, 103, 104]) {
        await asys(id);
        await log(2, 'create', id);
      }
    });
    await inTransaction(client, async () => {
      await log(3, 'delete', 101);
      await client.query('delete from peering_autonomoussystem where id = 101');
    });
    await client.query(
      "insert into peering_internetexchangepeeringsession (id, ip_address, autonomous_system_id, ixp_connection_id) values (7, '192.0.2.7', 102, 1)",
    );
    await inTransaction(client, async () => {
      await log(4, 'delete', 102);
      await log(4, 'delete', 7, 'peering.internetexchangepeeringsession');
      await client.query('delete from peering_internetexchangepeeringsession where id = 7');
      await client.query('delete from peering_autonomoussystem where id = 102');
    });
    const isOurs = ({ data }: Body) => data['id'] === 7 || Number(data['id']) > 100;
    const ours = await until(async () => {
      const found = (await pm(1)).map((text) => JSON.parse(text) as Body).filter(isOurs);
      return found.length >= 9 && found;
    });
    const cascaded = ours.find((body) => body.data['id'] === 7 && body['event'] === 'delete');
    expect(cascaded).toMatchObject({
      data: {
        display: 'S.H.I.E.L.D. IX - AS102 - IP 192.0.2.7',
        autonomous_system: { asn: 102, name: 'as 102' },
      },
      snapshots: { prechange: { autonomous_system: 102, status: 'enabled' }, postchange: null },
    });
    expect(cascaded).not.toHaveProperty('unavailable');
    const seen = ours.map((body) => [
      body['event'],
      body['model'],
      body.data['id'],
      body['username'],
      body['request_id'],
    ]);
    const by = (i: number) => [`user${i}`, requests[i]];
    const session = 'internetexchangepeeringsession';
    expect(seen.toSorted()).toEqual(
      [
        ['create', 'autonomoussystem', 101, ...by(0)],
        ['update', 'autonomoussystem', 101, ...by(1)],
        ['create', 'autonomoussystem', 102, ...by(2)],
        ['create', 'autonomoussystem', 103, ...by(2)],
        ['create', 'autonomoussystem', 104, ...by(2)],
        ['delete', 'autonomoussystem', 101, ...by(3)],
        ['create', session, 7, null, null],
        ['delete', 'autonomoussystem', 102, ...by(4)],
        ['delete', session, 7, ...by(4)],
      ].toSorted(),
    );
  });

  it('says nothing of what background jobs write', async () => {
    const { client } = database;
    await client.query(
      "insert into peering_internetexchangepeeringsession (id, ip_address, autonomous_system_id, ixp_connection_id) values (8, '192.0.2.8', 2, 1)",
    );
    const pm = arriving('pm');
    await client.query(
      "update peering_internetexchangepeeringsession set bgp_state = 'established', received_prefix_count = 4, last_established_state = now(), updated = now() where id = 8",
    );
    await client.query('update peering_autonomoussystem set prefixes = \'{"ipv6": []}\' where id = 2');
    await client.query("update peering_internetexchangepeeringsession set status = 'disabled' where id = 8");
    const updates = await until(async () => {
      const bodies = (await pm(1)).map((text) => JSON.parse(text) as Body);
      const found = bodies.filter((body) => body['event'] === 'update');
      return found.length > 0 && found;
    });
    expect(updates).toMatchObject([
      { data: { id: 8, status: { value: 'disabled', label: 'Disabled' }, bgp_state: 'established' } },
    ]);
  });

  it('passes a transaction of 50,000 rows and their change log through in little memory', async () => {
    const { client } = database;
    const bulk = arriving('bulk');
    const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]);
    const before = rss();
    await inTransaction(client, async () => {
      await client.query(
        `do $$ declare kind int := (select id from django_content_type where model = 'autonomoussystem');
         begin for i in 100000 .. 150000 loop
           insert into peering_autonomoussystem (id, asn, name, comments) values (i, i, 'bulk ' || i - 100000, 'bulk');
           insert into core_objectchange (user_name, request_id, action, changed_object_id, object_repr, postchange_data, changed_object_type_id)
             values ('bulk', '99999999-0000-4000-8000-000000000000', 'create', i, 'AS', '{"tags": []}', kind);
         end loop; end $$`,
      );
    });
    let peak = before;
    const watching = setInterval(() => {
      peak = Math.max(peak, rss());
    }, 20);
    const [text] = await bulk(1);
    clearInterval(watching);
    expect(JSON.parse(text ?? '')).toMatchObject({
      event: 'create',
      username: 'bulk',
      request_id: '99999999-0000-4000-8000-000000000000',
      data: { name: 'bulk 49999' },
    });
    expect(daemon.output()).toContain('longer than limits.lookahead');
    // At most limits.lookahead of the 100,000 Changes are ever held back.
    expect((peak - before) / 1_024).toBeLessThan(150);
  });
});
