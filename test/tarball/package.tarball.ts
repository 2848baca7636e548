/** The tarball of a clean clone, installed in an empty folder: on each Node, with each way to resolve types. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../helpers/database.ts';
import { expectReceives } from '../helpers/exampleReceiver.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
let place: string;
let tarball: string;

async function run(cwd: string, command: string, args: string[], env: Record<string, string> = {}) {
  const { PATH, HOME } = process.env;
  // Of this process's own settings nothing but what npm needs to reach its registry.
  const npm = Object.entries(process.env).filter(([name]) =>
    /^(npm_config_|https?_proxy|no_proxy|node_extra_ca)/i.test(name),
  );
  return await promisify(execFile)(command, args, {
    cwd,
    env: { PATH, HOME, ...Object.fromEntries(npm), ...env },
    maxBuffer: 64 * 1_048_576,
  });
}

const newFolder = async (name: string): Promise<string> => {
  const folder = path.join(place, name);
  await mkdir(folder);
  await writeFile(path.join(folder, 'package.json'), '{"private": true, "type": "module"}');
  return folder;
};

beforeAll(async () => {
  place = await mkdtemp(path.join(tmpdir(), 'walhook-tarball-'));
  const clone = path.join(place, 'clone');
  await run(root, 'git', ['clone', '-q', root, clone]);
  // The compiler is that of this checkout.
  await symlink(path.join(root, 'node_modules'), path.join(clone, 'node_modules'));
  await run(clone, 'npm', ['pack', '--silent', '--pack-destination', place]);
  const name = (await readdir(place)).find((one) => one.endsWith('.tgz'));
  tarball = path.join(place, name ?? '');
});

afterAll(() => rm(place, { recursive: true, force: true }));

describe('the tarball', () => {
  it('has a file of dist for each of the sources, and the schema of the configuration', async () => {
    const { stdout } = await run(place, 'tar', ['tzf', tarball]);
    const packed = stdout.trim().split('\n');
    const sources = (await run(path.join(place, 'clone'), 'git', ['ls-files', 'src'])).stdout
      .trim()
      .split('\n');
    const built = sources.map((source) => source.replace(/^src\/(.*)\.ts$/, 'package/dist/$1.js'));
    expect(
      packed.filter((file) => file.endsWith('.js') && file.startsWith('package/dist')).toSorted(),
    ).toEqual(built.toSorted());
    expect(packed).toContain('package/walhook.schema.json');
  });
});

describe.each([20, 22, 24])('in an empty folder, Node %i', (major) => {
  let folder: string;
  const withNode = (command: string, env?: Record<string, string>) =>
    run(folder, 'npx', ['-y', '-p', `node@${major}`, '-c', command], env);

  beforeAll(async () => {
    folder = await newFolder(`node${major}`);
    await withNode(`npm install --silent ${tarball}`);
    const { stdout } = await withNode('node --version');
    process.stdout.write(`  fact: Node ${stdout.trim()}\n`);
    expect(stdout).toMatch(new RegExp(`^v${major}\\.`));
  });

  it('tells its commands', async () => {
    const { stdout } = await withNode('walhook --help');
    for (const command of ['demo', 'init', 'setup', 'check', 'run'])
      expect(stdout).toContain(`\n  ${command}`);
  });

  it('shows the demo: each webhook of a round arrives', async () => {
    // Servers of PostgreSQL do not run as root: the demo then takes another user.
    const { stdout } = await withNode('walhook demo --once');
    const webhooks = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as object);
    process.stdout.write(`  fact: demo --once on Node ${major}: ${webhooks.length} webhooks\n`);
    expect(webhooks.length).toBeGreaterThanOrEqual(8);
  });

  it('writes a configuration from a database, which is valid', async () => {
    await using database = await createDatabase();
    await database.client.query('create table orders (id int primary key, name text)');
    const env = {
      DATABASE_URL: database.url,
      QUEUE_URL: 'redis://queue.test',
      WEBHOOK_URL: 'https://hooks.example.com/',
    };
    await withNode('walhook init', env);
    await withNode('walhook validate', env);
  });
});

describe('the types of walhook/verify', () => {
  let folder: string;
  const SOURCE = `
import { SeenIds, VerificationError, verifyWebhook, type VerifiedWebhook } from 'walhook/verify';
const seen: SeenIds = new SeenIds();
export function handle(headers: Record<string, string | string[] | undefined>, body: Uint8Array): boolean {
  const verified: VerifiedWebhook = verifyWebhook({ headers, body, secret: 'x' });
  return seen.isNew(verified.id) && verified.timestamp.getTime() > 0;
}
export const reason = (error: unknown): string => (error instanceof VerificationError ? error.reason : '');
// @ts-expect-error A secret is needed.
verifyWebhook({ headers: {}, body: '' });
`;

  beforeAll(async () => {
    folder = await newFolder('types');
    await run(folder, 'npm', ['install', '--silent', '--omit=optional', tarball, 'typescript@5']);
    await writeFile(path.join(folder, 'receiver.ts'), SOURCE);
  });

  it.each([
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('are found with module %s and moduleResolution %s', async (module, moduleResolution) => {
    const compilerOptions = {
      module,
      moduleResolution,
      strict: true,
      noEmit: true,
      target: 'es2022',
      types: [],
    };
    await writeFile(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['receiver.ts'] }),
    );
    const { stdout } = await run(folder, 'npx', ['tsc']).catch((error: { stdout: string }) => error);
    expect(stdout).toBe('');
  });
});

describe('the receivers of the examples, beside the tarball', () => {
  it.each([
    'express',
    'fastify',
  ])('with %s take what walhook sends, once, and refuse the rest', async (framework) => {
    const folder = await newFolder(framework);
    await run(folder, 'npm', ['install', '--silent', '--omit=optional', tarball, framework]);
    const file = path.join(folder, 'receiver.js');
    await cp(path.join(root, `examples/receivers/${framework}.js`), file);
    await expectReceives({ file, cwd: folder });
  });
});
