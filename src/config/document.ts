/**
 * The configuration file as YAML: parsed once, variables resolved on its scalars, and every path of the
 * result traceable to its line.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
} from 'yaml';
import { Secret } from '../core/secret.ts';
import { formatPath, type Mistake, type Path } from './mistakes.ts';
import { resolveVariables, type VariableSource } from './variables.ts';

/** A larger file is not configuration. */
const MAX_FILE_CHARS = 4 * 1_048_576;
/** How often aliases may be expanded: enough for shared blocks, not for a bomb. */
const MAX_ALIASES = 1_000;
/** Levels of lists and objects in one another. */
const MAX_DEPTH = 500;
const TOO_DEEP: Mistake = {
  path: '',
  line: null,
  message: `expected at most ${MAX_DEPTH} levels of nesting`,
};

export interface ConfigDocument {
  /** The content with variables resolved; null when there are mistakes. */
  readonly value: unknown;
  /** The content with `${…}` as written, for what is stored here and resolved elsewhere. */
  readonly unresolved: unknown;
  /** Texts that a variable gave: they may stand for a number or boolean. */
  readonly variableTexts: ReadonlySet<string>;
  /** What each variable and file stands for, by the path that names it. */
  readonly variableValues: readonly VariableValue[];
  /** Variables and files that could not be resolved, by the path that names them. */
  readonly missingVariables: readonly Mistake[];
  /** Syntax errors. */
  readonly mistakes: readonly Mistake[];
  /** The line of a path, or of its nearest parent that stands in the file. */
  line(path: Path): number | null;
}

/** The value of one `${…}`. */
export interface VariableValue {
  readonly path: Path;
  readonly value: Secret;
}

export function parseConfigDocument(text: string, source: VariableSource): ConfigDocument {
  if (text.length > MAX_FILE_CHARS) {
    return broken([{ path: '', line: null, message: `expected at most ${MAX_FILE_CHARS} characters` }]);
  }
  if (isTooDeep(text)) return broken([TOO_DEEP]);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    intAsBigInt: true,
  });
  const problems: Mistake[] = [...document.errors, ...document.warnings].map((error) => ({
    path: '',
    line: lines.linePos(error.pos[0]).line,
    message: `not valid YAML: ${error.message.split('\n')[0]}`,
  }));
  problems.push(...misplaced(document, lines));
  if (problems.length > 0) return broken(problems);

  const line = (path: Path): number | null => {
    for (let depth = path.length; depth >= 0; depth -= 1) {
      const node = document.getIn(path.slice(0, depth), true) as Node | undefined;
      if (node?.range) return lines.linePos(node.range[0]).line;
    }
    return null;
  };
  try {
    const unresolved = toPlain(document);
    const { variableTexts, variableValues, missing } = resolveScalars(document, source);
    const missingVariables = missing.map(({ path, message }) => ({
      path: formatPath(path),
      line: line(path),
      message,
    }));
    return {
      value: toPlain(document),
      unresolved,
      variableTexts,
      variableValues,
      missingVariables,
      mistakes: [],
      line,
    };
  } catch (error) {
    // The library counts expansions and gives up with a ReferenceError.
    if (!(error instanceof ReferenceError)) throw error;
    return broken([{ path: '', line: null, message: 'expected fewer expansions of aliases' }]);
  }
}

/** Aliases of anchors that do not stand before them, and nesting beyond what others may recurse into. */
function misplaced(document: Document, lines: LineCounter): Mistake[] {
  const anchors = new Set<string>();
  const mistakes: Mistake[] = [];
  const waiting: { readonly node: unknown; readonly depth: number }[] = [
    { node: document.contents, depth: 0 },
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, depth } = next;
    if (depth > MAX_DEPTH) {
      return [TOO_DEEP];
    }
    const within = (inner: unknown) => ({ node: inner, depth: depth + 1 });
    if (isAlias(node)) {
      if (anchors.has(node.source)) continue;
      const line = node.range ? lines.linePos(node.range[0]).line : null;
      const message = `expected an anchor &${node.source} before *${node.source}, found none`;
      mistakes.push({ path: '', line, message });
    } else if (isNode(node) && node.anchor !== undefined) {
      anchors.add(node.anchor);
    }
    // The last one pushed is the next one looked at.
    if (isMap(node))
      for (const { key, value } of node.items.toReversed()) waiting.push(within(value), within(key));
    else if (isSeq(node)) for (const item of node.items.toReversed()) waiting.push(within(item));
  }
  return mistakes;
}

/**
 * Brackets, and dashes of one line, in one another: the parser takes memory and time for each level, so they are
 * counted before it sees them. Levels by indentation are bounded by the size of the file.
 */
function isTooDeep(text: string): boolean {
  let brackets = 0;
  let dashes = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') brackets += 1;
    else if (token === ']' || token === '}') brackets -= 1;
    else if (token === '-' || token === '?') dashes += 1;
    else if (token.includes('\n')) dashes = 0;
    if (brackets + dashes > MAX_DEPTH) return true;
  }
  return false;
}

function broken(mistakes: readonly Mistake[]): ConfigDocument {
  return {
    value: null,
    unresolved: null,
    variableTexts: new Set(),
    variableValues: [],
    missingVariables: [],
    mistakes,
    line: () => null,
  };
}

function toPlain(document: Document): unknown {
  return narrowIntegers(document.toJS({ maxAliasCount: MAX_ALIASES }));
}

/** Integers were read as bigint, so that none lost digits; those that a number holds become one. */
function narrowIntegers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(narrowIntegers);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, narrowIntegers(item)]));
  }
  return value;
}

interface MissingVariable {
  readonly path: Path;
  readonly message: string;
}

/** Resolves variables in the document's values, in place. Keys are left as they are. */
function resolveScalars(
  document: Document,
  source: VariableSource,
): { variableTexts: Set<string>; variableValues: VariableValue[]; missing: MissingVariable[] } {
  const variableTexts = new Set<string>();
  const variableValues: VariableValue[] = [];
  const missing: MissingVariable[] = [];
  const resolve = (node: unknown, path: Path): void => {
    if (isMap(node)) {
      for (const pair of node.items) {
        resolve(pair.value, [...path, isScalar(pair.key) ? String(pair.key.value) : '?']);
      }
    } else if (isSeq(node)) {
      node.items.forEach((item, i) => {
        resolve(item, [...path, i]);
      });
    } else if (isScalar(node) && typeof node.value === 'string' && node.value.includes('${')) {
      const resolved = resolveVariables(node.value, source);
      node.value = resolved.text;
      if (resolved.isVariable) variableTexts.add(resolved.text);
      variableValues.push(...resolved.values.map((value) => ({ path, value: new Secret(value) })));
      missing.push(...resolved.missing.map((message) => ({ path, message })));
    }
  };
  resolve(document.contents, []);
  return { variableTexts, variableValues, missing };
}
