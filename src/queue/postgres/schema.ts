/** The queue's objects in a PostgreSQL. Made by setup, never altered by run. */

import { UNDECIDED } from '../entry.ts';

/** Where the queue of a prefix lives. */
export function queueSchema(prefix: string): string {
  return `${prefix}_queue`;
}

/** DDL for a schema whose name was checked to be a plain identifier. Brings one of an older format to this one. */
export function queueSchemaSql(schema: string): string {
  return `
create schema if not exists ${schema};

comment on schema ${schema} is 'Queue of walhook. Never watched; dropped by walhook teardown.';

-- One row: what the store is bound to and how far capturing has come.
create table if not exists ${schema}.store (
  only_row     boolean primary key default true check (only_row),
  format       integer not null,
  installation jsonb not null,
  position     text not null,
  fence        bigint not null default 0,
  definitions  text
);

-- Small texts beside the queue: who captures, how far a replay is.
create table if not exists ${schema}.note (
  key   text primary key,
  value text not null
) with (fillfactor = 50);

-- Daemons that take jobs, by their last sign of life.
create table if not exists ${schema}.process (
  id      text primary key,
  seen_ms bigint not null
);

-- One row per Webhook: whether it is paused, and its Deliveries counted.
create table if not exists ${schema}.webhook (
  key             text primary key,
  is_paused       boolean not null default false,
  pending         bigint not null default 0,
  pending_bytes   bigint not null default 0,
  delayed         bigint not null default 0,
  active          bigint not null default 0,
  failed          bigint not null default 0,
  delivered_total bigint not null default 0,
  failed_total    bigint not null default 0
) with (fillfactor = 50);
alter table ${schema}.webhook
  add column if not exists is_braked     boolean not null default false,
  add column if not exists is_parked     boolean not null default false,
  add column if not exists delivered     bigint not null default 0,
  add column if not exists cancelled     bigint not null default 0,
  add column if not exists skipped_total bigint not null default 0,
  add column if not exists log_bytes     bigint not null default 0,
  add column if not exists orphaned_ms   bigint;

-- A job: a batch of Deliveries of one Webhook. due_ms 0 is a first try, in order of id.
create table if not exists ${schema}.job (
  id       bigint generated always as identity primary key,
  webhook  text not null,
  due_ms   bigint not null default 0,
  owner    text,
  attempts integer not null default 0,
  size     integer not null,
  bytes    integer not null,
  done     integer not null default 0,
  first_id text not null,
  last_id  text not null,
  payload  text not null
) with (autovacuum_vacuum_scale_factor = 0.02);

-- head describes the Deliveries, payload holds their Events; history and bodies are the Attempts so far.
alter table ${schema}.job
  add column if not exists last_ms bigint not null default 0,
  add column if not exists head    text not null default '',
  add column if not exists history text not null default '',
  add column if not exists bodies  text not null default '',
  add column if not exists tried   bigint;

-- Payloads are written and read once: compressing them would only cost time.
alter table ${schema}.job alter column payload set storage external;
alter table ${schema}.job alter column head set storage external;

create index if not exists job_owner on ${schema}.job (owner) where owner is not null;
create index if not exists job_place on ${schema}.job (last_ms, id);
create index if not exists job_tried on ${schema}.job (tried) where tried is not null;

-- Numbers outcomes in the order in which they are recorded.
create sequence if not exists ${schema}.outcome cache 1;

-- What has ended: an entry per Delivery, narrow, so that looking through all of it is quick.
create table if not exists ${schema}.log (
  id           text collate "C" primary key,
  seq          bigint not null default nextval('${schema}.outcome'),
  webhook      text collate "C" not null,
  state        text collate "C" not null,
  model        text collate "C" not null,
  key          text collate "C" not null,
  request_id   text collate "C" not null,
  status       text collate "C" not null,
  committed_ms bigint not null,
  ended_ms     bigint not null,
  bytes        integer not null,
  head         text not null
) with (autovacuum_vacuum_scale_factor = 0.05);
create index if not exists log_state on ${schema}.log (state, seq);
create index if not exists log_time on ${schema}.log (committed_ms, id);
create index if not exists log_place on ${schema}.log (webhook, state, committed_ms, id);
create index if not exists log_undecided on ${schema}.log (webhook, committed_ms, id)
  where state = 'failed' and status in (${UNDECIDED.map((reason) => `'${reason}'`).join(', ')});
create index if not exists log_key on ${schema}.log (key, committed_ms);
create index if not exists log_request on ${schema}.log (request_id, committed_ms) where request_id <> '';

-- An entry's Event, and its last request with every response.
create table if not exists ${schema}.log_text (
  id     text collate "C" primary key,
  event  text not null,
  bodies text not null
) with (autovacuum_vacuum_scale_factor = 0.05);
alter table ${schema}.log_text alter column event set storage external;
alter table ${schema}.log_text alter column bodies set storage external;

-- How far bodies were swept, by state.
create table if not exists ${schema}.swept (
  state text primary key,
  seq   bigint not null
);

-- Stretches of Changes known not to have been delivered.
create table if not exists ${schema}.gap (
  id         bigint generated always as identity primary key,
  kind       text not null,
  webhook    text,
  first_id   text,
  last_id    text,
  first_lsn  text,
  last_lsn   text,
  first_ms   bigint,
  last_ms    bigint,
  models     jsonb not null default '{}',
  opened_ms  bigint not null,
  closed_ms  bigint,
  settled_ms bigint,
  detail     text
);
alter table ${schema}.gap
  add column if not exists generation text,
  add column if not exists tables     jsonb not null default '[]';
create unique index if not exists gap_open on ${schema}.gap (kind, webhook) where closed_ms is null;
${upgradeSql(schema)}`;
}

/** What a store of format 1 holds, as this format has it. */
function upgradeSql(schema: string): string {
  return `
update ${schema}.job set
  head = split_part(payload, E'\\n', 1),
  payload = substr(payload, strpos(payload, E'\\n') + 1),
  last_ms = (split_part(payload, E'\\n', 1)::jsonb -> 'd' -> -1 ->> 'c')::bigint
where head = '';

do $$
begin
  if to_regclass('${schema}.failed') is not null then
    insert into ${schema}.log (id, webhook, state, model, key, request_id, status, committed_ms, ended_ms, bytes, head)
    select id, webhook, 'failed', d ->> 'm', d ->> 'k', coalesce(d ->> 'r', ''), reason, (d ->> 'c')::bigint, failed_ms,
      600 + octet_length(payload),
      json_build_array(webhook, 'failed', d ->> 'm', d ->> 'k', coalesce(d ->> 'r', ''), reason, (d ->> 'c')::bigint,
        failed_ms, d ->> 'i', d ->> 's', d ->> 't', d ->> 'l', (d ->> 'x')::bigint, 0, reason, detail, 0, '[]'::json)::text
    from (select *, split_part(payload, E'\\n', 1)::jsonb -> 'd' -> 0 as d from ${schema}.failed) as f
    on conflict (id) do nothing;
    insert into ${schema}.log_text (id, event, bodies)
    select id, substr(payload, strpos(payload, E'\\n') + 1), '' from ${schema}.failed
    on conflict (id) do nothing;
    update ${schema}.webhook w set log_bytes = w.log_bytes + f.bytes
    from (select webhook, sum(600 + octet_length(payload)) as bytes from ${schema}.failed group by webhook) as f
    where f.webhook = w.key;
    drop table ${schema}.failed;
  end if;
end $$;
`;
}
