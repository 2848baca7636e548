/** Findings about what surrounds the slot, and about the slot in time: budget, old transactions, Gaps. Pure. */
import { formatBytes, formatDuration } from '../config/units.ts';
import { describeGap, type Gap } from '../queue/gaps.ts';
import type { SlotHealth } from '../replication/slotHealth.ts';
import type { WalBudget } from '../replication/walBudget.ts';
import type { Finding } from './check.ts';
import type { Parting } from './history.ts';
import { isPoolerHost, providerNote } from './provider.ts';
import type { DatabaseState } from './state.ts';
import type { Surroundings } from './surroundings.ts';

export interface SurroundingsInput {
  readonly state: DatabaseState;
  readonly surroundings: Surroundings;
  readonly health: SlotHealth;
  readonly budget: WalBudget;
  /** Not accepted yet. */
  readonly gaps: readonly Gap[];
  /** What does not fit between position, slot and server. */
  readonly misfit: Parting | null;
  /** Of replication_url, else url; null: PGHOST and its like. */
  readonly replicationUrl: string | null;
  /** Tables of models with `before_image: full`. */
  readonly fullTables: readonly string[];
  readonly wantsOrigin: boolean;
}

const OLD_TRANSACTION_SECONDS = 900;
const MAX_SKEW_MS = 2_000;
const MUCH_WAL_BYTES = 1_073_741_824;
const OLD_CATALOG_XIDS = 50_000_000;
const ORIGIN_VERSION = 160_000;

export function checkSurroundings(input: SurroundingsInput): Finding[] {
  return [
    ...checkReplication(input),
    ...checkBudget(input),
    ...checkHistoryAndGaps(input),
    ...checkOthers(input),
    ...checkClock(input),
    ...checkVersion(input),
  ];
}

function checkReplication({ state, surroundings, replicationUrl }: SurroundingsInput): Finding[] {
  const { replication, provider } = surroundings;
  const findings: Finding[] = [];
  const isPooler = replicationUrl !== null && isPoolerHost(replicationUrl);
  // Where the role lacks the privilege, REPLICATION_PRIVILEGE says so, with the remedy.
  const isTold = replication.code === '42501' && !state.role.mayReplicate;
  if (replication.error !== null && !isTold) {
    const hint = isPooler ? ', and the host looks like a pooler' : '';
    findings.push({
      code: 'REPLICATION_REFUSED',
      level: 'problem',
      message: `expected a replication connection, found it refused${hint}: ${replication.error}`,
      remedy:
        'set postgres.replication_url to the server itself, not to a pooler, and let pg_hba.conf admit the role to its database',
    });
  } else if (
    replication.systemIdentifier !== null &&
    replication.systemIdentifier !== state.identity.systemIdentifier
  ) {
    findings.push({
      code: 'REPLICATION_ELSEWHERE',
      level: 'problem',
      message: `expected replication_url and url to lead to one server, found the systems ${replication.systemIdentifier} and ${state.identity.systemIdentifier}`,
      remedy: 'let both lead to the same server',
    });
  }
  const note = providerNote(provider);
  if (note !== null) {
    findings.push({
      code: 'PROVIDER',
      level: 'advice',
      message: note,
      remedy: 'walhook status --json, watched',
    });
  }
  return findings;
}

function checkBudget({ state, health, budget }: SurroundingsInput): Finding[] {
  const findings: Finding[] = [];
  if (state.slot.walStatus === 'unreserved' || budget.level === 'near' || budget.level === 'reached') {
    const left =
      budget.secondsLeft === null
        ? ''
        : `, ${formatDuration(budget.secondsLeft * 1_000)} left at the present rate`;
    findings.push({
      code: 'SLOT_BUDGET',
      level: 'problem',
      message: `expected the slot to stay well within its WAL budget, found ${formatBytes(state.slot.retainedBytes)} kept of ${formatBytes(budget.bytes ?? 0)}${left} (wal_status ${state.slot.walStatus})`,
      remedy:
        'start walhook run, or see in walhook status what keeps it; raising max_slot_wal_keep_size gives time',
    });
  }
  const oldest = health.oldestTransaction;
  if (oldest !== null && oldest.ageSeconds > OLD_TRANSACTION_SECONDS) {
    const age = formatDuration(oldest.ageSeconds * 1_000);
    findings.push({
      code: 'OLD_TRANSACTION',
      level: 'advice',
      message: `expected writing transactions to end, found one open for ${age} (${oldest.pid === null ? 'prepared' : `pid ${oldest.pid}`}, ${oldest.user ?? 'unknown'}): WAL is kept from its beginning on`,
      remedy:
        oldest.pid === null
          ? 'COMMIT PREPARED or ROLLBACK PREPARED; pg_prepared_xacts lists them'
          : `SELECT pg_terminate_backend(${oldest.pid}); -- if it is not needed`,
    });
  }
  if ((health.catalogXminAge ?? 0) > OLD_CATALOG_XIDS) {
    findings.push({
      code: 'OLD_CATALOG_XMIN',
      level: 'advice',
      message: `expected the slot to let vacuum clean the catalog, found it ${health.catalogXminAge} transactions behind`,
      remedy: 'start walhook run; if it runs, see in walhook status which transaction holds the slot back',
    });
  }
  return findings;
}

