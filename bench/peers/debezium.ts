/**
 * Debezium Server, its HTTP sink. https://debezium.io/documentation/reference/stable/operations/debezium-server.html
 *
 * Fetched as its distribution from Maven Central (`io.debezium:debezium-server-dist`, 780 MB); this version
 * needs Java 21 or later and is the first found there with batches in the sink.
 *
 * Three settings: as its documentation has it; with what makes it fastest and smallest without batches (it
 * looks for changes every millisecond in place of every 500, 256 MiB of heap, the serial collector); and
 * that with batches of 200 changes in one request, which only a receiver made for it understands.
 *
 * Does not: send several requests at a time, keep what could not be sent (after five tries the process
 * ends), give an id that is the same when it sends again, honour Retry-After, keep receivers apart.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePort } from '../../src/demo/embeddedPostgres.ts';
import { type Contender, ensureSlot, type Place } from '../contest/contender.ts';
import { type Program, startProgram } from '../contest/processes.ts';
import { cacheFolder, run, untilSlotIsActive } from './peer.ts';

const VERSION = '3.6.0.Final';
const JAVA = 21;

const folder = (): string => path.join(cacheFolder(), `debezium-server-${VERSION}`);

/** Java 21 or later: of JAVA_HOME, of the PATH, or beside Debian's default. */
async function findJava(): Promise<string | null> {
  const homes = (await readdir('/usr/lib/jvm').catch(() => [])).map(
    (name) => `/usr/lib/jvm/${name}/bin/java`,
  );
  const named = process.env['JAVA_HOME'];
  for (const java of [...(named === undefined ? [] : [`${named}/bin/java`]), 'java', ...homes]) {
    if (majorOf(java) >= JAVA) return java;
  }
  return null;
}

/** `openjdk version "25.0.3"`: 25; 0 where it does not run. */
function majorOf(java: string): number {
  try {
    const said = execFileSync('sh', ['-c', '"$0" -version 2>&1', java], { encoding: 'utf8' });
    return Number(/version "(\d+)/.exec(said)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function missing(): Promise<string | null> {
  if ((await findJava()) === null) return `no Java ${JAVA} or later`;
  return existsSync(folder()) ? null : 'not fetched';
}

async function fetch(): Promise<void> {
  if (existsSync(folder())) return;
  const archive = `debezium-server-dist-${VERSION}.tar.gz`;
  const parts = path.join(cacheFolder(), 'debezium-parts');
  await mkdir(parts, { recursive: true });
  run('mvn', [
    '-B',
    '-ntp',
    '-q',
    'dependency:copy',
    `-Dartifact=io.debezium:debezium-server-dist:${VERSION}:tar.gz`,
    `-DoutputDirectory=${parts}`,
  ]);
  run('tar', ['xzf', path.join(parts, archive), '-C', parts]);
  run('mv', [path.join(parts, 'debezium-server'), folder()]);
  await rm(parts, { recursive: true });
}

/** What Quarkus asks for on Java 24 and later. */
const OPEN = ['--add-opens', 'java.base/java.lang=ALL-UNNAMED'];

interface Settings {
  readonly java: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

const DOCUMENTED: Settings = { java: [], properties: {} };
const TUNED: Settings = {
  java: ['-Xmx256m', '-XX:+UseSerialGC'],
  properties: { 'debezium.source.poll.interval.ms': '1' },
};
const BATCHED: Settings = {
  java: TUNED.java,
  properties: {
    ...TUNED.properties,
    'debezium.sink.http.batch.enabled': 'true',
    'debezium.sink.http.batch.max-size': '200',
  },
};

async function start(place: Place, settings: Settings): Promise<Program> {
  await ensureSlot(place, 'pgoutput');
  const java = await findJava();
  if (java === null) throw new Error('no Java');
  const properties = {
    'debezium.source.connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'debezium.source.offset.storage.file.filename': path.join(place.folder, 'offsets.dat'),
    'debezium.source.offset.flush.interval.ms': '1000',
    'debezium.source.database.hostname': place.host,
    'debezium.source.database.port': String(place.port),
    'debezium.source.database.user': place.user,
    'debezium.source.database.password': place.password,
    'debezium.source.database.dbname': place.database,
    'debezium.source.topic.prefix': 'bench',
    'debezium.source.plugin.name': 'pgoutput',
    'debezium.source.slot.name': place.slot,
    'debezium.source.publication.name': place.publication,
    'debezium.source.publication.autocreate.mode': 'disabled',
    'debezium.source.table.include.list': 'public.load',
    'debezium.source.snapshot.mode': 'no_data',
    'debezium.format.key': 'json',
    'debezium.format.value': 'json',
    'debezium.format.key.schemas.enable': 'false',
    'debezium.format.value.schemas.enable': 'false',
    'debezium.sink.type': 'http',
    'debezium.sink.http.url': place.receiverUrl,
    'quarkus.log.console.json': 'false',
    'quarkus.http.port': String(await freePort()),
    ...settings.properties,
  };
  const config = path.join(place.folder, 'config');
  await mkdir(config, { recursive: true });
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(path.join(config, 'application.properties'), lines.join(''));
  const home = folder();
  const classPath = [
    path.join(home, `debezium-server-dist-${VERSION}-runner.jar`),
    config,
    path.join(home, 'lib', '*'),
  ];
  const program = await startProgram({
    command: java,
    args: [...OPEN, ...settings.java, '-cp', classPath.join(':'), 'io.debezium.server.Main'],
    cwd: place.folder,
    ready: null,
  });
  await untilSlotIsActive(place, program);
  return program;
}

const LACKS =
  'several requests at a time, retries beyond five, an id that stays the same, conditions and bodies without code';

const contender = (name: string, title: string, settings: Settings): Contender => ({
  name,
  title,
  lacks: LACKS,
  usesRedis: false,
  missing,
  fetch,
  start: (place) => start(place, settings),
});

export const DEBEZIUM = contender('debezium', `Debezium Server ${VERSION}, as documented`, DOCUMENTED);
export const DEBEZIUM_TUNED = contender('debeziumTuned', 'Debezium Server, tuned', TUNED);
export const DEBEZIUM_BATCHED = contender(
  'debeziumBatched',
  'Debezium Server, tuned, batches of 200',
  BATCHED,
);
