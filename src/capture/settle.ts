/**
 * The second half of capturing: candidates are decided, represented where they are still undecided or have
 * matched, and become Deliveries. Look-ups are made for many candidates at once.
 */
import { EMPTY_IMAGE, type Images } from '../change/images.ts';
import type { Clock } from '../core/clock.ts';
import { toWalhookError } from '../core/errors.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import type { Logger } from '../core/logger.ts';
import { formatLsn } from '../core/lsn.ts';
import type { Enqueuer } from '../enqueue/enqueuer.ts';
import { decide, type Verdict } from '../match/decide.ts';
import type { MatchTarget } from '../match/match.ts';
import type { QueuedDelivery } from '../queue/delivery.ts';
import { rowsOf } from '../queue/rows.ts';
import {
  type BuiltEvent,
  buildEvent,
  buildUnreadableEvent,
  type UnreadableReason,
} from '../represent/event.ts';
import { frozenSnapshots } from '../represent/frozen.ts';
import type { RelatedRows } from '../represent/relatedRows.ts';
import type { RelatedTables } from '../represent/relatedTables.ts';
import type { Part } from '../represent/render.ts';
import type { RepresentedRow, Representer, RowItem } from '../represent/representer.ts';
import type { Shapes } from '../represent/shape.ts';
import { TextTuple } from '../represent/textTuple.ts';
import { viewOfChange } from '../represent/view.ts';
import { type Candidate, candidateImages, isIgnored, keyOf } from './candidate.ts';
import { textOf } from './heldTransaction.ts';
import type { MissLog } from './misses.ts';
import { missOf, noteMisses } from './noteMisses.ts';
import { keysOf } from './release.ts';
import type { CaptureInstruments } from './session.ts';

export interface SettlerOptions {
  readonly enqueuer: Pick<Enqueuer, 'add' | 'addFailed'>;
  readonly representer: Representer;
  readonly tables: RelatedTables;
  readonly rows: RelatedRows;
  readonly shapes: Shapes;
  readonly generation: string;
  readonly limits: {
    readonly valueBytes: number;
    readonly eventBytes: number;
    readonly messageBytes: number;
  };
  readonly instruments?: Pick<CaptureInstruments, 'decided'> | undefined;
  /** Where Changes that do not fire are noted; null: nowhere. */
  readonly misses: MissLog | null;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A candidate with its images, and what each of its Webhooks says. */
interface Considered {
  readonly candidate: Candidate;
  readonly images: Images;
  verdicts: readonly Verdict[];
  parts: readonly Part[] | null;
  included: RepresentedRow['included'];
}

const NONE_INCLUDED: RepresentedRow['included'] = new Map();

export class Settler {
  readonly #options: SettlerOptions;

  constructor(options: SettlerOptions) {
    this.#options = options;
  }

  /** Adds the Deliveries of the candidates to the enqueuer, in their order. */
  async settle(candidates: readonly Candidate[]): Promise<void> {
    const whole = candidates.some((candidate) => candidate.touched !== null)
      ? await this.#readTouched(candidates)
      : candidates;
    const considered: Considered[] = [];
    for (const candidate of whole) {
      const one = this.#consider(candidate);
      if (one !== null) considered.push(one);
    }
    const open = considered.filter(needsRows);
    if (open.length > 0) await this.#represent(open);
    for (const one of considered) this.#enqueue(one);
  }

