/** A proposal as a commented configuration file that validates and runs as it is. */
import { stringify } from 'yaml';
import type { AuditProposal, LeftOut, Proposal, ProposedModel } from './propose.ts';

export interface FileHead {
  readonly database: string;
  readonly server: string;
}

const WHY: Readonly<Record<LeftOut, string>> = {
  framework: 'kept by a framework for itself',
  audit: 'an audit table or a history of rows',
  no_key: 'no primary key, or a deferrable one: published, its UPDATEs and DELETEs would fail',
  dotted_schema: 'the name of its schema has a dot, and cannot be written here',
};

/** How many tables a file spells out; the rest are counted. */
const MAX_LEFT_OUT = 30;

export function configurationFile(proposal: Proposal, head: FileHead): string {
  return [
    '# yaml-language-server: $schema=./node_modules/walhook/walhook.schema.json',
    `# Proposed by walhook init for the database ${oneLine(head.database)} (PostgreSQL ${head.server}).`,
    '# Next: walhook validate, walhook setup --print, walhook setup, walhook check, walhook run.',
    '',
    'environment: default        # production, staging …: binds slot and queue to one another',
    'postgres:',
    `  url: \${DATABASE_URL}`,
    'queue:',
    `  url: \${QUEUE_URL}         # redis://… or postgres://… in another database`,
    '',
    ...contextLines(proposal),
    '',
    ...modelLines(proposal),
    '',
    ...webhookLines(proposal),
    '',
  ].join('\n');
}

function contextLines({ audits, columns, hasTracked }: Proposal): string[] {
  const lines = [
    '# Who changed a row, and in which request. The first source that knows wins.',
    'context:',
    "  # Said by the application: SELECT walhook.set_context('alice', 'request-42') in its transaction.",
    '  - message: walhook',
    ...audits.flatMap(auditLines),
  ];
  if (columns !== null) {
    const pairs = {
      username: columns.username,
      ...(columns.requestId === null ? {} : { request_id: columns.requestId }),
    };
    lines.push(
      '  # Believed where the Change itself wrote them, which takes REPLICA IDENTITY FULL to see in an update.',
      `  - columns: ${flow(pairs)}`,
    );
  }
  // With nothing of its own to name, the default also reads the columns of walhook.track.
  if (audits.length === 0 && columns === null) {
    return [
      "# Who changed a row is said by SELECT walhook.set_context('alice', 'request-42') in the transaction, or by",
      "# SET LOCAL walhook.username once SELECT walhook.track('public.orders') has put its trigger on the table.",
      ...(hasTracked ? ['# Some tables have that trigger already.'] : []),
      '# context:',
      '#   - columns: {username: updated_by}     # a column that the application writes',
    ];
  }
  return lines;
}

function auditLines({ table, username, requestId, match }: AuditProposal): string[] {
  return [
    '  # Written in the same transaction as the change it speaks of.',
    `  - table: ${scalar(table)}`,
    ...(username === null ? [] : [`    username: ${scalar(username)}`]),
    ...(requestId === null ? [] : [`    request_id: ${scalar(requestId)}`]),
    ...(match.length === 0 ? [] : [`    match: ${flow(Object.fromEntries(match))}`]),
  ];
}

function modelLines({ models, leftOut }: Proposal): string[] {
  const lines = ['# What setup publishes and webhooks can name.'];
  lines.push(...(models.length === 0 ? ['models: []'] : ['models:', ...models.flatMap(oneModel)]));
  const shown = leftOut.slice(0, MAX_LEFT_OUT);
  if (shown.length > 0) lines.push('  # Left out:');
  for (const { table, why } of shown) {
    lines.push(`  #   ${oneLine(table)}: ${WHY[why]}`);
    if (why === 'no_key')
      lines.push(`  #     to watch it all the same: ALTER TABLE ${quoted(table)} REPLICA IDENTITY FULL;`);
  }
  if (leftOut.length > shown.length) lines.push(`  #   and ${leftOut.length - shown.length} more`);
  return lines;
}

function oneModel(model: ProposedModel): string[] {
  const about = [
    model.primaryKey.length === 0 ? 'no primary key' : `key ${oneLine(model.primaryKey.join(', '))}`,
    ...(model.isPartitioned ? ['partitioned'] : []),
    ...(model.rows === null ? [] : [`about ${model.rows.toLocaleString('en')} rows`]),
  ];
  return [
    `  - name: ${scalar(model.name)}`,
    `    table: ${scalar(model.table)}        # ${about.join('; ')}`,
    ...(model.display === null ? [] : [`    display: ${scalar(model.display)}`]),
    ...foreignKeyLines(model),
    ...choiceLines(model),
    ...(model.hasBeforeImage
      ? []
      : ['    # before_image: full      # the row before an update or delete; setup --identities sets it']),
  ];
}

function foreignKeyLines({ foreignKeys }: ProposedModel): string[] {
  if (foreignKeys.length === 0) return [];
  const targets = foreignKeys.map(({ column, references }) => `${column} → ${references}`).join(', ');
  return [`    # foreign_keys: expand    # data then holds the rows of ${oneLine(targets)}`];
}

function choiceLines({ choices }: ProposedModel): string[] {
  if (choices.length === 0) return [];
  const pairs = Object.fromEntries(
    choices.map(({ column, labels }) => [
      column,
      Object.fromEntries(labels.map((one) => [one, withoutVariables(labelOf(one))])),
    ]),
  );
  return [`    # choices: ${oneLine(flow(pairs))}    # data then holds {value, label}`];
}

/** `in_progress` → `In progress` */
function labelOf(value: string): string {
  const words = value.replaceAll(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function webhookLines({ models }: Proposal): string[] {
  const first = models[0]?.name;
  return [
    '# To begin with, everything goes to `walhook receiver`, which prints it.',
    'webhooks:',
    '  - name: everything',
    '    models: ["*"]',
    '    events: [created, updated, deleted]',
    `    url: \${WEBHOOK_URL:-http://localhost:9000/}`,
    ...(first === undefined
      ? []
      : [
          '  # - name: a-first-one-of-your-own',
          `  #   models: [${oneLine(scalar(first))}]`,
          '  #   events: [updated]',
          '  #   url: https://hooks.example.com/',
          '  #   body_template: \'{"text": "{{ model }} {{ data | tojson }} was {{ event }} by {{ username }}"}\'',
        ]),
  ];
}

/** A name of the database as a YAML scalar on one line, quoted where it must be, and no variable of the file. */
function scalar(name: string): string {
  const text = withoutVariables(name);
  return stringify(text, { lineWidth: 0, defaultStringType: 'PLAIN' }).trimEnd().includes('\n')
    ? JSON.stringify(text)
    : stringify(text, { lineWidth: 0 }).trimEnd();
}

/** `${` as the file writes it where no variable is meant. */
function withoutVariables(text: string): string {
  return text.replaceAll('${', () => '$${');
}

function flow(value: object): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

/** Inside a comment, where a line end would end it. */
function oneLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ');
}

/** `schema.table` as SQL writes it. */
function quoted(table: string): string {
  const dot = table.indexOf('.');
  const parts = [table.slice(0, dot), table.slice(dot + 1)];
  return oneLine(
    parts
      .map((part) => (/^[a-z_][a-z0-9_]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
      .join('.'),
  );
}
