/** Setup as a whole, for the command and for the demo: plan, apply, slot, binding. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import type { Config } from '../config/schema.ts';
import { companionTables } from '../config/watchedTables.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { PostgresTarget } from '../database/connect.ts';
import { describeGap } from '../queue/gaps.ts';
import type { QueueStore } from '../queue/store.ts';
import { applySections, bind, createSlot } from './apply.ts';
import { readIdentityStates } from './identities.ts';
import { planSetup, type SectionName, type SetupPlan, type SetupWish } from './plan.ts';
import { readPresetFit } from './presetFit.ts';
import { acceptGaps, findMisfit, type Misfit, rebind, refuseMisfit } from './rebind.ts';
import { type DatabaseState, type Names, readDatabaseState } from './state.ts';

export interface SetupRequest {
  readonly only: readonly SectionName[];
  /** How long to wait for the slot. */
  readonly timeoutMs: number;
  /** `--identities`: sets REPLICA IDENTITY FULL where a model asks for it. */
  readonly identities?: boolean;
  /** `--accept-gap`: what is missing is known; go on from here, under a new Generation. */
  readonly acceptGap?: boolean;
  /** `--adopt`: this database is the one now, whatever was recorded. */
  readonly adopt?: boolean;
  /** For the history of a server that was promoted or restored. */
  readonly replication?: PostgresTarget;
}

/** What setup would do. */
export async function readPlan(
  client: Client,
  config: Config,
  names: Names,
  request: Omit<SetupRequest, 'timeoutMs' | 'replication'>,
): Promise<{ state: DatabaseState; plan: SetupPlan }> {
  const state = await readDatabaseState(client, names);
  const { config: fitted, notes } = await readPresetFit(client, config);
  const wanted = fitted.models.filter((model) => model.before_image === 'full').map((model) => model.table);
  const fullImages = request.identities === true ? await readIdentityStates(client, wanted) : [];
  const replacesLost = request.acceptGap === true || request.adopt === true;
  const wish = { ...wishOf(fitted, state, request.only), fullImages, replacesLost };
  const plan = planSetup(state, wish);
  return { state, plan: { ...plan, notes: [...notes, ...plan.notes] } };
}

/** Does it. `tell` receives one line per step. Idempotent. */
export async function performSetup(
  client: Client,
  store: QueueStore,
  config: Config,
  names: Names,
  request: SetupRequest,
  tell: (text: string) => void,
): Promise<void> {
  const stop = tellNotices(client, tell);
  try {
    await perform(client, store, config, names, request, tell);
  } finally {
    stop();
  }
}

/**
 * Tells what the SQL of setup raises for people, such as a role that could not be made; not the server's own
 * notices of what is there already. Returns what ends it.
 */
export function tellNotices(client: Client, tell: (text: string) => void): () => void {
  const hear = ({
    routine,
    message,
  }: {
    readonly routine: string | undefined;
    readonly message: string | undefined;
  }) => {
    if (routine === RAISED) tell(`note: ${message ?? ''}`);
  };
  client.on('notice', hear);
  return () => client.off('notice', hear);
}

/** The server's routine for RAISE. */
const RAISED = 'exec_stmt_raise';

async function perform(
  client: Client,
  store: QueueStore,
  config: Config,
  names: Names,
  request: SetupRequest,
  tell: (text: string) => void,
): Promise<void> {
  const { only } = request;
  const { state, plan } = await readPlan(client, config, names, request);
  if (plan.refused.length > 0) throw new WalhookError('SETUP_UNSAFE', plan.refused.join('; '));
  const misfit = only.includes('slot')
    ? await refuseMisfits(client, store, config, names, request, state)
    : null;
  for (const note of plan.notes) tell(`note: ${note}`);
  await applySections(client, plan, state);
  for (const { name, statements } of plan.sections) {
    const made = name === 'schema' && state.hasSchema ? 'brought up to date' : 'created';
    if (name !== 'slot') tell(`${name}: ${statements.length === 0 ? 'was there' : made}`);
  }
  if (!only.includes('slot')) {
    await resendRows(client, plan.resendRows);
    return;
  }

  const startsAt = await makeSlot(client, plan, state, request, tell);
  await resendRows(client, plan.resendRows);
  const fresh = await readDatabaseState(client, names);
  const { environment } = config;
  if (misfit === null) {
    const installation = await bind(client, store, fresh, { slot: names.slot, environment }, startsAt);
    if (request.acceptGap === true) await acceptKnown(store, startsAt, tell);
    tell(`queue: bound to the slot ${names.slot}, generation ${installation.generation}`);
  } else {
    const wanted = { state: fresh, environment, slot: names.slot };
    const { installation, gaps } = await rebind(client, store, misfit, wanted, startsAt, Date.now());
    for (const gap of gaps) tell(`gap: ${describeGap(gap)}`);
    tell(`queue: bound anew to the slot ${names.slot}, generation ${installation.generation}`);
  }
  tell(`Changes committed from ${formatLsn(startsAt)} on are captured. Next: walhook check, walhook run`);
}

/** All fits, perhaps again: what was found before is accepted all the same. */
async function acceptKnown(store: QueueStore, startsAt: Lsn, tell: (text: string) => void): Promise<void> {
  const gaps = await acceptGaps(store, startsAt, Date.now());
  if (gaps.length === 0) tell('note: there is no Gap to accept');
  for (const gap of gaps) tell(`gap: ${describeGap(gap)}`);
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
async function refuseMisfits(
  client: Client,
  store: QueueStore,
  config: Config,
  names: Names,
  request: SetupRequest,
  state: DatabaseState,
): Promise<Misfit | null> {
  const { slot, identity } = state;
  const { plugin } = config.postgres;
  if (slot.walStatus !== 'missing' && (slot.plugin !== plugin || slot.database !== identity.database)) {
    const found = `${slot.plugin ?? 'a physical one'} in ${slot.database ?? 'no database'}`;
    throw new WalhookError(
      'SLOT_FOREIGN',
      `expected ${names.slot} to be a slot of ${plugin} in ${identity.database}, found ${found}`,
    );
  }
  const options = {
    client,
    replication: request.replication ?? null,
    store,
    slotName: names.slot,
    publication: names.publication,
    nowMs: Date.now(),
  };
  const bound = await store.state();
  const misfit = await findMisfit(options, state, bound, config.environment);
  refuseMisfit(misfit, { gap: request.acceptGap === true, adoption: request.adopt === true });
  const isUnknown = bound === null && state.installation === null;
  if (slot.activePid !== null && (misfit !== null || isUnknown)) {
    throw new WalhookError(
      'SLOT_IN_USE',
      `expected the slot ${names.slot} to be free to be bound, found process ${slot.activePid} using it`,
    );
  }
  return misfit;
}

/** Makes the slot where there is none, or only an invalidated one. Returns where it starts. */
async function makeSlot(
  client: Client,
  plan: SetupPlan,
  state: DatabaseState,
  { timeoutMs }: SetupRequest,
  tell: (text: string) => void,
): Promise<Lsn> {
  const statements = plan.sections.find((section) => section.name === 'slot')?.statements ?? [];
  const create = statements.at(-1);
  if (create === undefined) {
    tell('slot: was there');
    return state.slot.confirmedFlushLsn;
  }
  for (const drop of statements.slice(0, -1)) await client.query(drop);
  const startsAt = await createSlot(client, create, timeoutMs);
  tell('slot: created');
  return startsAt;
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
