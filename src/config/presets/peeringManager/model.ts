/** The form of the preset's data, and the lists of fields that many of Peering Manager's models share. */

export interface PresetModel {
  readonly app: string;
  readonly name: string;
  /** Below `/api/<app>/` and, but for the app peering, `/<app>/`. */
  readonly path: string;
  /** It has no page of its own: `display_url` is not among its fields. */
  readonly isPageless?: boolean;
  /** What the object calls itself. */
  readonly display: string;
  /** The serializer's fields, but for those of `absent`. */
  readonly fields: readonly string[];
  /** Fields that no row holds; docs/peering-manager.md says why. */
  readonly absent?: readonly string[];
  /** The nested serializer's fields. */
  readonly brief: readonly string[];
  /** Foreign keys that the serializer nests. */
  readonly nested?: readonly string[];
  readonly choices?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Many-to-many fields, by the model they lead to. */
  readonly lists?: Readonly<Record<string, 'routingpolicy' | 'community'>>;
  readonly isTagged: boolean;
  /** Model order of the columns. */
  readonly columns: readonly string[];
  /** Written by jobs, without a change log and without a webhook. */
  readonly ignored?: readonly string[];
  readonly texts?: Readonly<Record<string, string>>;
}

export const HEAD = ['id', 'url', 'display_url', 'display'] as const;
export const TAIL = ['tags', 'created', 'updated'] as const;
export const CONTEXT = ['local_context_data', 'config_context'] as const;
export const NAMED = [...HEAD, 'name'] as const;
export const SLUGGED = [...HEAD, 'name', 'slug'] as const;
export const LOGGED = ['created', 'updated', 'local_context_data'] as const;
export const PRIMARY = [...LOGGED, 'description', 'comments'] as const;
export const ORGANISATIONAL = [...LOGGED, 'name', 'slug', 'description'] as const;
export const SYNCHRONISED = [
  ...LOGGED,
  'data_source',
  'data_file',
  'data_path',
  'auto_synchronisation_enabled',
  'data_synchronised',
  'description',
  'comments',
  'name',
  'template',
  'jinja2_trim',
  'jinja2_lstrip',
] as const;

export const POLICIES = {
  import_routing_policies: 'routingpolicy',
  export_routing_policies: 'routingpolicy',
  communities: 'community',
} as const;
export const POLICY_FIELDS = Object.keys(POLICIES);
export const POLLED = [
  'bgp_state',
  'received_prefix_count',
  'accepted_prefix_count',
  'advertised_prefix_count',
  'last_established_state',
] as const;

/** The fields of a serializer but for those that no row holds. */
export function without(fields: readonly string[], absent: readonly string[]): readonly string[] {
  return fields.filter((field) => !absent.includes(field));
}
