/** `walhook validate` and `walhook schema`: the configuration file alone, offline. */
import { configJsonSchema } from '../config/schema.ts';
import { formatMistake, readConfigFile } from './configFile.ts';
import { type CommandIo, type CommonOptions, type ExitStatus, line } from './io.ts';

/** Prints every mistake with its path and line. Missing variables are warnings: nothing here uses them. */
export function validate(options: CommonOptions, io: CommandIo): ExitStatus {
  const { path, result, mistakes } = readConfigFile(options, io, { needsVariable: () => false });
  if (options.json === true) {
    const { warnings } = result;
    const notes = result.loaded?.notes ?? [];
    io.out(line(JSON.stringify({ file: path, valid: mistakes.length === 0, mistakes, warnings, notes })));
    return mistakes.length === 0 ? 0 : 2;
  }
  for (const mistake of mistakes) io.out(line(formatMistake(path, mistake)));
  for (const warning of result.warnings) io.out(line(`${formatMistake(path, warning)} (warning)`));
  for (const note of result.loaded?.notes ?? []) io.out(line(`${formatMistake(path, note)} (note)`));
  if (mistakes.length > 0) {
    const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
    io.err(line(`CONFIG_INVALID: expected a valid configuration, found ${count} in ${path}`));
    io.err(line('Try: mend the lines named, then run walhook validate'));
    return 2;
  }
  const webhooks = result.webhooks.length;
  io.out(line(`${path} is valid: ${webhooks} ${webhooks === 1 ? 'webhook' : 'webhooks'}`));
  return 0;
}

/** Prints the JSON Schema of the configuration file. */
export function schema(io: CommandIo): ExitStatus {
  io.out(line(JSON.stringify(configJsonSchema(), null, 2)));
  return 0;
}
