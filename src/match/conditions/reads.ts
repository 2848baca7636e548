/**
 * What a tree of conditions reads, so that its columns can be compared with the catalog, its related rows
 * looked up, and the before images it needs be asked for.
 */
import type { ConditionNode, Conditions, EventKey, RowPath } from './condition.ts';

/** One reading of a row. */
export interface ReadPath {
  /** The path as it was written. */
  readonly attr: string;
  /** Its place in the configuration. */
  readonly at: string;
  readonly row: RowPath;
}

/** By root, in the order of the conditions; a path read twice is listed twice. */
export interface ConditionReads {
  readonly data: readonly ReadPath[];
  /** `snapshots.prechange.…`; a comparison of the whole snapshot reads no column and is not listed. */
  readonly prechange: readonly ReadPath[];
  readonly postchange: readonly ReadPath[];
  /** `changed` and `unchanged`, which read both snapshots. */
  readonly change: readonly ReadPath[];
  readonly event: readonly EventKey[];
  /** Paths into a snapshot that does not exist: never a match in strict mode, always null in lenient. */
  readonly nowhere: readonly { readonly attr: string; readonly at: string }[];
}

export function readsOf(conditions: Conditions | null): ConditionReads {
  const reads = {
    data: [] as ReadPath[],
    prechange: [] as ReadPath[],
    postchange: [] as ReadPath[],
    change: [] as ReadPath[],
    event: [] as EventKey[],
    nowhere: [] as { attr: string; at: string }[],
  };
  if (conditions !== null) collect(conditions.root, reads);
  return reads;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : never };

function collect(node: ConditionNode, reads: Mutable<ConditionReads>): void {
  if (node.kind === 'set') {
    for (const child of node.children) collect(child, reads);
    return;
  }
  const { attr, at } = node;
  if (node.kind === 'change') {
    reads.change.push({ attr, at, row: node.row });
    return;
  }
  const { path } = node;
  if (path.root === 'event') reads.event.push(path.key);
  else if (path.root === 'nowhere') reads.nowhere.push({ attr, at });
  else if (path.row !== null) reads[path.root].push({ attr, at, row: path.row });
}