  /** Rows that were only touched are read; those that are gone are dropped. */
  async #readTouched(candidates: readonly Candidate[]): Promise<Candidate[]> {
    const { tables, rows, shapes, log } = this.#options;
    const byTable = new Map<string, Candidate[]>();
    for (const candidate of candidates) {
      if (candidate.touched === null) continue;
      const { schema, name } = candidate.table.relation;
      byTable.set(`${schema}.${name}`, [...(byTable.get(`${schema}.${name}`) ?? []), candidate]);
    }
    const read = new Map<Candidate, Candidate | null>();
    for (const group of byTable.values()) {
      const [first] = group;
      if (first === undefined) continue;
      const { schema, name } = first.table.relation;
      try {
        const related = await tables.find(schema, name);
        const key = related?.table.key[0]?.name;
        const keys = [...new Set(group.flatMap((one) => one.touched ?? []))];
        const found = related === null || key === undefined ? new Map() : await rows.rows(related, key, keys);
        for (const one of group) {
          const row = found.get(one.touched ?? '');
          if (row === undefined || related === null) continue;
          const tuple = new TextTuple(row);
          const images = { old: { kind: 'full', tuple }, new: tuple } as const;
          // As it was looked up: the catalog knows columns that are not streamed, e.g. generated ones.
          read.set(one, { ...one, table: related.table, shape: shapes.of(related.table), rows: images });
        }
      } catch (error) {
        log.warn({ table: name, err: error }, `touched rows not read: ${toWalhookError(error).message}`);
        for (const one of group) read.set(one, one);
      }
    }
    return candidates.flatMap((one) => (one.touched === null ? one : (read.get(one) ?? [])));
  }

  /** null where no Webhook is for it after all. */
  #consider(candidate: Candidate): Considered | null {
    const { change, targets } = candidate;
    try {
      if (change.oversizedBytes > 0)
        return this.#failAll(candidate, 'too_large', tooLarge(candidate, this.#options));
      if (candidate.touched !== null && candidate.rows === null) {
        return this.#failAll(candidate, 'lookup', 'the touched row could not be read');
      }
      if (isIgnored(candidate)) {
        this.#noteIgnored(candidate);
        return null;
      }
      const images = candidateImages(candidate, this.#options.limits.valueBytes);
      const one: Considered = { candidate, images, verdicts: [], parts: null, included: NONE_INCLUDED };
      one.verdicts = targets.map((target) => this.#decide(one, target));
      if (!isForNobody(one)) return one;
      this.#note(one);
      return null;
    } catch (error) {
      // A row that cannot be read must not stop the stream, now and again after every restart.
      return this.#failAll(candidate, 'undecodable', toWalhookError(error).message);
    }
  }

  #note(one: Considered): void {
    const { misses, instruments } = this.#options;
    if (misses !== null) noteMisses(misses, one);
    one.candidate.targets.forEach(({ key }, i) => {
      const kind = one.verdicts[i]?.kind ?? 'pending';
      if (kind !== 'pending') instruments?.decided(key, kind);
    });
  }

