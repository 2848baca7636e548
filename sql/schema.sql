-- The helper schema of walhook, version 2. Run by `walhook setup`, or by hand as a role that may create
-- schemas in this database. Repeatable: it replaces functions and keeps data.
--
-- What it offers to applications:
--   select walhook.track('public.orders');                     stamp and announce who changes the rows
--   select walhook.track('public.orders', columns => false);   announce only, no columns
--   select walhook.untrack('public.orders');
--   set local walhook.username = 'alice';                      who the session speaks for
--   select walhook.set_context('alice', 'req-1');              the same in one call
--   select walhook.mute();                                     this transaction fires nothing
--
-- The functions that triggers run never fail and never block the statement that fired them.

create schema if not exists walhook;

-- By the version in this comment walhook setup knows what to bring up to date. The first had none.
comment on schema walhook is 'Helpers of walhook, version 2. Never watched; dropped by walhook teardown.';

-- Which queue and environment this database is bound to, one row per slot.
create table if not exists walhook.installation (
  slot              text primary key,
  queue_id          text not null,
  generation        text not null check (generation ~ '^[0-9a-f]{8}$'),
  environment       text not null,
  system_identifier text not null,
  database          text not null,
  schema_version    integer not null,
  created_at        timestamptz not null default now()
);

comment on table walhook.installation is 'Binds a replication slot to a queue and an environment. Written by walhook setup.';

revoke all on walhook.installation from public;

-- Written by the daemon with its heartbeat: when one last came back through the slot, and postgres.wal_budget.
alter table walhook.installation
  add column if not exists heartbeat_at timestamptz,
  add column if not exists wal_budget_bytes bigint;

update walhook.installation set schema_version = 2 where schema_version < 2;

-- Replica identities as they were before `setup --identities`, for teardown to restore.
create table if not exists walhook.identity_before (
  table_name text primary key,
  identity   text not null check (identity in ('default', 'nothing'))
);

revoke all on walhook.identity_before from public;

-- The slot at a glance, also when no daemon runs: for monitoring that reads SQL.
create or replace view walhook.health as
  select i.slot, i.environment,
    coalesce(s.wal_status, 'missing') as wal_status,
    coalesce(s.active, false) as active,
    s.confirmed_flush_lsn, s.restart_lsn,
    w.lsn - s.restart_lsn as retained_bytes,
    w.lsn - s.confirmed_flush_lsn as lag_bytes,
    b.budget_bytes,
    case when b.budget_bytes is not null or s.safe_wal_size is not null then
      greatest(least(b.budget_bytes - (w.lsn - s.restart_lsn), s.safe_wal_size), 0) end as budget_left_bytes,
    i.heartbeat_at,
    pg_catalog.now() - i.heartbeat_at as heartbeat_age
  from walhook.installation i
  left join pg_catalog.pg_replication_slots s on s.slot_name = i.slot
  cross join lateral (
    select case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
      else pg_catalog.pg_current_wal_lsn() end as lsn
  ) as w
  cross join lateral (
    select least(i.wal_budget_bytes, (
      select nullif(setting::bigint, -1) * 1048576 from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size'
    )) as budget_bytes
  ) as b;

grant select on walhook.health to pg_monitor;

comment on view walhook.health is 'Slot, WAL it keeps, budget left and age of the last heartbeat. Needs no daemon.';

-- Whether this role may write logical messages. By default every role may; a hardened server may say no.
create or replace function walhook.may_announce()
returns boolean
language sql
stable
as $body$
  select not pg_catalog.pg_is_in_recovery() and coalesce(bool_or(pg_catalog.has_function_privilege(p.oid, 'execute')), false)
  from pg_catalog.pg_proc p
  where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.proname = 'pg_logical_emit_message'
    and p.proargtypes[2] = 'pg_catalog.text'::pg_catalog.regtype
$body$;

