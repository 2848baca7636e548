/**
 * The webhooks in force at one place of the stream: those of the file, and those kept as rows as far as the
 * stream has told of them.
 *
 * It starts from the rows that the queue's store has for the stored position, and takes up each Change of
 * walhook.webhook as it is read. What it then publishes goes into the store with the position behind that
 * Change, never with an earlier one: after a crash the same Changes meet the same webhooks.
 */
import type { Config } from '../config/schema.ts';
import { deriveKeys } from '../config/webhookKeys.ts';
import { type Json, stringifyJson } from '../core/json.ts';
import type { Logger } from '../core/logger.ts';
import type { RowImages } from '../decode/messages.ts';
import type { Matcher } from '../match/match.ts';
import { type JudgedRow, judgeRow, type RowRules, rowRulesOf } from './defineRow.ts';
import { type PublishedRow, readPublished } from './published.ts';
import type { PublishedFile } from './publishedFile.ts';
import { type WebhookRow, webhookRowsOf } from './webhookRow.ts';
import { publishDefinitions, type WebhookDefinition } from './webhooks.ts';

export interface WebhookRowsOptions {
  readonly config: Config;
  /** The file's. */
  readonly webhooks: readonly WebhookDefinition[];
  /** The same, as those that only deliver need them. */
  readonly files?: readonly PublishedFile[];
  /** What the store has for the stored position; null where nothing was published yet. */
  readonly definitions: string | null;
  /** Rows of another line of history say nothing of this one: setup sends them anew. */
  readonly generation: string;
  readonly matcherOf: (webhooks: readonly WebhookDefinition[]) => Matcher;
  /** Told of what is in force whenever it is asked for. */
  readonly onInForce: (webhooks: readonly WebhookDefinition[]) => void;
  readonly log: Logger;
}

/** What is in force. */
export interface InForce {
  readonly matcher: Matcher;
  /** For the queue's store. */
  readonly definitions: string;
}

/** Rows that are kept, and bytes of what they say. What is beyond is invalid until it is written again. */
export const MAX_ROWS = 1_000;
export const MAX_ROW_BYTES = 8 * 1_048_576;

interface Known {
  readonly row: WebhookRow;
  readonly judged: JudgedRow;
  readonly bytes: number;
}

export class WebhookRows {
  readonly #options: WebhookRowsOptions;
  readonly #rules: RowRules;
  readonly #fileNames: ReadonlySet<string>;
  /** Name → key, of all that have one or ever had. */
  #keys: ReadonlyMap<string, string>;
  /** By id. */
  readonly #rows = new Map<string, Known>();
  #bytes = 0;

  constructor(options: WebhookRowsOptions) {
    this.#options = options;
    this.#rules = rowRulesOf(options.config);
    const files = options.webhooks.map(({ match }) => [match.name, match.key] as const);
    this.#fileNames = new Set(files.map(([name]) => name));
    const { keys, rows, generation } = readPublished(options.definitions);
    const ofFiles = new Set(files.map(([, key]) => key));
    this.#keys = new Map([...[...keys].filter(([, key]) => !ofFiles.has(key)), ...files]);
    if (generation !== options.generation) return;
    for (const { id, values } of rows) this.#put({ id, values });
    this.#tellAll();
  }

  /** Takes up one Change of the table; it is in force for what comes after. */
  accept(columns: readonly { readonly name: string }[], images: RowImages): void {
    const { before, after } = webhookRowsOf(columns, images);
    const old = before?.id || after?.id;
    if (old !== undefined) this.#remove(old);
    if (after !== null) this.#put(after);
    const changed = after ?? before;
    if (changed !== null) this.#tell(changed, after === null);
  }

  /** The table was emptied. */
  clear(): void {
    this.#rows.clear();
    this.#bytes = 0;
    this.#options.log.info({}, 'no webhook is kept as a row any more: walhook.webhook was truncated');
  }

