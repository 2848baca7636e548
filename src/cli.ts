/** The command line: which commands there are, what they take, and which function each calls. */
import { Command, CommanderError, Option } from 'commander';
import { check } from './commands/check.ts';
import { type DemoOptions, demo } from './commands/demo.ts';
import type { CommandIo, CommonOptions, ExitStatus } from './commands/io.ts';
import { type ReceiverOptions, receiver } from './commands/receiver.ts';
import { packageVersion, type RunOptions, run } from './commands/run.ts';
import { type SetupOptions, setup, type TeardownOptions, teardown } from './commands/setup.ts';
import { status } from './commands/status.ts';
import { type TryOptions, tryWebhook } from './commands/try.ts';
import { schema, validate } from './commands/validate.ts';
import { toWalhookError } from './core/errors.ts';

/** Runs the command that the arguments name. Never throws: every error is printed with its code. */
export async function runCli(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  let exit: ExitStatus = 0;
  const program = buildProgram(io, (status) => {
    exit = status;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const known = toWalhookError(error);
    io.err(`${known.code}: ${known.message}\nTry: ${known.remedy}\n`);
    if (args.includes('--debug')) io.err(`${known.stack}\n${describeCause(known.cause)}`);
    return known.exitCode;
  }
}

function describeCause(cause: unknown): string {
  return cause instanceof Error ? `caused by: ${cause.stack}\n` : '';
}

function buildProgram(io: CommandIo, finish: (status: ExitStatus) => void): Command {
  const program = new Command('walhook')
    .description(
      'Watches a PostgreSQL database through logical replication and fires webhooks when rows change.',
    )
    .version(packageVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .showHelpAfterError('Try: walhook --help')
    .helpCommand(false);

  const command = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .addOption(new Option('--debug', 'print stack traces'))
      .exitOverride();
  const withConfig = (name: string, description: string) =>
    command(name, description).option(
      '-c, --config <file>',
      'configuration file (default: $WALHOOK_CONFIG, else ./walhook.yaml)',
    );

  command(
    'demo',
    'everything embedded: a PostgreSQL, the queue and a receiver; changes rows and shows the webhooks',
  )
    .option('--once', 'make one round of changes, print each webhook as a line of JSON, exit')
    .option('--sql <text>', 'run SQL in the demo that is running in another shell')
    .action(async (options: DemoOptions) => finish(await demo(options, io)));

  withConfig('setup', 'create what the database needs: publication, helper schema, slot')
    .option('--print', 'print the SQL, in sections headed by the role each needs, and run nothing')
    .option('--only <sections>', 'of publication,schema,slot')
    .option('--no-schema', 'leave out the helper schema')
    .option('--timeout <duration>', 'how long to wait for the slot', '60s')
    .action(async (options: SetupOptions) => finish(await setup(options, io)));

  withConfig('teardown', 'drop what setup made')
    .option('--print', 'print the SQL and run nothing')
    .option('--discard', 'also when undelivered Changes and waiting Deliveries are lost')
    .action(async (options: TeardownOptions) => finish(await teardown(options, io)));

  withConfig('check', 'preflight of database, queue and configuration, each finding with its remedy')
    .alias('doctor')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions) => finish(await check(options, io)));

  withConfig('validate', 'every mistake of the configuration file, offline')
    .option('--json', 'print one JSON object')
    .action((options: CommonOptions) => finish(validate(options, io)));

  command('schema', 'print the JSON Schema of the configuration file').action(() => finish(schema(io)));

  withConfig('run', 'the daemon')
    .option('--role <roles>', 'of capture,deliver (default: all)')
    .action(async (options: RunOptions) => finish(await run(options, io)));

  withConfig('status', 'slot, lag, retained WAL, and what waits for whom')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions) => finish(await status(options, io)));

  withConfig('try', 'what would this webhook do with this Event? Offline')
    .requiredOption('--webhook <name>', 'name of the webhook')
    .requiredOption('--event <file>', 'an Event as JSON, an array of them, or NDJSON; - reads standard input')
    .option('--expect-match', 'exit 1 when an Event does not match')
    .action(async (options: TryOptions) => finish(await tryWebhook(options, io)));

  command('receiver', 'a listener that prints each request, to try webhooks with')
    .option('--port <port>', 'port to listen on', '9000')
    .option('--host <host>', 'address to listen on', 'localhost')
    .option('--no-headers', 'print no headers')
    .option('--secret <secret>', 'verify signatures')
    .option('--status <code>', 'answer with this status', '200')
    .option('--delay <duration>', 'answer after this time', '0s')
    .option('--fail <share>', 'answer this share of the requests with 500', '0')
    .action(async (options: ReceiverOptions) => finish(await receiver(options, io)));

  return program;
}
