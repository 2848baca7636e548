/**
 * The command line: which commands there are, what they take, and which function each calls. A command's
 * module is loaded when it is called, so that small commands do not pay for large ones.
 */
import { Command, CommanderError, Option } from 'commander';
import type { ListOptions, OperateOptions } from './commands/deliveries.ts';
import type { DemoOptions } from './commands/demo.ts';
import type { ExplainOptions } from './commands/explain.ts';
import type { ImportOptions } from './commands/import.ts';
import type { InitOptions } from './commands/init.ts';
import type { CommandIo, CommonOptions, ExitStatus } from './commands/io.ts';
import type { ReceiverOptions } from './commands/receiver.ts';
import type { ReplayCommandOptions } from './commands/replay.ts';
import type { RunOptions } from './commands/run.ts';
import type { SetupOptions, TeardownOptions } from './commands/setup.ts';
import type { TryOptions } from './commands/try.ts';
import type { ValidateOptions } from './commands/validate.ts';
import type { TestOptions } from './commands/webhooks.ts';
import { toWalhookError } from './core/errors.ts';
import { boundHeapGrowth } from './core/heapGrowth.ts';
import { packageVersion } from './version.ts';

/** The command line with every command, for what only wants to know what it understands. */
export function walhookProgram(io: CommandIo): Command {
  return newCli(io).program;
}

function newCli(io: CommandIo): Cli {
  const cli: Cli = { program: newProgram(io), io, exit: 0 };
  addDatabaseCommands(cli);
  addDaemonCommands(cli);
  addReplayCommand(cli);
  addDeliveryCommands(cli);
  addWebhookCommands(cli);
  addExplainCommand(cli);
  addOfflineCommands(cli);
  addTrialCommands(cli);
  return cli;
}

/** Of the daemon: a larger one costs memory and saves next to nothing. */
const YOUNG_GENERATION_BYTES = 4 * 1_048_576;

/** Runs the command that the arguments name. Never throws: every error is printed with its code. */
export async function runCli(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const cli = newCli(io);
  try {
    await cli.program.parseAsync(args, { from: 'user' });
    return cli.exit;
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

interface Cli {
  readonly program: Command;
  readonly io: CommandIo;
  exit: ExitStatus;
}

function newProgram(io: CommandIo): Command {
  return new Command('walhook')
    .description(
      'Watches a PostgreSQL database through logical replication and fires webhooks when rows change.',
    )
    .version(packageVersion(), '-V, --version')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text) })
    .showHelpAfterError('Try: walhook --help')
    .helpCommand(false);
}

function command({ program }: Cli, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option('--debug', 'print stack traces'))
    .exitOverride();
}

function withConfig(cli: Cli, name: string, description: string): Command {
  const text = 'configuration file (default: $WALHOOK_CONFIG, else ./walhook.yaml)';
  return command(cli, name, description).option('-c, --config <file>', text);
}

function addDatabaseCommands(cli: Cli): void {
  command(cli, 'init', "read a database's catalog and write a commented configuration to start from")
    .option('-c, --config <file>', 'file to write (default: $WALHOOK_CONFIG, else ./walhook.yaml); - prints')
    .option('--url <url>', 'of the database (default: $DATABASE_URL, else PGHOST and the like)')
    .option('--force', 'also over a file that is there')
    .action(async (options: InitOptions) => {
      const { init } = await import('./commands/init.ts');
      cli.exit = await init(options, cli.io);
    });
  withConfig(cli, 'setup', 'create what the database needs: publication, helper schema, slot')
    .option('--print', 'print the SQL, in sections headed by the role each needs, and run nothing')
    .option('--only <sections>', 'of publication,schema,slot')
    .option('--no-schema', 'leave out the helper schema')
    .option('--timeout <duration>', 'how long to wait for the slot', '60s')
    .option('--identities', 'set REPLICA IDENTITY FULL where models say before_image: full')
    .option('--accept-gap', 'after Changes were missed: print and store the Gap, and start a new Generation')
    .option('--role <name>', 'with --print: print the least that the role of run needs, too')
    .option('--adopt', 'bind to this database, though another one is recorded')
    .action(async (options: SetupOptions) => {
      const { setup } = await import('./commands/setup.ts');
      cli.exit = await setup(options, cli.io);
    });
  withConfig(cli, 'teardown', 'drop what setup made')
    .option('--print', 'print the SQL and run nothing')
    .option('--discard', 'also when undelivered Changes and waiting Deliveries are lost')
    .action(async (options: TeardownOptions) => {
      const { teardown } = await import('./commands/setup.ts');
      cli.exit = await teardown(options, cli.io);
    });
  withConfig(cli, 'check', 'preflight of database, queue and configuration, each finding with its remedy')
    .alias('doctor')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions) => {
      const { check } = await import('./commands/check.ts');
      cli.exit = await check(options, cli.io);
    });
}

