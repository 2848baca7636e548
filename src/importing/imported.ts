/**
 * Exported webhooks as configuration: which they become, what about them differs in walhook, and which
 * cannot be taken over and why. Pure.
 */
import {
  callsWebhook,
  choice,
  isEventRule,
  isObject,
  isRuleless,
  type Translated,
  translateExports,
} from '../config/exports.ts';
import { formatPath } from '../config/mistakes.ts';
import { EVENT_KINDS } from '../config/webhookSchema.ts';
import { checkWebhook } from '../definitions/webhooks.ts';
import { isForbiddenHeader } from '../deliver/headers.ts';
import { staticOrigin } from '../deliver/url.ts';

type Raw = Readonly<Record<string, unknown>>;

/** Which application an export comes from. */
export type Family = 'peering-manager' | 'netbox';

export interface ImportedWebhook {
  readonly webhook: Raw;
  /** What is different about this one, a sentence each. */
  readonly notes: readonly string[];
}

export interface LeftOut {
  readonly name: string;
  readonly reasons: readonly string[];
  /** Something that walhook would do if it could, not merely what is no webhook. */
  readonly isLoss: boolean;
}

export interface ImportedModel {
  readonly name: string;
  readonly table: string;
}

export interface Imported {
  readonly families: ReadonlySet<Family>;
  readonly webhooks: readonly ImportedWebhook[];
  /** Tables of NetBox's object types, by Django's convention. */
  readonly models: readonly ImportedModel[];
  readonly leftOut: readonly LeftOut[];
}

export function importExports(list: readonly Raw[]): Imported {
  const families = new Set<Family>();
  const webhooks: ImportedWebhook[] = [];
  const models = new Map<string, string>();
  const leftOut: LeftOut[] = [];
  const names = new Set<unknown>();
  for (const translated of translateExports(list).entries) {
    const sources = translated.sources.map((at): Raw => list[at] ?? {});
    const stray = strayReason(sources, translated);
    if (stray !== null) {
      leftOut.push({ name: nameOf(translated.entry), ...stray });
      continue;
    }
    const family = familyOf(sources);
    const one = importOne(translated, sources, family);
    const reasons = checkWebhook(one.webhook, []).map(
      ({ path, message }) => `${formatPath(path)}: ${message}`,
    );
    reasons.push(...missingParts(one.webhook));
    if (reasons.length > 0) {
      leftOut.push({ name: nameOf(one.webhook), reasons, isLoss: true });
      continue;
    }
    families.add(family);
    webhooks.push({ ...one, webhook: { ...one.webhook, name: freeName(nameOf(one.webhook), names) } });
    if (family === 'netbox') for (const [name, table] of tablesOf(sources)) models.set(name, table);
  }
  return { families, webhooks, models: [...models].map(([name, table]) => ({ name, table })), leftOut };
}

/** A rule without its webhook, a webhook without a rule, a rule that is for something else. */
function strayReason([first]: readonly Raw[], { sources }: Translated): Omit<LeftOut, 'name'> | null {
  if (sources.length > 1) return null;
  if (isEventRule(first)) {
    return callsWebhook(first)
      ? { reasons: ['the webhook that this event rule calls is not among what is imported'], isLoss: true }
      : {
          reasons: [`this event rule runs a ${String(choice(first['action_type']))}, no webhook`],
          isLoss: false,
        };
  }
  return isRuleless(first)
    ? { reasons: ['no event rule that calls this webhook is among what is imported'], isLoss: true }
    : null;
}

/** Peering Manager's objects have flags for events and no tags; NetBox's have tags and custom fields. */
function familyOf(sources: readonly Raw[]): Family {
  const hasAny = (keys: readonly string[]) =>
    sources.some((raw) => keys.some((key) => Object.hasOwn(raw, key)));
  if (hasAny(['event_types', 'object_types', 'custom_fields', 'tags', 'last_updated', 'action_type'])) {
    return 'netbox';
  }
  return 'peering-manager';
}

