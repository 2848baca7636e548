/** `walhook demo`: everything embedded, to see what walhook does. */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { Client, type QueryResult } from 'pg';
import { systemClock } from '../core/clock.ts';
import { toWalhookError, WalhookError } from '../core/errors.ts';
import { Scope } from '../core/lifecycle.ts';
import { createLogger } from '../core/logger.ts';
import { demoFile, type RunningDemo, startDemo } from '../demo/demo.ts';
import { bold, dim, type Screen, showStep } from '../demo/show.ts';
import { roundOfSteps } from '../demo/steps.ts';
import { packageVersion } from '../version.ts';
import { type CommandIo, type ExitStatus, line } from './io.ts';

export interface DemoOptions {
  /** One round of changes, a line of JSON for each webhook, then the end. */
  readonly once?: boolean;
  /** SQL for the demo that runs in another shell. */
  readonly sql?: string;
}

/** How long a webhook may take to arrive before it counts as missing. */
const ARRIVAL_TIMEOUT_MS = 15_000;
/** The pace of the changes that go on after the first round. */
const STEP_EVERY_MS = 3_000;

export async function demo(options: DemoOptions, io: CommandIo): Promise<ExitStatus> {
  if (options.sql !== undefined) return await runSql(options.sql, io);
  const screen: Screen = {
    hasColor: io.isTerminal && !io.env['NO_COLOR'],
    width: io.isTerminal ? io.columns : 0,
  };
  const startedMs = performance.now();
  const seconds = () => ((performance.now() - startedMs) / 1_000).toFixed(1).padStart(5);
  await using scope = new Scope();
  const running = await startDemo({
    version: packageVersion(),
    log: createLogger({ level: 'error', format: 'text' }, { write: (text) => io.err(text) }),
    progress: (text) => io.err(line(dim(`${seconds()} s  ${text}`, screen))),
  });
  scope.defer(() => running.stop());
  const missing = await oneRound(running, options.once === true, screen, io);
  if (options.once === true || io.signal.aborted) return missing === 0 ? 0 : 1;

  io.out(invitation(running, screen));
  running.inbox.onArrival((arrival) => io.out(line(arrival.body)));
  await Promise.race([keepChanging(running, io.signal), running.ended]);
  return 0;
}

/** Goes on with the rounds, a step at a time, until it is stopped. */
async function keepChanging(running: RunningDemo, signal: AbortSignal): Promise<void> {
  for (let round = 2; !signal.aborted; round += 1) {
    for (const step of roundOfSteps(round)) {
      await systemClock.sleep(STEP_EVERY_MS, signal);
      if (signal.aborted) return;
      await running.run(step);
    }
  }
}

/** Runs every step and shows what came of it. Returns how many webhooks are missing. */
async function oneRound(
  running: RunningDemo,
  isOnce: boolean,
  screen: Screen,
  io: CommandIo,
): Promise<number> {
  let missing = 0;
  for (const step of roundOfSteps(1)) {
    if (io.signal.aborted) break;
    await running.run(step);
    const arrived = await running.inbox.take(step.requestId, step.expects.length, ARRIVAL_TIMEOUT_MS);
    const bodies = arrived.map((arrival) => arrival.body);
    if (isOnce) io.out(`${[`-- ${step.username}: ${step.sql};`, ...bodies].join('\n')}\n`);
    else io.out(showStep(step, bodies, screen));
    for (const { event, model } of step.expects) {
      if (arrived.some((arrival) => arrival.event === event && arrival.model === model)) continue;
      missing += 1;
      io.err(
        line(`missing: the webhook ${event} ${model} did not arrive within ${ARRIVAL_TIMEOUT_MS / 1_000} s`),
      );
    }
  }
  return missing;
}

function invitation(running: RunningDemo, screen: Screen): string {
  const hasPsql = spawnSync('psql', ['--version'], { stdio: 'ignore' }).status === 0;
  const tries = [
    `npm run demo -- --sql "update extras_tag set color = '00ff00'"`,
    `npm run demo -- --sql "insert into extras_tag (name, slug) values ('Mine', 'mine')"`,
    ...(hasPsql ? [`psql ${running.url}`] : []),
  ];
  return [
    bold(`The admin page: ${running.adminUrl()}`, screen),
    bold('The demo goes on. Change rows from another shell and watch the webhooks arrive here:', screen),
    ...tries.map((text) => `  ${text}`),
    dim('Stop with CTRL+C.', screen),
    '',
    '',
  ].join('\n');
}

/** Runs SQL in the demo of another shell, as the user `you`. */
async function runSql(sql: string, io: CommandIo): Promise<ExitStatus> {
  const found = await readFile(demoFile(), 'utf8').catch(() => null);
  if (found === null) {
    throw new WalhookError('DEMO_NOT_RUNNING', `expected a running demo, found no ${demoFile()}`);
  }
  const { url } = JSON.parse(found) as { url: string };
  const client = new Client({ connectionString: url, application_name: 'walhook demo --sql' });
  try {
    await client.connect();
  } catch (error) {
    throw new WalhookError(
      'DEMO_NOT_RUNNING',
      'expected a running demo, found that its database does not answer',
      {
        cause: error,
      },
    );
  }
  try {
    await client.query("select set_config('walhook.username', $1, false)", [io.env['USER'] ?? 'you']);
    const results = (await client.query(sql)) as QueryResult | QueryResult[];
    for (const { command, rowCount, rows } of Array.isArray(results) ? results : [results]) {
      for (const row of rows) io.out(line(JSON.stringify(row)));
      io.out(line(`${command} ${rowCount ?? ''}`.trim()));
    }
    return 0;
  } catch (error) {
    io.err(line(`ERROR: ${toWalhookError(error).message}`));
    return 1;
  } finally {
    await client.end();
  }
}
