-- Stands for an application: every ten seconds somebody opens or closes a session, and says who it was.
do $$
begin
  perform set_config('walhook.username', (array['alice', 'bob'])[1 + floor(random() * 2)::int], true),
          set_config('walhook.request_id', gen_random_uuid()::text, true);
  update peering_internetexchangepeeringsession
    set status = case status when 'enabled' then 'disabled' else 'enabled' end
    where id = (select 1 + floor(random() * 2)::int);
end $$
\watch 10
