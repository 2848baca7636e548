/** Imported webhooks as a configuration file, with notes on what differs as comments. Pure. */
import { Document, isMap, isSeq } from 'yaml';
import { isObject } from '../config/exports.ts';
import type { Family, Imported } from './imported.ts';

const DIFFERENCES: Readonly<Record<Family, readonly string[]>> = {
  'peering-manager': [
    'payload_format: peering-manager keeps the names and values of Peering Manager in bodies and templates.',
    'conditions_mode: lenient takes an unknown path for null, as Peering Manager does.',
    'Any 2xx is success, where Peering Manager takes 200 alone.',
    'A template that fails makes a failed Delivery; Peering Manager sends the text of the error.',
    'Whoever writes to the database fires webhooks, not requests to the application alone, and a write that is rolled back fires none.',
  ],
  netbox: [
    'payload_format: netbox keeps the names and values of NetBox 4.6 in bodies and templates.',
    'Each webhook of an event rule is a webhook of its own here.',
    'data is the row with what models adds to it: give models what your templates and conditions read (display, url, choices, include).',
    'A condition on status.value cannot be evaluated until the model has choices for status: its Events end as failed Deliveries.',
    'Whoever writes to the database fires webhooks, not requests to the application alone.',
  ],
};

const ALWAYS: readonly string[] = [
  'Failed requests are retried; `retry: {schedule: []}` never retries. A redirect is a failure and is not followed.',
  'snapshots.prechange needs REPLICA IDENTITY FULL on the table: walhook check names where.',
];

/** The configuration that the export becomes, its texts written so that nothing in them is interpolated. */
export function importedConfig({ families, webhooks, models }: Imported): Record<string, unknown> {
  const isNetbox = families.has('netbox');
  return {
    postgres: { url: variable('DATABASE_URL') },
    queue: { url: variable('QUEUE_URL') },
    ...(families.has('peering-manager') ? { preset: 'peering-manager' } : {}),
    ...(isNetbox && families.size === 1 ? { context: [OBJECT_CHANGES] } : {}),
    ...(models.length > 0
      ? { models: models.map((model) => ({ ...model, naming: 'fields', foreign_keys: 'expand' })) }
      : {}),
    webhooks: webhooks.map(({ webhook }) => literal(ordered(webhook))),
  };
}

function variable(name: string): string {
  return `\${${name}}`;
}

/** NetBox's change log says who made a change and in which request. */
const OBJECT_CHANGES = {
  table: 'public.core_objectchange',
  username: 'user_name',
  request_id: 'request_id',
  match: { changed_object_id: 'id' },
};

export function printImported(imported: Imported): string {
  const document = new Document(importedConfig(imported));
  const general = [...imported.families].flatMap((family) => DIFFERENCES[family]);
  document.commentBefore = [
    ' Imported webhooks. What is different in walhook:',
    ...[...general, ...ALWAYS].map((text) => ` - ${text}`),
  ].join('\n');
  const list = document.get('webhooks');
  if (isSeq(list)) {
    imported.webhooks.forEach(({ notes }, i) => {
      const item = list.items[i];
      if (isMap(item) && notes.length > 0) item.commentBefore = notes.map((text) => ` ${text}`).join('\n');
    });
  }
  if (imported.leftOut.length > 0) {
    document.comment = [
      ' Left out:',
      ...imported.leftOut.map(({ name, reasons }) =>
        ` - ${name}: ${reasons.join('; ')}`.replaceAll('\n', ' '),
      ),
    ].join('\n');
  }
  return document.toString({ lineWidth: 0 });
}

const FIRST = ['name', 'enabled', 'models', 'events', 'conditions', 'conditions_mode', 'url'];

function ordered(webhook: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const first = FIRST.filter((key) => Object.hasOwn(webhook, key)).map((key) => [key, webhook[key]] as const);
  return { ...Object.fromEntries(first), ...webhook };
}

/** Texts as they are to be read: what the file would take for a variable is written with two dollars. */
function literal(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/(\$?)\$\{(?=([A-Z_][A-Z0-9_]*(?::-[^}]*)?\}|file:[^}]+\})?)/g, escaped);
  }
  if (Array.isArray(value)) return value.map(literal);
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, literal(item)]));
  }
  return value;
}

function escaped(whole: string, dollar: string, reference: string | undefined): string {
  return dollar === '' && reference === undefined ? whole : `${dollar}$\${`;
}
