/** The command line run in this process: what it prints, without the cost of a new one. */
import { runCli } from '../../src/cli.ts';
import type { Finished } from './command.ts';

export interface InProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export async function inProcess(
  args: readonly string[],
  { env = {}, input = '' }: InProcessOptions = {},
): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  const code = await runCli(args, {
    env,
    out: (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
    },
    readInput: async () => input,
    isTerminal: false,
    columns: 80,
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}
