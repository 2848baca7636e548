/** Says of a decided Change which Webhooks did not fire for it, and why. */

import type { Images } from '../change/images.ts';
import type { Json } from '../core/json.ts';
import { formatPosition } from '../enqueue/position.ts';
import { because } from '../match/conditions/because.ts';
import { explain } from '../match/conditions/explain.ts';
import type { Verdict } from '../match/decide.ts';
import type { MatchTarget } from '../match/match.ts';
import type { Part } from '../represent/render.ts';
import type { RepresentedRow } from '../represent/representer.ts';
import { viewOfChange } from '../represent/view.ts';
import { type Candidate, keyOf } from './candidate.ts';
import type { Miss, MissLog } from './misses.ts';

/** A candidate with what each of its Webhooks said. */
export interface Decided {
  readonly candidate: Candidate;
  readonly images: Images;
  readonly verdicts: readonly Verdict[];
  readonly parts: readonly Part[] | null;
  readonly included: RepresentedRow['included'];
}

export function noteMisses(misses: MissLog, decided: Decided): void {
  decided.verdicts.forEach((verdict, i) => {
    const target = decided.candidate.targets[i];
    if (verdict.kind !== 'not_matched' || target === undefined) return;
    misses.add(target.key, () =>
      missOf(decided.candidate, verdict.by, leavesOf(decided, target, verdict.by)),
    );
  });
}

export function missOf(candidate: Candidate, by: string, leaves: Json[]): Miss {
  const { change, table, touched } = candidate;
  return {
    key: touched ?? keyOf(candidate),
    model: table.model,
    event: change.kind,
    committedAtMs: Number(change.transaction.committedAtUs / 1000n),
    position: formatPosition({ lsn: change.transaction.commitLsn, index: change.index }),
    by,
    because: leaves,
  };
}

function leavesOf({ candidate, images, parts, included }: Decided, target: MatchTarget, by: string): Json[] {
  if (by === 'require') return [];
  const { change, table, shape, context } = candidate;
  const known = { included: parts === null ? null : included, format: target.format };
  const view = viewOfChange({ change, table, shape, context, ...images, parts, ...known });
  return because(explain(by === 'columns' ? target.columns : target.conditions, view));
}
