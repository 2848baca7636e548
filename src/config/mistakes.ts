/** What is wrong with a configuration file, in words that help to mend it. */
import type { z } from 'zod';

export type Path = readonly (string | number)[];

export interface Mistake {
  /** e.g. `webhooks[0].events[1]`; '' for the file as a whole. */
  readonly path: string;
  /** From one; null where the path has no line of its own. */
  readonly line: number | null;
  readonly message: string;
}

export function formatPath(path: Path): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('');
}

/** One mistake of a zod issue, before it is known at which line it stands. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** What is known of the file that an issue is about. */
export interface IssueView {
  /** The value at a path. */
  valueAt(path: Path): unknown;
  /** A variable gave the value: it may be a secret that was set to the wrong name. */
  isFromVariable(path: Path): boolean;
  /** The keys that an object at a path may have. */
  keysAt(path: Path): readonly string[];
}

/** Rewrites a validation issue. */
export function describeIssue(issue: z.core.$ZodIssue, view: IssueView): Finding[] {
  const { valueAt, keysAt } = view;
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key${suggestion(key, keysAt(path))}`,
      }));
    case 'invalid_union':
      return describeUnion(issue.errors, path, view);
    case 'invalid_type':
      if (valueAt(path) === undefined) return [{ path, message: `is required: ${articled(issue.expected)}` }];
      // A field that has words of its own says more than its type.
      if (!issue.message.startsWith('Invalid')) {
        return [{ path, message: `${issue.message}, found ${found(view, path)}` }];
      }
      return [{ path, message: `expected ${articled(issue.expected)}, found ${found(view, path)}` }];
    case 'invalid_value': {
      const values = issue.values.map(String).join(', ');
      const only = issue.values.length === 1 ? '' : 'one of ';
      return [{ path, message: `expected ${only}${values}, found ${found(view, path)}` }];
    }
    case 'too_small':
    case 'too_big':
      return [{ path, message: describeBound(issue, found(view, path)) }];
    default:
      return [{ path, message: `${issue.message}, found ${found(view, path)}` }];
  }
}

function describeBound(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, value: string): string {
  const most = issue.code === 'too_big';
  const bound = most ? issue.maximum : issue.minimum;
  const unit = { string: ' characters', array: ' entries' }[issue.origin as string] ?? '';
  if (!most && bound === 1 && unit !== '') return 'expected something, found nothing';
  return `expected at ${most ? 'most' : 'least'} ${bound}${unit}${unit === '' ? `, found ${value}` : ''}`;
}

/** Of several allowed shapes, the one that the value comes closest to is what its author meant. */
function describeUnion(
  options: readonly (readonly z.core.$ZodIssue[])[],
  path: Path,
  view: IssueView,
): Finding[] {
  const isShape = (issues: readonly z.core.$ZodIssue[]) =>
    !issues.some(
      (issue) => ['invalid_type', 'invalid_value'].includes(issue.code) && issue.path.length === 0,
    );
  const meant = options.filter(isShape).sort((a, b) => a.length - b.length)[0];
  if (meant === undefined) {
    const expected = options.flatMap((issues) =>
      issues.flatMap((issue) => (issue.code === 'invalid_type' ? [articled(issue.expected)] : [])),
    );
    return [
      {
        path,
        message: `expected ${[...new Set(expected)].join(' or ')}, found ${found(view, path)}`,
      },
    ];
  }
  return meant.flatMap((issue) => describeIssue({ ...issue, path: [...path, ...issue.path] }, view));
}

function articled(type: string): string {
  const names: Readonly<Record<string, string>> = {
    array: 'a list',
    object: 'an object',
    record: 'an object',
    string: 'a text',
    int: 'a whole number',
    null: 'null',
  };
  return names[type] ?? `a ${type}`;
}

/** Keys whose values are, or may hold, a secret. */
const CONFIDENTIAL = /secret|token|password|url|key|headers|body|proxy/;
const MAX_FOUND = 60;

function found(view: IssueView, path: Path): string {
  const value = view.valueAt(path);
  if (view.isFromVariable(path)) return 'what a variable gave';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value !== 'string') return String(value);
  if (path.some((part) => CONFIDENTIAL.test(String(part)))) return 'another text';
  return JSON.stringify(value.length > MAX_FOUND ? `${value.slice(0, MAX_FOUND)}…` : value);
}

/** `; did you mean events?` where a known key is close, else the keys that there are. */
export function suggestion(key: string, known: readonly string[]): string {
  const ranked = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = ranked[0];
  if (nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(key.length / 3))) {
    return `; did you mean ${nearest.name}?`;
  }
  return known.length === 0 ? '' : `; known are ${known.join(', ')}`;
}

/** Levenshtein distance, for words as short as keys. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substituted, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
