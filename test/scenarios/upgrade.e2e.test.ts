/**
 * A newer version beside an older one on one store. The newer one is this build with the next number of the store's
 * format: what it would change besides is not known yet.
 */
import { describe, expect, it } from 'vitest';
import { STORE_FORMAT } from '../../src/queue/store.ts';
import { buildMutant } from '../crash/mutant.ts';
import { startDaemon, walhook } from '../helpers/command.ts';
import { isQueueMissing, QUEUE_KINDS } from '../helpers/queue.ts';
import { openScenario, untilCapturing } from './fixture.ts';

const NEWER = [
  {
    file: 'dist/queue/store.js',
    original: `STORE_FORMAT = ${STORE_FORMAT};`,
    mistaken: `STORE_FORMAT = ${STORE_FORMAT + 1};`,
  },
];

describe.each(QUEUE_KINDS)('a rolling upgrade on %s', (kind) => {
  it.skipIf(isQueueMissing(kind))(
    'loses nothing: the older daemon ends by itself, says why, and touches nothing from then on',
    async () => {
      await using newer = await buildMutant(NEWER);
      const { main } = newer;
      await using scenario = await openScenario({ queue: kind });
      const { file, sink } = scenario;
      const old = scenario.daemon();
      await untilCapturing(old);
      await scenario.commit(30);
      await scenario.untilComplete();
      // From here on there is always something that waits or is in flight.
      sink.answerWith((_request, response) => void setTimeout(() => response.end(), 100));
      await scenario.commit(200);
      const early = await walhook(['run', '-c', file], { main });
      expect(early).toMatchObject({ code: 1, stderr: expect.stringContaining('QUEUE_VERSION') });
      expect(early.stderr).toContain('walhook setup, which keeps all that waits');
      expect(old.hasEnded()).toBe(false);
      expect(await walhook(['setup', '-c', file], { main })).toMatchObject({ code: 0, stderr: '' });
      expect(await old.ended).toBe(1);
      expect(old.output()).toContain('QUEUE_VERSION');
      expect(old.output()).toContain('run the version of walhook that wrote it, or a newer one');
      await scenario.commit(20);
      const refused = { code: 1, stderr: expect.stringContaining('QUEUE_VERSION') };
      for (const command of ['run', 'setup', 'status', 'check']) {
        const answer = await walhook([command, '-c', file]);
        expect({ command, code: answer.code, said: answer.stderr + answer.stdout }).toMatchObject({
          command,
          code: refused.code,
          said: refused.stderr,
        });
      }
      await using daemon = startDaemon(['-c', file], { main });
      await untilCapturing(daemon);
      await scenario.commit(20);
      await scenario.untilComplete(60_000);
      expect(await walhook(['check', '-c', file], { main })).not.toMatchObject({
        stdout: expect.stringContaining('QUEUE_VERSION'),
      });
    },
    180_000,
  );
});
