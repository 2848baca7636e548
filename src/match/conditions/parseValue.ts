/** Parses the `value` of a condition: what each operator may be given, and how much of it. */
import type { Json } from '../../core/json.ts';
import type { OrderOp, Test } from './condition.ts';
import { isObject, kindOf, type Mistake, member } from './raw.ts';
import { StartPattern } from './startPattern.ts';

/** The elements of a value, at all depths, and how deep they may lie. */
const MAX_ELEMENTS = 10_000;
const MAX_DEPTH = 32;

const TEXT_OPS: readonly string[] = ['eq', 'contains', 'regex'];
const BOOLEAN_OPS: readonly string[] = ['eq', 'contains'];
const NUMBER_OPS: readonly string[] = ['eq', 'gt', 'gte', 'lt', 'lte', 'contains'];
const LIST_OPS: readonly string[] = ['eq', 'in', 'contains'];
const NULL_OPS: readonly string[] = ['eq'];

/** The test, or null and its mistakes added to the list. `path` is that of the value. */
export function parseTest(op: Test['op'], raw: unknown, path: string, mistakes: Mistake[]): Test | null {
  if (raw === undefined) {
    mistakes.push({ path, message: `expected a value for ${op}, found nothing` });
    return null;
  }
  const allowed = opsFor(raw);
  if (allowed.length === 0) {
    const expected = 'expected text, a number, a boolean, a list or null';
    mistakes.push({ path, message: `${expected}, found ${kindOf(raw)}` });
    return null;
  }
  if (!allowed.includes(op)) {
    const message = `${kindOf(raw)} can be used with ${allowed.join(', ')}, found ${op}`;
    mistakes.push({ path, message });
    return null;
  }
  if (op === 'regex') return parseRegex(raw as string, path, mistakes);
  const value = new ValueReader(mistakes).read(raw, path, 0);
  if (value === undefined) return null;
  if (op === 'in') return { op, value: value as Json[] };
  return isOrder(op) ? { op, value: value as number | bigint } : { op, value };
}

function opsFor(raw: unknown): readonly string[] {
  if (typeof raw === 'string') return TEXT_OPS;
  if (typeof raw === 'boolean') return BOOLEAN_OPS;
  if (typeof raw === 'bigint' || Number.isFinite(raw)) return NUMBER_OPS;
  if (Array.isArray(raw)) return LIST_OPS;
  return raw === null ? NULL_OPS : [];
}

function isOrder(op: string): op is OrderOp {
  return op === 'gt' || op === 'gte' || op === 'lt' || op === 'lte';
}

function parseRegex(source: string, path: string, mistakes: Mistake[]): Test | null {
  try {
    return { op: 'regex', pattern: new StartPattern(source) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    mistakes.push({ path, message: `expected a regular expression; ${error.message}` });
    return null;
  }
}

/** Copies a value, so that nothing changes it later, and refuses what is not JSON. */
class ValueReader {
  readonly #mistakes: Mistake[];
  #left = MAX_ELEMENTS;

  constructor(mistakes: Mistake[]) {
    this.#mistakes = mistakes;
  }

  read(raw: unknown, path: string, depth: number): Json | undefined {
    if (Array.isArray(raw) || isObject(raw)) {
      if (depth >= MAX_DEPTH) return this.#refuse(path, `at most ${MAX_DEPTH} levels`, 'more');
      return Array.isArray(raw) ? this.#list(raw, path, depth) : this.#object(raw, path, depth);
    }
    if (raw === null || typeof raw === 'string' || typeof raw === 'boolean') return raw;
    if (typeof raw === 'bigint' || (typeof raw === 'number' && Number.isFinite(raw))) return raw;
    return this.#refuse(path, 'JSON', kindOf(raw));
  }

  #list(raw: readonly unknown[], path: string, depth: number): Json[] | undefined {
    if (!this.#fits(raw.length, path)) return undefined;
    const items = raw.map((item, index) => this.read(item, `${path}[${index}]`, depth + 1));
    return items.some((item) => item === undefined) ? undefined : (items as Json[]);
  }

  #object(raw: Readonly<Record<string, unknown>>, path: string, depth: number): Json | undefined {
    const keys = Object.keys(raw);
    if (!this.#fits(keys.length, path)) return undefined;
    const entries = keys.map((key) => [key, this.read(raw[key], member(path, key), depth + 1)] as const);
    if (entries.some(([, value]) => value === undefined)) return undefined;
    return Object.fromEntries(entries) as Record<string, Json>;
  }

  #fits(count: number, path: string): boolean {
    this.#left -= count;
    if (this.#left < 0) this.#refuse(path, `at most ${MAX_ELEMENTS} elements in a value`, 'more');
    return this.#left >= 0;
  }

  #refuse(path: string, expected: string, found: string): undefined {
    this.#mistakes.push({ path, message: `expected ${expected}, found ${found}` });
  }
}
