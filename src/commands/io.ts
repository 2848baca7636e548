/** The edge of the process as the commands see it: where they print, read, and what stops them. */

export interface CommandIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output, as given. */
  out(text: string): void;
  /** Writes to standard error, as given. */
  err(text: string): void;
  /** Reads standard input to its end. */
  readInput(): Promise<string>;
  /** Asks on the terminal; not there where nobody can be asked. */
  ask?(question: string): Promise<string>;
  readonly isTerminal: boolean;
  /** Width of the terminal. */
  readonly columns: number;
  /** Calls back on SIGHUP. */
  readonly onHangup?: (callback: () => void) => void;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** What every command takes. */
export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

export type ExitStatus = 0 | 1 | 2 | 3;

/** One line, ended. */
export function line(text: string): string {
  return `${text}\n`;
}
