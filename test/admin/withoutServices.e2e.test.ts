import { expect, it } from 'vitest';
import { configFolder, startDaemon } from '../helpers/command.ts';

it('the page is there, and says what is missing, while database and queue are away', async () => {
  await using folder = await configFolder({
    postgres: { url: 'postgres://u@127.0.0.1:9/app' },
    queue: { url: 'redis://127.0.0.1:9' },
    admin: { listen: '127.0.0.1:0' },
  });
  await using daemon = startDaemon(['-c', folder.file]);
  await daemon.untilLogged('the admin page is open');
  const url = String(daemon.log().find(({ msg }) => msg === 'the admin page is open')?.['url']);
  const ask = async (path: string) => {
    const answer = await fetch(url + path);
    return { status: answer.status, text: await answer.text() };
  };
  expect(await ask('/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await ask('/readyz')).toEqual({ status: 200, text: 'ready\n' });
  const page = await ask('/');
  expect(page.status).toBe(200);
  expect(page.text).toContain('POSTGRES_UNREACHABLE');
  expect(page.text).toContain('QUEUE_UNREACHABLE');
  expect((await ask('/api/status')).status).toBe(503);
  expect((await ask('/metrics')).text).toContain('walhook_leader 0');
  daemon.kill('SIGTERM');
  expect(await daemon.ended).toBe(0);
});

it('metrics and probes on a port of their own are served by every process, whatever its roles', async () => {
  await using folder = await configFolder({
    postgres: { url: 'postgres://u@127.0.0.1:9/app' },
    queue: { url: 'redis://127.0.0.1:9' },
    admin: { listen: '127.0.0.1:0', metrics: '127.0.0.1:0' },
  });
  await using daemon = startDaemon(['-c', folder.file, '--role', 'deliver']);
  await daemon.untilLogged('metrics are served');
  const url = String(daemon.log().find(({ msg }) => msg === 'metrics are served')?.['url']);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('walhook_build_info{version=');
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/api/status`)).status).toBe(404);
  expect(daemon.output()).not.toContain('the admin page is open');
});