-- Says who acts, and in which request, for what follows in this transaction.
--
-- The second, empty message is padding. A message written in a subtransaction (a savepoint, an exception
-- block) bears the position of its record's end, which is where a change written directly after it begins;
-- decoding then hands that change over first. With a record in between it never does.
create or replace function walhook.set_context(username text, request_id text default null)
returns void
language plpgsql
as $body$
begin
  perform pg_catalog.set_config('walhook.username', coalesce(set_context.username, ''), true);
  perform pg_catalog.set_config('walhook.request_id', coalesce(set_context.request_id, ''), true);
  if walhook.may_announce() then
    perform pg_catalog.pg_logical_emit_message(true, 'walhook', pg_catalog.json_build_object(
      'username', set_context.username, 'request_id', set_context.request_id)::text);
    perform pg_catalog.pg_logical_emit_message(false, 'walhook.pad', '');
    perform pg_catalog.set_config('walhook.announced', pg_catalog.json_build_array(
      coalesce(set_context.username, ''), coalesce(set_context.request_id, ''))::text, true);
  end if;
end
$body$;

comment on function walhook.set_context(text, text) is
  'Sets walhook.username and walhook.request_id for this transaction and announces them to walhook.';

-- Makes this whole transaction fire no webhook, before and after the call, where walhook's configuration allows
-- it (allow_mute: true in a message source of context). For imports and migrations that nobody is to hear of.
create or replace function walhook.mute()
returns void
language plpgsql
as $body$
begin
  if walhook.may_announce() then
    perform pg_catalog.pg_logical_emit_message(true, 'walhook.mute', '');
  end if;
end
$body$;

comment on function walhook.mute() is
  'Makes this transaction fire no webhook, where the configuration has allow_mute: true.';

-- BEFORE INSERT OR UPDATE, each row: writes the stamp, NULL when nothing is set. A column that is gone or of
-- another type is left alone.
create or replace function walhook.stamp()
returns trigger
language plpgsql
as $body$
begin
  return pg_catalog.jsonb_populate_record(new, pg_catalog.jsonb_build_object(
    'changed_by', nullif(pg_catalog.current_setting('walhook.username', true), ''),
    'request_id', nullif(pg_catalog.current_setting('walhook.request_id', true), '')));
exception when others then
  return new;
end
$body$;

-- BEFORE a statement: announces the context as a message, once per transaction and again when it changes.
create or replace function walhook.announce()
returns trigger
language plpgsql
as $body$
declare
  who text := coalesce(pg_catalog.current_setting('walhook.username', true), '');
  request text := coalesce(pg_catalog.current_setting('walhook.request_id', true), '');
  current text := pg_catalog.json_build_array(who, request)::text;
  announced text := coalesce(nullif(pg_catalog.current_setting('walhook.announced', true), ''), '["", ""]');
begin
  if current is distinct from announced and walhook.may_announce() then
    perform pg_catalog.pg_logical_emit_message(true, 'walhook', case
      when who = '' and request = '' then '{}'
      else pg_catalog.json_build_object('username', nullif(who, ''), 'request_id', nullif(request, ''))::text
    end);
    perform pg_catalog.pg_logical_emit_message(false, 'walhook.pad', '');
    perform pg_catalog.set_config('walhook.announced', current, true);
  end if;
  return null;
end
$body$;

-- What might mind two more columns: functions of triggers on the table and views that name it.
create or replace function walhook.minds_new_columns(target regclass)
returns setof text
language sql
stable
as $body$
  select pg_catalog.format('trigger %s runs %s, which may copy whole rows of %s', t.tgname, t.tgfoid::pg_catalog.regprocedure, target)
  from pg_catalog.pg_trigger t
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where t.tgrelid = target and not t.tgisinternal and n.nspname <> 'walhook'
    and p.prosrc ~* '\m(old|new)\s*\.\s*\*|\m(values|select|insert)\M[^;]*\m(old|new)\M\s*[,;)]'
  union all
  select pg_catalog.format('view %s reads %s; it keeps the columns it has', d.objid::pg_catalog.regclass, target)
  from (
    select distinct r.ev_class as objid
    from pg_catalog.pg_depend dep
    join pg_catalog.pg_rewrite r on r.oid = dep.objid
    where dep.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
      and dep.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and dep.refobjid = target and r.ev_class <> target
  ) as d