  #noteIgnored(candidate: Candidate): void {
    for (const { key } of candidate.targets) {
      this.#options.misses?.add(key, () => missOf(candidate, 'ignore_changes', []));
    }
  }

  #decide({ candidate, images, parts, included }: Considered, target: MatchTarget): Verdict {
    const { change, table, shape, context } = candidate;
    const { before, after } = images;
    const { format } = target;
    const known = parts === null ? null : included;
    return decide(target, context, () =>
      viewOfChange({ change, table, shape, context, before, after, parts, included: known, format }),
    );
  }

  async #represent(open: readonly Considered[]): Promise<void> {
    const represented = await this.#options.representer.represent(open.map(rowItem));
    open.forEach((one, i) => {
      one.parts = represented[i]?.parts ?? null;
      one.included = represented[i]?.included ?? NONE_INCLUDED;
      one.verdicts = one.verdicts.map((verdict, at) => {
        const target = one.candidate.targets[at];
        return verdict.kind === 'pending' && target !== undefined ? this.#decide(one, target) : verdict;
      });
    });
  }

  #enqueue(one: Considered): void {
    const { candidate, images, verdicts, parts, included } = one;
    const { enqueuer, generation, limits, clock } = this.#options;
    const { change, table, context, shape, targets } = candidate;
    this.#note(one);
    if (isForNobody({ verdicts })) return;
    const key = candidate.touched ?? keyOf(candidate);
    const data = parts === null ? null : { shape, parts };
    const source = { change, table, context, key, ...images, data };
    let event: BuiltEvent;
    try {
      event = buildEvent(source, generation, limits.eventBytes);
    } catch (error) {
      // Values that no condition asked for are read only now.
      this.#failAll(candidate, 'undecodable', toWalhookError(error).message);
      return;
    }
    const plain = deliveryOf(candidate, event, key);
    const inFormat = new Map<EventFormat, QueuedDelivery>([['walhook', plain]]);
    const deliveryFor = (format: EventFormat): QueuedDelivery => {
      const known = inFormat.get(format);
      if (known !== undefined || format === 'walhook') return known ?? plain;
      const snapshots = frozenSnapshots({ table, shape, ...images, included }, format);
      // Of an Event that had to lose values its own snapshots will have to do.
      const fits = Buffer.byteLength(snapshots) <= limits.eventBytes;
      const delivery: QueuedDelivery = fits ? { ...plain, frozen: { format, snapshots } } : plain;
      inFormat.set(format, delivery);
      return delivery;
    };
    targets.forEach((target, i) => {
      const verdict = verdicts[i];
      if (verdict === undefined || verdict.kind === 'not_matched') return;
      const delivery = deliveryFor(target.format);
      if (verdict.kind === 'matched') {
        enqueuer.add(target.key, target.ordersRows === true ? inOrder(candidate, delivery) : delivery);
      } else if (verdict.kind === 'failed') {
        const { reason, detail } = verdict;
        enqueuer.addFailed({
          webhook: target.key,
          delivery,
          reason,
          detail,
          attempts: 0,
          failedAtMs: clock.now(),
        });
      }
    });
  }

  /** Makes a Change whose row cannot be had a failed Delivery for each Webhook that watches it. */
  #failAll(candidate: Candidate, reason: UnreadableReason, detail: string): null {
    const { enqueuer, generation, instruments, clock, log } = this.#options;
    const { change, table, context, targets } = candidate;
    const event = buildUnreadableEvent(change, table.model, context, generation, reason);
    const delivery = deliveryOf(candidate, event, '');
    for (const target of targets) {
      instruments?.decided(target.key, 'failed');
      log.error({ webhook: target.key, event: event.id, table: table.relation.name, reason }, detail);
      enqueuer.addFailed({
        webhook: target.key,
        delivery,
        reason,
        detail,
        attempts: 0,
        failedAtMs: clock.now(),
      });
    }
    return null;
  }
}

/** The Delivery with the rows whose earlier ones go first. */
function inOrder({ table, rows, touched }: Candidate, delivery: QueuedDelivery): QueuedDelivery {
  const keyBefore = touched === null ? keysOf(table, rows).keyBefore : null;
  return { ...delivery, rows: rowsOf(delivery, keyBefore) };
}

function isForNobody({ verdicts }: Pick<Considered, 'verdicts'>): boolean {
  return verdicts.every((verdict) => verdict.kind === 'not_matched');
}

/** Something is still to be decided or to be sent, and the Model adds to the row. */
function needsRows({ candidate, verdicts }: Considered): boolean {
  return !candidate.shape.isPlain && verdicts.some((verdict) => verdict.kind !== 'not_matched');
}

function rowItem({ candidate, images }: Considered): RowItem {
  const { table, shape, rows, change, memberships } = candidate;
  const image = images.after ?? images.before ?? EMPTY_IMAGE;
  const old = rows === null || rows.old.kind === 'none' ? null : rows.old.tuple;
  return {
    table,
    shape,
    image,
    memberships,
    key: table.key.length === 1 ? (candidate.touched ?? keyOf(candidate)) : null,
    isDeleted: change.kind === 'deleted',
    text: (at) => {
      const column = table.columns[at];
      if (column === undefined) return null;
      return textOf(rows?.new ?? null, column.index) ?? textOf(old, column.index);
    },
  };
}

function tooLarge({ change }: Candidate, { limits }: SettlerOptions): string {
  return `a row of ${change.oversizedBytes} bytes is above limits.message (${limits.messageBytes})`;
}

function deliveryOf({ change, table, context }: Candidate, event: BuiltEvent, key: string): QueuedDelivery {
  return {
    eventId: event.id,
    model: table.model,
    schema: table.relation.schema,
    table: table.relation.name,
    key,
    requestId: context.requestId,
    lsn: formatLsn(change.transaction.commitLsn),
    xid: change.transaction.xid,
    committedAtMs: Number(change.transaction.committedAtUs / 1000n),
    json: event.json,
  };
}
