/** What comes with walhook from elsewhere: pinned by digest, and nothing of it runs when it is installed. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

interface Locked {
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
}

async function json(file: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'));
}

async function locked(): Promise<[string, Locked][]> {
  const { packages } = (await json('package-lock.json')) as { packages: Record<string, Locked> };
  return Object.entries(packages).filter(([path]) => path !== '');
}

describe('the dependencies', () => {
  it('are each locked by a digest of SHA-512, from whichever registry they come', async () => {
    const others = (await locked()).filter(
      ([, one]) => one.integrity?.startsWith('sha512-') !== true || one.resolved !== undefined,
    );
    expect(others).toEqual([]);
  });

  it('that production needs run nothing when they are installed', async () => {
    const running = (await locked()).filter(
      ([, one]) => one.hasInstallScript === true && one.dev !== true && one.optional !== true,
    );
    expect(running).toEqual([]);
  });

  it('of the demo are the only optional ones, and the only ones of which npm is asked to run something', async () => {
    const { allowScripts, optionalDependencies } = (await json('package.json')) as Record<
      string,
      Record<string, boolean | string>
    >;
    const allowed = Object.entries(allowScripts ?? {}).flatMap(([name, isAllowed]) =>
      isAllowed ? [name] : [],
    );
    expect(allowed).toEqual(Object.keys(optionalDependencies ?? {}));
  });

  it('are all that is installed with it: walhook itself runs nothing when it is', async () => {
    const { scripts } = (await json('package.json')) as { scripts: Record<string, string> };
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it('leave the image with a user that is not root', async () => {
    const image = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
    const users = [...image.matchAll(/^USER (\S+)/gm)].map(([, user]) => user);
    expect(users.at(-1)).toMatch(/^(node|[1-9]\d*)(:\S+)?$/);
  });
});
