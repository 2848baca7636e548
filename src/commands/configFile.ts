/** Finds and loads the configuration file for a command. */
import { readFileSync } from 'node:fs';
import { type LoadedConfig, type LoadOptions, type LoadResult, loadConfig } from '../config/load.ts';
import type { Mistake } from '../config/mistakes.ts';
import type { VariableSource } from '../config/variables.ts';
import { causeCode, WalhookError } from '../core/errors.ts';
import { checkConfig } from '../definitions/checkConfig.ts';
import type { CommandIo, CommonOptions } from './io.ts';

export interface ConfigFile {
  readonly path: string;
  readonly result: LoadResult;
  /** Those of the file's shape, and those that compiling what it defines finds, by line. */
  readonly mistakes: readonly Mistake[];
}

/** The file of `--config`, `$WALHOOK_CONFIG` or `./walhook.yaml`. */
export function configPath(options: CommonOptions, io: CommandIo): string {
  return options.config ?? io.env['WALHOOK_CONFIG'] ?? './walhook.yaml';
}

/** Reads the file. Throws CONFIG_NOT_FOUND; mistakes are part of the answer. */
export function readConfigFile(
  options: CommonOptions,
  io: CommandIo,
  how: Omit<LoadOptions, 'source'> = {},
): ConfigFile {
  const path = configPath(options, io);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WalhookError(
      'CONFIG_NOT_FOUND',
      `expected a configuration file at ${path}, found ${causeCode(error) === 'ENOENT' ? 'none' : causeCode(error)}`,
      {
        cause: error,
      },
    );
  }
  const result = loadConfig(text, { ...how, source: variableSource(io) });
  return { path, result, mistakes: checkConfig(result) };
}

/**
 * Reads the file for trying some of its webhooks: only the variables that these use have to be there. Read
 * twice, for which they are is known only when they have been found.
 */
export function readConfigForTrial(
  options: CommonOptions,
  io: CommandIo,
  isTried: (name: string, result: LoadResult) => boolean,
  how: Pick<LoadOptions, 'needsServices'> = {},
): ConfigFile {
  const { result } = readConfigFile(options, io, { ...how, needsVariable: () => false });
  const tried = result.webhooks.map(({ name }) => typeof name === 'string' && isTried(name, result));
  const isUsed = (path: string) => {
    const [, at, setting] = /^(?:webhooks\[(\d+)\]|defaults)\.([a-z_]+)/.exec(path) ?? [];
    const isOfTried = at === undefined ? tried.includes(true) : tried[Number(at)] === true;
    return setting !== undefined && isOfTried && !UNTRIED_SETTINGS.has(setting);
  };
  return readConfigFile(options, io, { ...how, needsVariable: isUsed });
}

/** What says nothing of the decision and the request: a trial signs nothing and connects to nobody. */
const UNTRIED_SETTINGS: ReadonlySet<string> = new Set([
  'secret',
  'proxy',
  'ca_file_path',
  'cert_file_path',
  'key_file_path',
]);

/** Loads the file or throws CONFIG_INVALID with every mistake in its message. */
export function loadConfigFile(
  options: CommonOptions,
  io: CommandIo,
  how: Omit<LoadOptions, 'source'> = {},
): LoadedConfig {
  const file = readConfigFile(options, io, how);
  const { loaded } = file.result;
  if (loaded === null || file.mistakes.length > 0) throw invalidConfig(file);
  return loaded;
}

/** Every mistake of a file as one error. */
export function invalidConfig({ path, mistakes }: ConfigFile): WalhookError {
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
  return new WalhookError(
    'CONFIG_INVALID',
    `expected a valid configuration, found ${count}\n${mistakes.map((mistake) => `  ${formatMistake(path, mistake)}`).join('\n')}`,
  );
}

/** `walhook.yaml:12: webhooks[0].url: expected …` */
export function formatMistake(path: string, { line, path: at, message }: Mistake): string {
  return [line === null ? path : `${path}:${line}`, at, message].filter((part) => part !== '').join(': ');
}

function variableSource(io: CommandIo): VariableSource {
  return { env: io.env, readFile: (path) => readFileSync(path, 'utf8') };
}
