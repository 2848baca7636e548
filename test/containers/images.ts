/** The servers of the container suite: which pairs are tried, and which of them this machine can have. */
import { execFileSync } from 'node:child_process';

export interface Pair {
  readonly postgres: string;
  readonly redis: string;
}

/** Every major version of PostgreSQL that walhook promises, each beside another queue. */
export const PAIRS: readonly Pair[] = [
  { postgres: 'postgres:14', redis: 'redis:6.2' },
  { postgres: 'postgres:15', redis: 'redis:7' },
  { postgres: 'postgres:16', redis: 'redis:8' },
  { postgres: 'postgres:17', redis: 'valkey/valkey:8' },
  { postgres: 'postgres:18', redis: 'valkey/valkey:9' },
];

export function nameOf({ postgres, redis }: Pair): string {
  return `${postgres} with ${redis}`;
}

/** A pair by its project's name. */
export function pairOf(name: string): Pair {
  const pair = PAIRS.find((one) => nameOf(one) === name);
  if (pair === undefined) throw new Error(`expected one of ${PAIRS.map(nameOf).join(', ')}, found ${name}`);
  return pair;
}

export interface Available {
  readonly pairs: readonly Pair[];
  /** One line for each pair that is left out, with its reason. */
  readonly missing: readonly string[];
}

/** Looks for the images, and pulls those that are not there. Asks Docker, so it takes its time. */
export function availablePairs(): Available {
  if (!succeeds('docker', 'info')) return { pairs: [], missing: ['no Docker: `docker info` fails'] };
  const isThere = new Map<string, boolean>();
  const has = (image: string): boolean => {
    const known = isThere.get(image);
    if (known !== undefined) return known;
    const found = succeeds('docker', 'image', 'inspect', image) || succeeds('docker', 'pull', '-q', image);
    isThere.set(image, found);
    return found;
  };
  const missing: string[] = [];
  const known = new Map<string, Pair>();
  for (const pair of PAIRS) {
    const images = [pair.postgres, pair.redis];
    const absent = images.filter((image) => !has(image));
    for (const image of absent) missing.push(`${nameOf(pair)}: ${image} is not here and cannot be pulled`);
    if (absent.length > 0) continue;
    // Somebody's stand-ins under many names are one server: to run against it again would show nothing.
    const ids = images.map(idOf).join(' ');
    const same = known.get(ids);
    if (same === undefined) known.set(ids, pair);
    else missing.push(`${nameOf(pair)}: here these are names for the images of ${nameOf(same)}`);
  }
  return { pairs: [...known.values()], missing };
}

function idOf(image: string): string {
  return execFileSync('docker', ['image', 'inspect', '-f', '{{.Id}}', image], { encoding: 'utf8' }).trim();
}

function succeeds(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 300_000 });
    return true;
  } catch {
    return false;
  }
}
