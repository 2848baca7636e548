-- Rows to change by hand, and for the stack's `app` to change.
insert into extras_tag (name, slug) values ('Exempt', 'exempt'), ('Planned', 'planned');
insert into peering_autonomoussystem (asn, name, irr_as_set)
  values (64496, 'Example Networks', 'AS-EXAMPLE'), (64497, 'Sample Transit', null);
insert into peering_internetexchangepeeringsession (autonomous_system_id, ixp_connection_id, ip_address)
  values (1, 1, '2001:db8::fbf2:1'), (2, 1, '2001:db8::fbf2:2');