$body$;

-- Makes a table say who changes its rows.
create or replace function walhook.track(target regclass, columns boolean default true)
returns void
language plpgsql
as $body$
declare
  mind text;
  taken text;
  old_timeout text := pg_catalog.current_setting('lock_timeout');
  old_messages text := pg_catalog.current_setting('client_min_messages');
begin
  if columns then
    select pg_catalog.string_agg(pg_catalog.format('%s %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ')
    into taken
    from pg_catalog.pg_attribute a
    where a.attrelid = target and not a.attisdropped and a.attname in ('changed_by', 'request_id')
      and (a.atttypid <> 'text'::pg_catalog.regtype or a.attgenerated <> '' or a.attnotnull);
    if taken is not null then
      raise exception '% has a column of its own that the stamp cannot use: %', target, taken
        using hint = pg_catalog.format('Announce only: select walhook.track(%L, columns => false);', target::text);
    end if;
    for mind in select walhook.minds_new_columns(target) loop
      raise notice '%', mind;
    end loop;
  end if;
  -- Rather fail at once than make the application wait behind this.
  perform pg_catalog.set_config('lock_timeout', '2s', true);
  perform pg_catalog.set_config('client_min_messages', 'warning', true);
  execute pg_catalog.format('drop trigger if exists walhook_announce on %s', target);
  execute pg_catalog.format('drop trigger if exists walhook_stamp on %s', target);
  if columns then
    execute pg_catalog.format(
      'alter table %s add column if not exists changed_by text, add column if not exists request_id text', target);
    execute pg_catalog.format(
      'create trigger walhook_stamp before insert or update on %s for each row execute function walhook.stamp()', target);
    -- An UPDATE that moves a row to another partition deletes it without a DELETE statement.
    execute pg_catalog.format(
      'create trigger walhook_announce before %s on %s for each statement execute function walhook.announce()',
      case when (select c.relkind from pg_catalog.pg_class c where c.oid = target) = 'p' then 'update or delete' else 'delete' end,
      target);
  else
    execute pg_catalog.format(
      'create trigger walhook_announce before insert or update or delete on %s for each statement execute function walhook.announce()', target);
  end if;
  perform pg_catalog.set_config('lock_timeout', old_timeout, true);
  perform pg_catalog.set_config('client_min_messages', old_messages, true);
end
$body$;

comment on function walhook.track(regclass, boolean) is
  'Stamps changed_by and request_id of a table from walhook.username and walhook.request_id (columns => false: announces them only).';

-- The inverse of track. Keeps the columns unless told otherwise: they hold data.
create or replace function walhook.untrack(target regclass, drop_columns boolean default false)
returns void
language plpgsql
as $body$
declare
  old_timeout text := pg_catalog.current_setting('lock_timeout');
  old_messages text := pg_catalog.current_setting('client_min_messages');
begin
  perform pg_catalog.set_config('lock_timeout', '2s', true);
  perform pg_catalog.set_config('client_min_messages', 'warning', true);
  execute pg_catalog.format('drop trigger if exists walhook_announce on %s', target);
  execute pg_catalog.format('drop trigger if exists walhook_stamp on %s', target);
  if drop_columns then
    execute pg_catalog.format('alter table %s drop column if exists changed_by, drop column if exists request_id', target);
  end if;
  perform pg_catalog.set_config('lock_timeout', old_timeout, true);
  perform pg_catalog.set_config('client_min_messages', old_messages, true);
end
$body$;

-- The functions are for everyone; the table is not.
grant usage on schema walhook to public;
revoke execute on function walhook.track(regclass, boolean), walhook.untrack(regclass, boolean) from public;
