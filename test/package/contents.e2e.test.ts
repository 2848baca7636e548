/** What `npm pack` takes, and that a receiver of the examples takes what walhook sends. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { expectReceives } from '../helpers/exampleReceiver.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the package', () => {
  it('holds what runs, the types of walhook/verify, and nothing else', async () => {
    // Without prepack: dist/ is there, built for all tests of the command.
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
    });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    const others = paths.filter((path) => !/^dist\/.*\.js$/.test(path) && path !== 'walhook.schema.json');
    const assets = (await readdir(`${root}/assets`)).map((name) => `assets/${name}`);
    expect(others.toSorted()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        ...assets,
        'dist/verify/verify.d.ts',
        'package.json',
        'sql/demo.sql',
        'sql/schema.sql',
      ].toSorted(),
    );
    expect(paths).toEqual(expect.arrayContaining(['dist/main.js', 'dist/cli.js', 'dist/verify/verify.js']));
  });

  it('has one version in package.json, image and examples', async () => {
    const read = (file: string) => readFile(`${root}/${file}`, 'utf8');
    const { version } = JSON.parse(await read('package.json')) as { version: string };
    expect(await read('Dockerfile')).toContain(`ARG VERSION=${version}\n`);
    expect(await read('CHANGELOG.md')).toContain(`## ${version} `);
    for (const file of ['deployment.yaml', 'sidecar.yaml']) {
      expect(await read(`examples/kubernetes/${file}`)).toContain(`image: walhook:${version}\n`);
    }
  });
});

describe('the receiver of the examples', () => {
  it('with Fastify takes what walhook sends, once, and refuses the rest', async () => {
    await expectReceives({ file: `${root}/examples/receivers/fastify.js`, cwd: root });
  });
});
