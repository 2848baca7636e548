/** `walhook run`: the daemon. */
import { systemClock } from '../core/clock.ts';
import { WalhookError } from '../core/errors.ts';
import { failpointFrom } from '../core/failpoint.ts';
import { createLogger } from '../core/logger.ts';
import { type Role, runDaemon } from '../daemon.ts';
import { servicesOf } from '../services.ts';
import { packageVersion } from '../version.ts';
import { loadConfigFile } from './configFile.ts';
import type { CommandIo, CommonOptions, ExitStatus } from './io.ts';

const ROLES: readonly Role[] = ['capture', 'deliver', 'admin'];

export interface RunOptions extends CommonOptions {
  readonly role?: string;
}

/** Runs until SIGINT or SIGTERM, then drains and ends with 0. */
export async function run(options: RunOptions, io: CommandIo): Promise<ExitStatus> {
  const loaded = loadConfigFile(options, io);
  await runDaemon(
    {
      loaded,
      services: servicesOf(loaded),
      roles: rolesOf(options.role),
      version: packageVersion(),
      clock: systemClock,
      log: createLogger(loaded.config.log),
      reread: () => loadConfigFile(options, io),
      onHangup: io.onHangup ?? (() => undefined),
      onAdmin: () => undefined,
      failpoint: failpointFrom(io.env['WALHOOK_FAILPOINT'], () => process.kill(process.pid, 'SIGKILL')),
    },
    io.signal,
  );
  return 0;
}

function rolesOf(text: string | undefined): readonly Role[] {
  if (text === undefined) return ROLES;
  const wanted = text.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !ROLES.some((role) => role === name));
  if (unknown !== undefined) {
    throw new WalhookError('USAGE', `--role: expected ${ROLES.join(', ')}, found ${unknown}`);
  }
  return ROLES.filter((role) => wanted.includes(role));
}