function importOne({ entry }: Translated, sources: readonly Raw[], family: Family): ImportedWebhook {
  const { events, ...raw } = isObject(entry) ? entry : {};
  const notes: string[] = [];
  const webhook: Record<string, unknown> = {
    ...withoutDefaults(raw),
    ...(events === undefined ? {} : { events: rowEvents(events, notes) }),
    payload_format: family,
  };
  if (family === 'peering-manager' && raw['conditions'] !== undefined) webhook['conditions_mode'] = 'lenient';
  const { url, secret, additional_headers: headers } = raw;
  if (typeof url === 'string' && /\{[{%#]/.test(url) && staticOrigin(url) === null) {
    webhook['allow_templated_host'] = true;
    notes.push('Data has a say in where requests go: allow_templated_host lets it, as before.');
  }
  if (typeof secret === 'string') {
    notes.push(
      'Its secret stands here as exported; a variable, or a file under /run/secrets, keeps it out of here.',
    );
  }
  if (typeof headers === 'string' && headers !== '') {
    webhook['additional_headers'] = sendableHeaders(headers, notes);
  }
  if (typeof raw['ca_file_path'] === 'string') {
    notes.push('ca_file_path is read on the host that walhook runs on.');
  }
  if (sources.some(({ action_data: data }) => isObject(data) && Object.keys(data).length > 0)) {
    notes.push('The action data of its event rule is not merged into data: put it into body_template.');
  }
  return { webhook, notes };
}

/** What an export writes out and walhook takes for granted. */
const DEFAULTS: Raw = {
  enabled: true,
  http_method: 'POST',
  http_content_type: 'application/json',
  additional_headers: '',
  body_template: '',
};

function withoutDefaults(raw: Raw): Raw {
  return Object.fromEntries(
    Object.entries(raw).filter(([key, value]) => !(Object.hasOwn(DEFAULTS, key) && DEFAULTS[key] === value)),
  );
}

/** Jobs that start and end are no rows that change. */
function rowEvents(events: unknown, notes: string[]): unknown {
  if (!Array.isArray(events)) return events;
  const known: readonly unknown[] = EVENT_KINDS;
  const others = events.filter((event) => !known.includes(event));
  if (others.length > 0) {
    notes.push(`Left out are events that are not of a row: ${others.map(String).join(', ')}.`);
  }
  return events.filter((event) => known.includes(event));
}

/** Lines that set what is walhook's or the connection's own would make every request fail. */
function sendableHeaders(headers: string, notes: string[]): string {
  const kept = headers.split(/\r\n|\r|\n/).filter((line) => {
    const name = line.slice(0, Math.max(0, line.indexOf(':'))).trim();
    if (line.includes('{%') || !isForbiddenHeader(name)) return true;
    notes.push(`The header ${name} is left out: it is walhook's or the connection's own.`);
    return false;
  });
  return kept.join('\n');
}

function missingParts({ name, models, events, url }: Raw): string[] {
  const isEmptyList = (value: unknown) => !Array.isArray(value) || value.length === 0;
  return [
    ...(typeof name === 'string' && name !== '' ? [] : ['it has no name']),
    ...(isEmptyList(models) ? ['it is for no object type'] : []),
    ...(isEmptyList(events) ? ['it is for no event of a row'] : []),
    ...(typeof url === 'string' && url !== '' ? [] : ['it has no payload_url']),
  ];
}

/** `dcim.site` is the table public.dcim_site. */
function tablesOf(sources: readonly Raw[]): [name: string, table: string][] {
  const types = sources.flatMap((raw) => raw['object_types'] ?? raw['content_types'] ?? []);
  return types.flatMap((type): [string, string][] => {
    const [app, model, ...more] = typeof type === 'string' ? type.split('.') : [];
    return app !== undefined && model !== undefined && more.length === 0
      ? [[model, `public.${app}_${model}`]]
      : [];
  });
}

function nameOf(entry: unknown): string {
  const name = isObject(entry) ? entry['name'] : undefined;
  return typeof name === 'string' ? name : '';
}

/** Two exports may come from two applications. */
function freeName(name: string, taken: Set<unknown>): string {
  let free = name;
  for (let i = 2; taken.has(free); i += 1) free = `${name.slice(0, 140)} (${i})`;
  taken.add(free);
  return free;
}
