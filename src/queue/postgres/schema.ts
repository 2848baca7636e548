/** The queue's objects in a PostgreSQL. Made by setup, never altered by run. */

/** DDL for a schema whose name was checked to be a plain identifier. */
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

-- Small texts beside the queue: who captures, gaps, how far a replay is.
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

-- Payloads are written and read once: compressing them would only cost time.
alter table ${schema}.job alter column payload set storage external;

create index if not exists job_ready on ${schema}.job (webhook, due_ms, id) where owner is null;
create index if not exists job_owner on ${schema}.job (owner) where owner is not null;

-- Deliveries that failed for good, kept to be looked at and resent.
create table if not exists ${schema}.failed (
  id        text primary key,
  webhook   text not null,
  failed_ms bigint not null,
  attempts  integer not null,
  reason    text not null,
  detail    text not null,
  bytes     integer not null,
  payload   text not null
);
create index if not exists failed_webhook on ${schema}.failed (webhook, failed_ms);
`;
}
