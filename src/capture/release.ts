/**
 * Turns what was held back of a Transaction into candidates, once its end is known: every Change with its
 * Context, for each Webhook either as it was or collapsed with others of its row, and touched rows. Pure.
 */
import type { AuditSource } from '../change/auditContext.ts';
import { collapse, isTouch, type KeyedChange } from '../change/collapse.ts';
import { type Context, contextOf } from '../change/context.ts';
import { keyOfRow, rowKey } from '../change/images.ts';
import type { Messages } from '../change/messageContext.ts';
import type { Table } from '../change/table.ts';
import type { Change } from '../change/transaction.ts';
import type { RowImages } from '../decode/messages.ts';
import type { Matcher, MatchTarget } from '../match/match.ts';
import type { IncludeOptions, Shape } from '../represent/shape.ts';
import type { Candidate } from './candidate.ts';
import { columnTexts, type HeldTransaction, membershipOf, touchedOwners } from './heldTransaction.ts';

/** A table whose rows may be touched by join rows. */
export interface OwnerTable {
  readonly model: string;
  readonly table: Table;
  readonly includes: readonly IncludeOptions[];
}

export interface ReleaseFacts {
  readonly auditSources: readonly AuditSource[];
  /** What messages said up to the commit; null where the Transaction is released before it. */
  readonly lastMessages: Messages | null;
  shapeOf(table: Table): Shape;
  /** By model; null where the model has no includes. */
  owner(model: string): OwnerTable | null;
  /** What the where-columns of an include must hold; null where they name a row that does not exist. */
  constants(include: IncludeOptions): readonly string[] | null;
}

interface Item extends KeyedChange {
  readonly table: Table;
  readonly rows: RowImages | null;
  readonly matcher: Matcher;
  /** null for a touch: it has the Context of the Change of its join row. */
  readonly touched: string | null;
}

/** Candidates in the order of their first Changes. */
export function releaseTransaction(held: HeldTransaction, facts: ReleaseFacts): Candidate[] {
  const items = [...rowItems(held), ...touchItems(held, facts)].sort(
    (a, b) => a.change.index - b.change.index,
  );
  const candidates = [
    ...items.flatMap((item) => candidateFrom(item, [item], targetsOf(item, facts, false), held, facts)),
    ...foldedCandidates(items, held, facts),
  ];
  return candidates.sort((a, b) => a.change.index - b.change.index);
}

function rowItems(held: HeldTransaction): Item[] {
  return held.changes.map(({ change, table, matcher }) => {
    const rows = change.row?.images() ?? null;
    return { change, table, rows, matcher, touched: null, ...keysOf(table, rows) };
  });
}

/** Keys before and after a Change; null where the row has no key, or it was not sent. */
export function keysOf(
  table: Table,
  rows: RowImages | null,
): { keyBefore: string | null; keyAfter: string | null } {
  if (rows === null || table.key.length === 0) return { keyBefore: null, keyAfter: null };
  const keyAfter = rows.new === null ? null : keyOfRow(table, rows);
  if (rows.old.kind === 'none') return { keyBefore: keyAfter === null ? null : keyAfter, keyAfter };
  // A replica identity other than the key says nothing of the key: it is taken to have stayed.
  const isSent =
    rows.old.kind === 'full' ||
    table.key.every((column) => table.relation.columns[column.index]?.isIdentity === true);
  return { keyBefore: isSent ? rowKey(table, rows.old.tuple) : keyAfter, keyAfter };
}

function touchItems(held: HeldTransaction, facts: ReleaseFacts): Item[] {
  return held.joins.flatMap((join) => {
    const owner = facts.owner(join.model);
    const constants = facts.constants(join.include);
    if (!join.include.touch || owner === null || constants === null) return [];
    return touchedOwners(join, constants).map((key): Item => {
      const change: Change = { ...join.change, kind: 'updated', row: null, relation: owner.table.relation };
      const { matcher } = join;
      return { change, table: owner.table, rows: null, matcher, touched: key, keyBefore: key, keyAfter: key };
    });
  });
}

function collapses(target: MatchTarget, model: string, facts: ReleaseFacts): boolean {
  return target.collapse ?? facts.owner(model)?.includes.some((include) => include.touch) ?? false;
}

