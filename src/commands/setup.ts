/** `walhook setup` and `walhook teardown`. */
import type { Client } from 'pg';
import type { Config } from '../config/schema.ts';
import { parseDuration } from '../config/units.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import { connect } from '../database/connect.ts';
import { servicesOf } from '../services.ts';
import { performSetup, readPlan } from '../setup/perform.ts';
import { chooseTables, type SectionName, type SetupPlan } from '../setup/plan.ts';
import { readProvider } from '../setup/provider.ts';
import { planHelperRights, planRole } from '../setup/rolePlan.ts';
import { type DatabaseState, readDatabaseState } from '../setup/state.ts';
import { planTeardown } from '../setup/teardown.ts';
import { loadConfigFile } from './configFile.ts';
import { namesOf, openServices } from './connections.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

const SECTIONS: readonly SectionName[] = ['publication', 'schema', 'slot'];

export interface SetupOptions extends CommonOptions {
  readonly print?: boolean;
  readonly only?: string;
  /** commander's --no-schema. */
  readonly schema?: boolean;
  readonly timeout?: string;
  readonly identities?: boolean;
  readonly acceptGap?: boolean;
  readonly adopt?: boolean;
  /** With --print: the role that is to run walhook. */
  readonly role?: string;
}

/** Creates what the database needs. Idempotent. */
export async function setup(options: SetupOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  const only = sectionsOf(options);
  const timeoutMs = timeoutOf(options.timeout ?? '60s');
  const names = namesOf(loaded);
  const identities = options.identities === true;
  await using scope = new Scope();
  if (options.print === true) {
    const client = await connect(servicesOf(loaded).lookups);
    scope.defer(() => client.end());
    const { state, plan } = await readPlan(client, loaded.config, names, { only, identities });
    const { role = null } = options;
    if (role !== null) io.out(await printedRole(client, state, loaded.config, role));
    io.out(printedPlan(plan, role));
    return 0;
  }
  const { services, client, store } = await openServices(loaded, scope);
  const request = {
    only,
    timeoutMs,
    identities,
    acceptGap: options.acceptGap === true,
    adopt: options.adopt === true,
    replication: services.replication,
  };
  await performSetup(client, store, loaded.config, names, request, (text) => io.out(line(text)));
  return 0;
}

function sectionsOf(options: SetupOptions): SectionName[] {
  const wanted = options.only?.split(',').map((name) => name.trim()) ?? [...SECTIONS];
  const unknown = wanted.find((name) => !SECTIONS.some((section) => section === name));
  if (unknown !== undefined) {
    throw new WalhookError('USAGE', `--only: expected ${SECTIONS.join(', ')}, found ${unknown}`);
  }
  return SECTIONS.filter((name) => wanted.includes(name) && (name !== 'schema' || options.schema !== false));
}

function timeoutOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === null)
    throw new WalhookError('USAGE', `--timeout: expected a duration such as 60s, found ${text}`);
  return ms;
}

async function printedRole(
  client: Client,
  state: DatabaseState,
  config: Config,
  role: string,
): Promise<string> {
  const modelTables = config.models.map((model) => model.table);
  const statements = planRole({
    role,
    database: state.identity.database,
    provider: await readProvider(client),
    tables: chooseTables(state.tables, { patterns: config.postgres.tables, modelTables }),
  });
  return `-- Section role, as a role that may make roles\n\n${statements.join('\n')}\n\n`;
}

function printedPlan({ sections, refused, notes, resendRows }: SetupPlan, role: string | null): string {
  const parts = sections.map(({ name, needs, statements }) => {
    const body = statements.length === 0 ? '-- nothing to do: it is there already' : statements.join('\n\n');
    return `-- Section ${name}, as ${needs}\n\n${body}\n`;
  });
  const remarks = [
    ...refused.map((reason) => `-- NOT DONE: ${reason}\n`),
    ...notes.map((note) => `-- note: ${note}\n`),
  ];
  // Behind the sections: the helper schema has to be there.
  const rights =
    role === null
      ? []
      : [`-- Section rights, as the owner of the schema walhook\n\n${planHelperRights(role).join('\n')}\n`];
  const queue =
    '-- Then, as the role of postgres.url: walhook setup, which binds the queue and does what is left.\n';
  const rows =
    resendRows === null
      ? []
      : [`-- After the slot was made, as a role that may write walhook.webhook\n\n${resendRows}\n`];
  return [...remarks, ...parts, ...rights, ...rows, queue].join('\n');
}

export interface TeardownOptions extends CommonOptions {
  readonly print?: boolean;
  readonly discard?: boolean;
}

/** Drops what setup made; refuses to throw away what has not been delivered without `--discard`. */
export async function teardown(options: TeardownOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await using scope = new Scope();
  const { client, store } = await openServices(loaded, scope);
  const names = namesOf(loaded);
  const state = await readDatabaseState(client, names).catch(refusedTeardown);
  if (state.slot.activePid !== null) {
    throw new WalhookError(
      'SLOT_IN_USE',
      `expected the slot ${names.slot} to be free, found process ${state.slot.activePid} using it`,
      {
        remedy: 'stop walhook run first',
      },
    );
  }
  const plan = await planTeardown(client, store, state, names).catch(refusedTeardown);
  for (const note of plan.notes) io.out(line(options.print === true ? `-- note: ${note}` : `note: ${note}`));
  for (const loss of plan.losses)
    io.out(line(options.print === true ? `-- lost: ${loss}` : `would be lost: ${loss}`));
  if (options.print === true) {
    for (const statement of plan.statements) io.out(line(statement));
    return 0;
  }
  if (plan.losses.length > 0 && options.discard !== true) {
    throw new WalhookError(
      'TEARDOWN_LOSES',
      `expected nothing undelivered, found ${plan.losses.join(' and ')}`,
    );
  }
  for (const statement of plan.statements) {
    await client.query(statement).catch(refusedTeardown);
    io.out(line(`done: ${toldOf(statement)}`));
  }
  await store.destroy();
  io.out(line('done: the queue is empty'));
  return 0;
}

/** What setup made belongs to the roles that ran it; the daemon's own role may not drop it. */
function refusedTeardown(error: unknown): never {
  if (causeCode(error) !== '42501') throw error;
  const text = error instanceof Error ? error.message.split('\n')[0] : '';
  throw new WalhookError('SETUP_PRIVILEGE', `teardown needs the role that ran setup, found: ${text}`, {
    cause: error,
    remedy: 'run walhook teardown as that role; as it, walhook teardown --print shows the statements',
  });
}

/** A statement in a line: of a block, the one statement that stands in it. */
function toldOf(statement: string): string {
  const lines = statement.split('\n').map((one) => one.trim());
  return (
    (lines[0]?.startsWith('do ') === true ? lines.find((one) => /^(drop|alter) /.test(one)) : null) ??
    lines[0] ??
    ''
  );
}