function addDaemonCommands(cli: Cli): void {
  withConfig(cli, 'run', 'the daemon')
    .option('--role <roles>', 'of capture,deliver,admin (default: all)')
    .action(async (options: RunOptions) => {
      boundHeapGrowth(YOUNG_GENERATION_BYTES);
      const { run } = await import('./commands/run.ts');
      cli.exit = await run(options, cli.io);
    });
  withConfig(cli, 'status', 'slot, lag, retained WAL, and what waits for whom')
    .option('--json', 'print one JSON object')
    .action(async (options: CommonOptions) => {
      const { status } = await import('./commands/status.ts');
      cli.exit = await status(options, cli.io);
    });
}

function addReplayCommand(cli: Cli): void {
  withConfig(cli, 'replay', 'present rows of a model as Events created, marked webhook-replay: 1')
    .option('--model <model>', 'the model whose rows are replayed')
    .option('--where <sql>', 'a condition over the row, in SQL')
    .option('--gap <id>', 'the Gap that it fills')
    .option('--webhook <name>', 'for this webhook only')
    .option('--rate <rows>', 'rows a second', '200')
    .option('--detach', 'return at once; the daemon goes on')
    .option('--list', 'list replays')
    .option('--resume <id>', 'follow one that is under way')
    .option('--cancel <id>', 'cancel one')
    .option('--json', 'print JSON')
    .action(async (options: ReplayCommandOptions) => {
      const { replay } = await import('./commands/replay.ts');
      cli.exit = await replay(options, cli.io);
    });
}

/** A command of commands, e.g. `deliveries`. */
function group({ program }: Cli, name: string, description: string): Command {
  return program.command(name).description(description).exitOverride();
}

function under(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(new Option('--debug', 'print stack traces'))
    .option('-c, --config <file>', 'configuration file (default: $WALHOOK_CONFIG, else ./walhook.yaml)')
    .option('--json', 'print JSON')
    .exitOverride();
}

function withFilter(parent: Command): Command {
  return parent
    .option('--webhook <name>', 'name or key of the webhook')
    .option('--state <state>', 'waiting, active, delayed, parked, delivered, failed or cancelled')
    .option('--model <model>', 'name of the model')
    .option('--key <key>', 'key of the row')
    .option('--request <id>', 'request_id of the Change')
    .option('--status <status>', 'of the last Attempt: an HTTP status or the word of an error')
    .option('--since <time>', 'committed since: ISO 8601, or 2h for two hours ago')
    .option('--until <time>', 'committed before');
}

function addDeliveryCommands(cli: Cli): void {
  const deliveries = group(cli, 'deliveries', 'Deliveries and their Attempts');
  withFilter(under(deliveries, 'list', 'those that a filter chooses, newest commit first'))
    .option('--limit <count>', 'at most so many', '50')
    .option('--cursor <cursor>', 'go on behind the page that printed it')
    .action(async (options: ListOptions) => {
      const { listDeliveries } = await import('./commands/deliveries.ts');
      cli.exit = await listDeliveries(options, cli.io);
    });
  under(deliveries, 'show <id>', 'Event, request, and every Attempt with its response').action(
    async (id: string, options: CommonOptions) => {
      const { showDelivery } = await import('./commands/deliveries.ts');
      cli.exit = await showDelivery(id, options, cli.io);
    },
  );
  const operations = [
    ['resend', 'send again what has ended, with the same id'],
    ['cancel', 'end what has not ended'],
    ['purge', 'remove every trace of them'],
  ] as const;
  for (const [operation, description] of operations) {
    withFilter(under(deliveries, `${operation} [ids...]`, description))
      .option('--yes', 'do not ask')
      .action(async (ids: string[], options: OperateOptions) => {
        const { operateDeliveries } = await import('./commands/deliveries.ts');
        cli.exit = await operateDeliveries(operation, ids, options, cli.io);
      });
  }
}

