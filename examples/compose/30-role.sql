-- What walhook's role needs, and nothing more: to replicate, to read what look-ups and replays read, and its own
-- schema: what setup has bound, the heartbeat, and webhooks that the page keeps as rows.
create role walhook login replication password 'walhook';
grant usage on schema public, walhook to walhook;
grant select on all tables in schema public to walhook;
alter default privileges in schema public grant select on tables to walhook;
grant select, insert, update, delete on walhook.installation, walhook.webhook to walhook;
grant select on walhook.health, walhook.webhooks to walhook;

-- Who changed a row: the session says it by `set local walhook.username = '…'`.
select walhook.track(oid) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r';
