/** Whose names and values an Event bears where it is sent: walhook's own, Peering Manager's, NetBox's. */
export const EVENT_FORMATS = ['walhook', 'peering-manager', 'netbox'] as const;
export type EventFormat = (typeof EVENT_FORMATS)[number];
/** The formats of others: Events are kept in walhook's and converted when they are sent. */
export type ForeignFormat = Exclude<EventFormat, 'walhook'>;
