/** Setup as a whole, for the command and for the demo: plan, apply, slot, binding. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import type { Config } from '../config/schema.ts';
import { companionTables } from '../config/watchedTables.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import type { QueueStore } from '../queue/store.ts';
import { applySections, bind, createSlot } from './apply.ts';
import { planSetup, type SectionName, type SetupPlan, type SetupWish } from './plan.ts';
import { readPresetFit } from './presetFit.ts';
import { type DatabaseState, type Names, readDatabaseState } from './state.ts';

export interface SetupRequest {
  readonly only: readonly SectionName[];
  /** How long to wait for the slot. */
  readonly timeoutMs: number;
}

/** What setup would do. */
export async function readPlan(
  client: Client,
  config: Config,
  names: Names,
  only: readonly SectionName[],
): Promise<{ state: DatabaseState; plan: SetupPlan }> {
  const state = await readDatabaseState(client, names);
  const { config: fitted, notes } = await readPresetFit(client, config);
  const plan = planSetup(state, wishOf(fitted, state, only));
  return { state, plan: { ...plan, notes: [...notes, ...plan.notes] } };
}

/** Does it. `tell` receives one line per step. Idempotent. */
export async function performSetup(
  client: Client,
  store: QueueStore,
  config: Config,
  names: Names,
  { only, timeoutMs }: SetupRequest,
  tell: (text: string) => void,
): Promise<void> {
  const { state, plan } = await readPlan(client, config, names, only);
  if (plan.refused.length > 0) throw new WalhookError('SETUP_UNSAFE', plan.refused.join('; '));
  for (const note of plan.notes) tell(`note: ${note}`);
  if (only.includes('slot')) refuseLostSlot(state, (await store.state()) !== null, config);
  await applySections(client, plan, state);
  for (const { name, statements } of plan.sections) {
    if (name !== 'slot') tell(`${name}: ${statements.length === 0 ? 'was there' : 'created'}`);
  }
  if (!only.includes('slot')) {
    await resendRows(client, plan.resendRows);
    return;
  }

  const [statement] = plan.sections.find((section) => section.name === 'slot')?.statements ?? [];
  const startsAt =
    statement === undefined ? state.slot.confirmedFlushLsn : await createSlot(client, statement, timeoutMs);
  tell(`slot: ${statement === undefined ? 'was there' : 'created'}`);
  await resendRows(client, plan.resendRows);
  const fresh = await readDatabaseState(client, names);
  const { environment } = config;
  const installation = await bind(client, store, fresh, { slot: names.slot, environment }, startsAt);
  tell(`queue: bound to the slot ${names.slot}, generation ${installation.generation}`);
  tell(`Changes committed from ${formatLsn(startsAt)} on are captured. Next: walhook check, walhook run`);
}

/** Webhooks kept as rows before the slot could tell of them are told of now. */
async function resendRows(client: Client, statement: string | null): Promise<void> {
  if (statement === null) return;
  try {
    await client.query(statement);
  } catch (error) {
    if (causeCode(error) !== '42501') throw error;
    throw new WalhookError(
      'SETUP_PRIVILEGE',
      'expected to be allowed to send the rows of walhook.webhook through the slot, found that it is not',
      { cause: error, remedy: `as a role that may write walhook.webhook: ${statement}` },
    );
  }
}

/** A slot is made only where none is remembered: one that is gone took Changes with it. */
function refuseLostSlot({ slot, installation }: DatabaseState, isBound: boolean, config: Config): void {
  const { slot: name, plugin } = config.postgres;
  const isRemembered = isBound || installation !== null;
  if (isRemembered && (slot.walStatus === 'missing' || slot.walStatus === 'lost')) {
    const found = slot.walStatus === 'lost' ? 'invalidated' : 'gone';
    throw new WalhookError(
      'SLOT_LOST',
      `expected the slot ${name}, which setup made before, found it ${found}`,
    );
  }
  if (slot.walStatus !== 'missing' && slot.plugin !== plugin) {
    const found = slot.plugin ?? 'a physical one';
    throw new WalhookError('SLOT_FOREIGN', `expected ${name} to be a slot of ${plugin}, found ${found}`);
  }
}

function wishOf(config: Config, state: DatabaseState, only: readonly SectionName[]): SetupWish {
  return {
    slot: config.postgres.slot,
    publication: config.postgres.publication,
    patterns: config.postgres.tables,
    modelTables: config.models.map((model) => model.table),
    companions: companionTables(config),
    only,
    schemaSql: readSql('schema.sql'),
    role: state.role.name,
    pluginName: config.postgres.plugin,
  };
}

/** The text of a file of the package's sql/ folder. */
export function readSql(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../sql/${name}`, import.meta.url)), 'utf8');
}