function targetsOf(
  item: Pick<Item, 'change' | 'table' | 'matcher'>,
  facts: ReleaseFacts,
  isCollapsed: boolean,
): MatchTarget[] {
  const { model } = item.table;
  return item.matcher
    .targets(model, item.change.kind)
    .filter((target) => collapses(target, model, facts) === isCollapsed);
}

function foldedCandidates(items: readonly Item[], held: HeldTransaction, facts: ReleaseFacts): Candidate[] {
  // By table, not by model: rows from before the table was altered have other columns.
  const byTable = new Map<Table, Item[]>();
  for (const item of items) {
    const { model } = item.table;
    if (!item.matcher.watching(model).some((target) => collapses(target, model, facts))) continue;
    const group = byTable.get(item.table);
    if (group === undefined) byTable.set(item.table, [item]);
    else group.push(item);
  }
  const spans = [...byTable.values()].flatMap((group) => spansOf(group));
  return spans.flatMap(({ items: span, isWanted }) =>
    collapse(span).flatMap((folded) => {
      const own = folded.items.find((item) => item.touched === null) ?? folded.items[0];
      if (own === undefined) return [];
      const rows = folded.items.length === 1 ? own.rows : (folded.change.row?.images() ?? own.rows);
      const item = { ...own, change: folded.change, rows };
      const targets = targetsOf(item, facts, true).filter(isWanted);
      return candidateFrom(item, folded.items, targets, held, facts);
    }),
  );
}

/** The Changes that a Webhook was in force for: each is folded with those alone. */
function spansOf(
  items: readonly Item[],
): { readonly items: readonly Item[]; isWanted(target: MatchTarget): boolean }[] {
  const matchers = [...new Set(items.map(({ matcher }) => matcher))];
  if (matchers.length === 1) return [{ items, isWanted: () => true }];
  const model = items[0]?.table.model ?? '';
  const spans = new Map<string, { inForce: ReadonlySet<Matcher>; targets: Set<MatchTarget> }>();
  for (const target of new Set(matchers.flatMap((matcher) => matcher.watching(model)))) {
    const inForce = matchers.map((matcher) => matcher.watching(model).includes(target));
    const span = spans.get(inForce.join()) ?? {
      inForce: new Set(matchers.filter((_, i) => inForce[i])),
      targets: new Set(),
    };
    span.targets.add(target);
    spans.set(inForce.join(), span);
  }
  return [...spans.values()].map(({ inForce, targets }) => ({
    items: items.filter(({ matcher }) => inForce.has(matcher)),
    isWanted: (target) => targets.has(target),
  }));
}

/** @param from the Changes that the item was made of: the first that knows who made it says so */
function candidateFrom(
  item: Item,
  from: readonly Item[],
  targets: readonly MatchTarget[],
  held: HeldTransaction,
  facts: ReleaseFacts,
): Candidate[] {
  if (targets.length === 0) return [];
  const owner = facts.owner(item.table.model);
  const key = item.keyAfter ?? item.keyBefore;
  const memberships = new Map(
    (held.joins.length === 0 ? [] : (owner?.includes ?? [])).flatMap((include) => {
      const constants = facts.constants(include);
      if (constants === null || key === null) return [];
      const membership = membershipOf(held.joins, include, key, constants);
      const isMoved = membership.added.size + membership.removed.size > 0 || membership.isUnknown;
      return isMoved ? [[include.name, membership] as const] : [];
    }),
  );
  return [
    {
      change: item.change,
      table: item.table,
      shape: facts.shapeOf(item.table),
      targets,
      rows: item.rows,
      touched: isTouch(item) ? item.touched : null,
      context: contextFrom(from, held, facts),
      memberships,
    },
  ];
}

function contextFrom(items: readonly Item[], held: HeldTransaction, facts: ReleaseFacts): Context {
  let username: string | null = null;
  let requestId: string | null = null;
  // The last Change of a row says who made it what it is.
  for (const { change, table, rows, touched } of items.toReversed()) {
    const texts = touched === null ? columnTexts(table, rows) : keyText(table, touched);
    const context = contextOf(table.contextSources, {
      messages: change.messages,
      lastMessages: facts.lastMessages,
      kind: change.kind,
      images: rows,
      audit: (source) => held.audit(facts.auditSources, source, change.index, texts),
    });
    username ??= context.username;
    requestId ??= context.requestId;
  }
  return { username, requestId };
}

function keyText(table: Table, key: string): (column: string) => string | null {
  return (name) => (table.key.length === 1 && table.key[0]?.name === name ? key : null);
}
