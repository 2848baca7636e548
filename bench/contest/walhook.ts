/** walhook as a contender: the built daemon with its defaults, its queue on Redis or in PostgreSQL. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import type { Contender, Place } from './contender.ts';
import { type Program, startProgram } from './processes.ts';

const COMMAND = path.resolve('dist/main.js');

async function start(place: Place, queueUrl: string): Promise<Program> {
  const file = path.join(place.folder, 'walhook.yaml');
  const webhook = {
    name: 'bench',
    models: ['load'],
    events: ['created', 'updated', 'deleted'],
    url: place.receiverUrl,
    concurrency: place.connections,
  };
  const config = {
    environment: 'bench',
    postgres: { url: place.url, slot: place.slot },
    queue: { url: queueUrl },
    admin: { listen: `127.0.0.1:${await freePort()}` },
    webhooks: [webhook],
  };
  await writeFile(file, JSON.stringify(config));
  const setup = await startProgram({
    command: process.execPath,
    args: [COMMAND, 'setup', '-c', file],
    ready: /slot/,
  });
  while (!setup.hasEnded()) await new Promise((resolve) => setTimeout(resolve, 20));
  return startProgram({ command: process.execPath, args: [COMMAND, 'run', '-c', file], ready: /capturing/ });
}

export const WALHOOK_REDIS: Contender = {
  name: 'walhook',
  title: 'walhook, queue on Redis',
  lacks: 'batches of many changes in one request',
  usesRedis: true,
  missing: async () => null,
  fetch: null,
  start: (place) => start(place, place.redisUrl),
};

export const WALHOOK_POSTGRES: Contender = {
  name: 'walhookPostgres',
  title: 'walhook, queue on PostgreSQL',
  lacks: 'batches of many changes in one request',
  usesRedis: false,
  missing: async () => null,
  fetch: null,
  start: (place) => start(place, place.queueUrl),
};