function checkHistoryAndGaps({ misfit, gaps }: SurroundingsInput): Finding[] {
  const findings: Finding[] = [];
  // That it is gone or invalidated is found without the queue, too.
  if (misfit !== null && misfit.gap.kind !== 'slot_lost') {
    findings.push({
      code: misfit.code,
      level: 'problem',
      message: misfit.message,
      remedy: 'walhook setup --accept-gap, after reading what was missed',
    });
  }
  for (const gap of gaps) {
    findings.push({
      code: 'GAP',
      level: 'advice',
      message: describeGap(gap),
      remedy:
        gap.webhook === null
          ? 'walhook setup --accept-gap, then walhook replay --model MODEL'
          : `walhook replay --model MODEL --gap ${gap.id}`,
    });
  }
  return findings;
}

function checkOthers({ surroundings, fullTables, wantsOrigin }: SurroundingsInput): Finding[] {
  const findings: Finding[] = [];
  const [subscription] = surroundings.subscriptions;
  if (subscription !== undefined && !wantsOrigin) {
    findings.push({
      code: 'SUBSCRIPTION',
      level: 'advice',
      message: `the subscription ${subscription} brings rows into this database: they fire webhooks like any other`,
      remedy: 'postgres.origin: none # where they should not',
    });
  }
  for (const slot of surroundings.otherSlots) {
    if (slot.isActive || slot.retainedBytes < MUCH_WAL_BYTES) continue;
    findings.push({
      code: 'OTHER_SLOT',
      level: 'advice',
      message: `expected other slots to be read, found ${slot.name}, which nobody reads, keeping ${formatBytes(slot.retainedBytes)} of WAL`,
      remedy: `SELECT pg_drop_replication_slot('${slot.name}'); -- if nothing needs it`,
    });
  }
  const shared = surroundings.sharedTables.filter(({ table }) => fullTables.includes(table));
  const [first] = shared;
  if (first !== undefined) {
    findings.push({
      code: 'SHARED_TABLE',
      level: 'advice',
      message: `REPLICA IDENTITY FULL of ${first.table} is for every reader: the publication ${first.publication}${shared.length > 1 ? ` and ${shared.length - 1} more` : ''} will carry the whole row before, too, and a subscriber without an index finds its rows by scanning`,
      remedy: 'leave out before_image where no condition needs it',
    });
  }
  return findings;
}

function checkClock({ surroundings }: SurroundingsInput): Finding[] {
  const skew = surroundings.clockSkewMs;
  if (skew === null || Math.abs(skew) <= MAX_SKEW_MS) return [];
  return [
    {
      code: 'CLOCK_SKEW',
      level: 'advice',
      message: `expected the clocks of server and daemon to agree, found the server ${formatDuration(Math.abs(skew))} ${skew > 0 ? 'ahead' : 'behind'}: lags and the age of Deliveries are off by that`,
      remedy: 'synchronise both clocks (NTP)',
    },
  ];
}

function checkVersion({ state, wantsOrigin }: SurroundingsInput): Finding[] {
  if (!wantsOrigin || state.identity.versionNumber >= ORIGIN_VERSION) return [];
  return [
    {
      code: 'ORIGIN_UNSUPPORTED',
      level: 'problem',
      message: `expected PostgreSQL 16 or later for postgres.origin = none, found ${Math.floor(state.identity.versionNumber / 10_000)}`,
      remedy: 'postgres.origin: any',
    },
  ];
}