function addWebhookCommands(cli: Cli): void {
  const webhooks = group(cli, 'webhooks', 'webhooks as the queue knows them');
  under(webhooks, 'list', 'each with what waits for it').action(async (options: CommonOptions) => {
    const { listWebhooks } = await import('./commands/webhooks.ts');
    cli.exit = await listWebhooks(options, cli.io);
  });
  under(webhooks, 'pause <name>', 'at once in every process; its Deliveries wait').action(
    async (name: string, options: CommonOptions) => {
      const { pauseWebhook } = await import('./commands/webhooks.ts');
      cli.exit = await pauseWebhook(name, options, cli.io);
    },
  );
  under(webhooks, 'resume <name>', 'also after its brake or a 410 paused it').action(
    async (name: string, options: CommonOptions) => {
      const { resumeWebhook } = await import('./commands/webhooks.ts');
      cli.exit = await resumeWebhook(name, options, cli.io);
    },
  );
  under(webhooks, 'test <name>', 'send a sample Event, marked webhook-test: 1')
    .option('--timeout <duration>', 'how long to wait for its outcome', '15s')
    .action(async (name: string, options: TestOptions) => {
      const { testWebhook } = await import('./commands/webhooks.ts');
      cli.exit = await testWebhook(name, options, cli.io);
    });
}

function addExplainCommand(cli: Cli): void {
  withConfig(cli, 'explain', 'why a recent Change of a row did not fire a webhook, or failed')
    .requiredOption('--webhook <name>', 'name of the webhook')
    .requiredOption('--key <key>', "the row's key; a JSON array where it has several columns")
    .option('--model <model>', 'only rows of this model')
    .option('--json', 'print one JSON object')
    .action(async (options: ExplainOptions) => {
      const { explainKey } = await import('./commands/explain.ts');
      cli.exit = await explainKey(options, cli.io);
    });
}

function addOfflineCommands(cli: Cli): void {
  withConfig(cli, 'validate', 'every mistake of the configuration file, offline')
    .option('--test', 'run the rule tests in it')
    .option('--json', 'print one JSON object')
    .action(async (options: ValidateOptions) => {
      const { validate } = await import('./commands/validate.ts');
      cli.exit = validate(options, cli.io);
    });
  command(cli, 'schema', 'print the JSON Schema of the configuration file').action(async () => {
    const { schema } = await import('./commands/validate.ts');
    cli.exit = schema(cli.io);
  });
  withConfig(cli, 'try', 'what would this webhook do with this Event? Offline')
    .requiredOption('--webhook <name>', 'name of the webhook')
    .requiredOption('--event <file>', 'an Event as JSON, an array of them, or NDJSON; - reads standard input')
    .option('--expect-match', 'exit 1 when an Event does not match')
    .option('--json', 'print one JSON object for each Event, as it does anyway')
    .action(async (options: TryOptions) => {
      const { tryWebhook } = await import('./commands/try.ts');
      cli.exit = await tryWebhook(options, cli.io);
    });
}

function addTrialCommands(cli: Cli): void {
  command(
    cli,
    'import',
    'webhooks exported from Peering Manager or NetBox, with its event rules, into config',
  )
    .argument('<files...>', 'what the REST API answers, as JSON or YAML; - reads standard input')
    .option('--output <file>', 'write the file instead of printing it')
    .option('--json', 'print one JSON object')
    .action(async (files: string[], options: ImportOptions) => {
      const { importWebhooks } = await import('./commands/import.ts');
      cli.exit = await importWebhooks(files, options, cli.io);
    });
  command(cli, 'demo', 'everything embedded: a PostgreSQL, the queue, a receiver and rows that change')
    .option('--once', 'make one round of changes, print each webhook as a line of JSON, exit')
    .option('--sql <text>', 'run SQL in the demo that is running in another shell')
    .action(async (options: DemoOptions) => {
      const { demo } = await import('./commands/demo.ts');
      cli.exit = await demo(options, cli.io);
    });
  command(cli, 'receiver', 'a listener that prints each request, to try webhooks with')
    .option('--port <port>', 'port to listen on', '9000')
    .option('--host <host>', 'address to listen on', 'localhost')
    .option('--no-headers', 'print no headers')
    .option('--secret <secret>', 'verify signatures')
    .option('--status <code>', 'answer with this status', '200')
    .option('--delay <duration>', 'answer after this time', '0s')
    .option('--fail <share>', 'answer this share of the requests with 500', '0')
    .action(async (options: ReceiverOptions) => {
      const { receiver } = await import('./commands/receiver.ts');
      cli.exit = await receiver(options, cli.io);
    });
}
