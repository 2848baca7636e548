/** `walhook validate` and `walhook schema`: the configuration file alone, offline. */
import type { LoadResult } from '../config/load.ts';
import type { Finding, Mistake } from '../config/mistakes.ts';
import { configJsonSchema } from '../config/schema.ts';
import { toWalhookError } from '../core/errors.ts';
import { defineWebhookNamed } from '../definitions/webhooks.ts';
import { runRuleTest } from '../trial/ruleTest.ts';
import { packageVersion } from '../version.ts';
import { type ConfigFile, formatMistake, readConfigFile, readConfigForTrial } from './configFile.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

export interface ValidateOptions extends CommonOptions {
  /** Run the rule tests as well. */
  readonly test?: boolean;
}

/** What became of the rule tests. */
interface Tested {
  readonly passed: number;
  readonly failed: number;
  readonly differences: readonly Mistake[];
}

/**
 * Prints every mistake with its path and line, and exits 2 where there is one. With `--test` the rule tests
 * of a valid file are run: 1 where one fails. Missing variables that nothing here uses are warnings.
 */
export function validate(options: ValidateOptions, io: CommandIo): ExitStatus {
  const file = options.test
    ? readConfigForTrial(options, io, isTested)
    : readConfigFile(options, io, { needsVariable: () => false });
  const tested = options.test && file.mistakes.length === 0 ? runTests(withoutServices(options, io)) : null;
  if (options.json) printJson(file, tested, io);
  else print(file, tested, io);
  if (file.mistakes.length > 0) return 2;
  return tested === null || tested.failed === 0 ? 0 : 1;
}

/** Where the services are says nothing of what a webhook does: variables that only name them may be missing. */
function withoutServices(options: ValidateOptions, io: CommandIo): ConfigFile {
  return readConfigForTrial(options, io, isTested, { needsServices: false });
}

function isTested(name: string, { tests }: LoadResult): boolean {
  return tests.some(
    (test) => typeof test === 'object' && test !== null && 'webhook' in test && test.webhook === name,
  );
}

function runTests({ result }: ConfigFile): Tested {
  const { loaded } = result;
  // A variable is missing without which the file has no meaning: nothing can be said to hold.
  if (loaded === null) return { passed: 0, failed: result.tests.length, differences: result.warnings };
  const userAgent = `walhook/${packageVersion()}`;
  const { tests } = loaded.config;
  const found = tests.map((test, i): Finding[] => {
    const path = ['tests', i];
    try {
      const definition = defineWebhookNamed(loaded.config, test.webhook, loaded.templateEnv);
      return definition === null ? [] : runRuleTest(definition, test, path, userAgent);
    } catch (error) {
      const { code, message } = toWalhookError(error);
      return [{ path: [...path, 'event'], message: `${code}: ${message}` }];
    }
  });
  const failed = found.filter((findings) => findings.length > 0).length;
  return { passed: tests.length - failed, failed, differences: found.flat().map(result.place) };
}

function printJson({ path, result, mistakes }: ConfigFile, tested: Tested | null, io: CommandIo): void {
  const { warnings } = result;
  const notes = result.loaded?.notes ?? [];
  const valid = mistakes.length === 0;
  const tests = tested === null ? {} : { tests: tested };
  io.out(line(JSON.stringify({ file: path, valid, mistakes, warnings, notes, ...tests })));
}

function print({ path, result, mistakes }: ConfigFile, tested: Tested | null, io: CommandIo): void {
  for (const mistake of mistakes) io.out(line(formatMistake(path, mistake)));
  for (const warning of result.warnings) io.out(line(`${formatMistake(path, warning)} (warning)`));
  for (const note of result.loaded?.notes ?? []) io.out(line(`${formatMistake(path, note)} (note)`));
  if (mistakes.length > 0) {
    const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
    io.err(line(`CONFIG_INVALID: expected a valid configuration, found ${count} in ${path}`));
    io.err(line('Try: mend the lines named, then run walhook validate'));
    return;
  }
  io.out(line(`${path} is valid: ${counted(result.webhooks.length, 'webhook')}`));
  if (tested === null) return;
  for (const difference of tested.differences) io.out(line(formatMistake(path, difference)));
  io.out(line(`${counted(tested.passed + tested.failed, 'test')}, ${tested.failed} failed`));
}

function counted(count: number, word: string): string {
  return `${count} ${count === 1 ? word : `${word}s`}`;
}

/** Prints the JSON Schema of the configuration file. */
export function schema(io: CommandIo): ExitStatus {
  io.out(line(JSON.stringify(configJsonSchema(), null, 2)));
  return 0;
}