  /** Ids of the rows that are enabled, as far as the stream has told. */
  get enabledIds(): string[] {
    return [...this.#rows.values()].flatMap(({ row }) => (row.values['enabled'] === false ? [] : [row.id]));
  }

  current(): InForce {
    const { webhooks, files = [], matcherOf, generation, onInForce } = this.#options;
    const all = [...webhooks, ...this.#valid()];
    onInForce(all);
    const rows = [...this.#rows.values()].map(({ row, judged }): PublishedRow => {
      const problems = this.#problemsOf(row, judged);
      return {
        ...row,
        key: this.#keys.get(nameOf(row)) ?? '',
        ...(problems.length === 0 ? {} : { problems }),
      };
    });
    return {
      matcher: matcherOf(all),
      definitions: publishDefinitions(all, this.#keys, {
        generation,
        defaults: publicDefaults(this.#rules.defaults),
        rows,
        files,
      }),
    };
  }

  #valid(): WebhookDefinition[] {
    return [...this.#rows.values()].flatMap(({ row, judged }) =>
      judged.kind === 'valid' && this.#problemsOf(row, judged).length === 0 ? [judged.definition] : [],
    );
  }

  #put(row: WebhookRow): void {
    const name = nameOf(row);
    const known = this.#keys.get(name);
    const key = known ?? deriveKeys([name], this.#keys).get(name) ?? '';
    if (known === undefined) this.#keys = new Map([...this.#keys, [name, key]]);
    this.#remove(row.id);
    const bytes = stringifyJson(row.values as Json).length;
    const isTooMuch = this.#rows.size >= MAX_ROWS || this.#bytes + bytes > MAX_ROW_BYTES;
    const kept = isTooMuch ? { id: row.id, values: { name } } : row;
    const judged = isTooMuch ? TOO_MUCH : judgeRow(row, key, this.#rules);
    this.#rows.set(row.id, { row: kept, judged, bytes: isTooMuch ? 0 : bytes });
    this.#bytes += isTooMuch ? 0 : bytes;
  }

  #remove(id: string): void {
    this.#bytes -= this.#rows.get(id)?.bytes ?? 0;
    this.#rows.delete(id);
  }

  /** What is wrong with the row by itself, and beside the others. */
  #problemsOf(row: WebhookRow, judged: JudgedRow): readonly string[] {
    if (judged.kind === 'invalid') return judged.problems;
    const name = nameOf(row);
    if (this.#fileNames.has(name)) {
      return [
        'name: expected a name of its own, found that the configuration file has a webhook of that name',
      ];
    }
    return [];
  }

  #tellAll(): void {
    for (const { row } of this.#rows.values()) {
      if (this.#problems(row.id).length > 0) this.#tell(row, false);
    }
  }

  #problems(id: string): readonly string[] {
    const known = this.#rows.get(id);
    return known === undefined ? [] : this.#problemsOf(known.row, known.judged);
  }

  #tell(row: WebhookRow, isGone: boolean): void {
    const { log } = this.#options;
    const about = { row: row.id, webhook: this.#keys.get(nameOf(row)) };
    const problems = this.#problems(row.id);
    if (isGone) log.info(about, 'a webhook kept as a row is gone');
    else if (problems.length === 0) log.info(about, 'a webhook kept as a row is in force');
    else {
      log.warn(
        { ...about, code: 'ROW_INVALID', problems, try: 'mend the row of walhook.webhook' },
        `a row of walhook.webhook is invalid: ${problems[0]}`,
      );
    }
  }
}

/** What delivering asks for; conditions are the file's own, and matter to nobody else. */
function publicDefaults(defaults: RowRules['defaults']): RowRules['defaults'] {
  return Object.fromEntries(Object.entries(defaults).filter(([key]) => key !== 'conditions'));
}

const TOO_MUCH: JudgedRow = {
  kind: 'invalid',
  problems: [`expected at most ${MAX_ROWS} rows of ${MAX_ROW_BYTES} bytes in all, found more`],
};

function nameOf({ values, id }: WebhookRow): string {
  const { name } = values;
  return typeof name === 'string' ? name : `row ${id}`;
}
