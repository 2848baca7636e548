/**
 * `${NAME}`, `${NAME:-default}` and `${file:/path}` in the values of the configuration file.
 *
 * Resolved on scalars after YAML has been parsed, so that a value can never become structure. `$${` writes
 * a literal `${`; anything else with a dollar (`${{ data.price }}`, `$5`) is left alone.
 */

/** Where the values come from. */
export interface VariableSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a secret's file. Throws where it cannot. */
  readonly readFile: (path: string) => string;
}

export interface Resolved {
  readonly text: string;
  /** Whether the text named a variable or file at all. */
  readonly isVariable: boolean;
  /** What each that could be resolved stands for. */
  readonly values: readonly string[];
  /** One sentence for each that could not be resolved. Their `${…}` stay in the text. */
  readonly missing: readonly string[];
}

const REFERENCE = /\$(\$\{)|\$\{(?:([A-Z_][A-Z0-9_]*)(?::-([^}]*))?|file:([^}]+))\}/g;

/** The variables and files that a text names: `NAME`, `file:/path`. */
export function namedVariables(text: string): string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, escaped, name, , file]) =>
    escaped !== undefined ? [] : name !== undefined ? [name] : [`file:${file}`],
  );
}

/** Resolves one scalar. */
export function resolveVariables(text: string, source: VariableSource): Resolved {
  const missing: string[] = [];
  const values: string[] = [];
  const given = (value: string): string => {
    values.push(value);
    return value;
  };
  let isVariable = false;
  const resolved = text.replace(
    REFERENCE,
    (whole: string, escaped?: string, name?: string, fallback?: string, file?: string) => {
      if (escaped !== undefined) return escaped;
      isVariable = true;
      if (file !== undefined) {
        try {
          return given(source.readFile(file).replace(/\r?\n$/, ''));
        } catch {
          missing.push(`the file ${file} cannot be read`);
          return whole;
        }
      }
      const value = source.env[name ?? ''];
      if (value !== undefined && (value !== '' || fallback === undefined)) return given(value);
      if (fallback !== undefined) return given(fallback);
      missing.push(`the variable ${name} is not set`);
      return whole;
    },
  );
  return { text: resolved, isVariable, values, missing };
}
