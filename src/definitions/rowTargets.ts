/**
 * Webhooks kept as rows as a delivering process needs them: made of what the capturing process has published, and
 * of the secrets of this process's own file. What has not changed stays the same object.
 */
import type { Config } from '../config/schema.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverTarget } from '../deliver/target.ts';
import { judgeRow, type RowRules, rowRulesOf } from './defineRow.ts';
import { type Published, type PublishedRow, readPublished } from './published.ts';

interface Known {
  /** What it was made of. */
  readonly text: string;
  /** null where this process cannot deliver for it. */
  readonly target: DeliverTarget | null;
}

export class RowTargets {
  readonly #log: Logger;
  #rules: RowRules;
  #taken: ReadonlySet<string> = new Set();
  #known: ReadonlyMap<string, Known> = new Map();
  #read: Published = readPublished(null);
  #text: string | null = null;
  #braked: ReadonlySet<string> = new Set();

  constructor(config: Config, log: Logger) {
    this.#rules = rowRulesOf(config);
    this.#log = log;
  }

  /** What was read last. */
  get published(): Published {
    return this.#read;
  }

  /** Keys of all rows, whether in force or not: their Deliveries are no orphans. */
  get keys(): readonly string[] {
    return this.#read.rows.map(({ key }) => key);
  }

  /**
   * Another file is in force.
   *
   * @param taken keys of its webhooks, which win
   */
  reload(config: Config, taken: readonly string[]): void {
    this.#rules = rowRulesOf(config);
    this.#taken = new Set(taken);
    this.#known = new Map();
  }

  /** Reads what is published. Returns whether it is other than before. */
  read(definitions: string | null): boolean {
    if (definitions === this.#text) return false;
    this.#text = definitions;
    this.#read = readPublished(definitions);
    return true;
  }

  /** Takes the ids of rows that send nothing for now. Returns whether they are others than before. */
  brake(ids: ReadonlySet<string>): boolean {
    const isSame = ids.size === this.#braked.size && [...ids].every((id) => this.#braked.has(id));
    this.#braked = ids;
    return !isSame;
  }

  /** Of rows that are in force and enabled: what is queued for others waits. */
  targets(): DeliverTarget[] {
    const { rows, defaults } = this.#read;
    const isWanted = (row: PublishedRow) =>
      row.problems === undefined && row.values['enabled'] !== false && !this.#taken.has(row.key);
    this.#known = new Map(rows.filter(isWanted).map((row) => [row.id, this.#targetOf(row, defaults)]));
    return [...this.#known].flatMap(([id, { target }]) => (this.#braked.has(id) ? [] : (target ?? [])));
  }

  #targetOf(row: PublishedRow, defaults: RowRules['defaults']): Known {
    const text = stringifyJson({ row, defaults } as unknown as Json);
    const known = this.#known.get(row.id);
    if (known?.text === text) return known;
    const judged = judgeRow(row, row.key, { ...this.#rules, defaults });
    if (judged.kind === 'valid') return { text, target: judged.definition.deliver };
    this.#log.error(
      { webhook: row.key, code: 'ROW_INVALID', problems: judged.problems },
      `a webhook kept as a row cannot be delivered for from here: ${judged.problems[0]}; its Deliveries wait`,
    );
    return { text, target: null };
  }
}
