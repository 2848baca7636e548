/**
 * Webhooks kept as rows as a delivering process needs them: made of what the capturing process has published, and
 * of the secrets of this process's own file. What has not changed stays the same object.
 */
import type { Config } from '../config/schema.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import type { Logger } from '../core/logger.ts';
import type { DeliverTarget } from '../deliver/lane.ts';
import { judgeRow, type RowRules, rowRulesOf } from './defineRow.ts';
import { type PublishedRow, readPublished } from './published.ts';

interface Known {
  /** What it was made of. */
  readonly text: string;
  /** null where this process cannot deliver for it. */
  readonly target: DeliverTarget | null;
}

export class RowTargets {
  readonly #rules: RowRules;
  readonly #taken: ReadonlySet<string>;
  readonly #log: Logger;
  #known: ReadonlyMap<string, Known> = new Map();
  #read: string | null = null;

  /** @param taken keys of the file's webhooks, which win */
  constructor(config: Config, taken: readonly string[], log: Logger) {
    this.#rules = rowRulesOf(config);
    this.#taken = new Set(taken);
    this.#log = log;
  }

  /**
   * Reads what is published.
   *
   * @returns the targets of rows that are in force and enabled: what is queued for others waits; null where
   *   nothing has changed since it was last read
   */
  read(definitions: string | null): DeliverTarget[] | null {
    if (definitions === this.#read) return null;
    this.#read = definitions;
    const { rows, defaults } = readPublished(definitions);
    const isWanted = (row: PublishedRow) =>
      row.problems === undefined && row.values['enabled'] !== false && !this.#taken.has(row.key);
    this.#known = new Map(rows.filter(isWanted).map((row) => [row.id, this.#targetOf(row, defaults)]));
    return [...this.#known.values()].flatMap(({ target }) => target ?? []);
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
