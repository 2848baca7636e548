/**
 * Structured logs: one line of JSON (or of text) per event, on standard output. Data stands in fields with
 * stable names; row data, bodies, headers and secrets are never given to the logger.
 */
import { Writable } from 'node:stream';
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';

export type Logger = Pick<PinoLogger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> & {
  child(fields: Readonly<Record<string, unknown>>): Logger;
};

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'json' | 'text';
}

/** Paths that hold secrets where a careless caller logs an object of a client library. */
const REDACTED = [
  'password',
  'secret',
  'token',
  'authorization',
  '*.password',
  '*.secret',
  '*.token',
  '*.authorization',
];

/** @param destination where lines go; standard output by default */
export function createLogger(options: LogOptions, destination?: DestinationStream): Logger {
  const output = destination ?? pino.destination({ dest: 1, sync: true });
  return pino(
    {
      level: options.level,
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[secret]' },
      serializers: { err: describeError },
    },
    options.format === 'json' ? output : asText(output),
  );
}

/** A logger that says nothing. */
export const SILENT: Logger = pino({ enabled: false });

/** Only what helps and cannot leak: client libraries hang sockets, requests and passwords on errors. */
function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = 'code' in error ? error.code : undefined;
  return { type: error.name, message: error.message, code, stack: error.stack };
}

/** `12:30:45.123 warn  flush not stored  tries=2`, for people who watch a terminal. */
function asText(output: DestinationStream): DestinationStream {
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      const { level, time, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${printed(value)}`);
      const clock = String(time).slice(11, 23);
      output.write(`${clock} ${String(level).padEnd(5)} ${String(msg)}${rest.join('')}\n`);
      done();
    },
  });
}

function printed(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
