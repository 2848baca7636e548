/**
 * walhook's own database and queue as addresses, so that no webhook is ever sent to them: a request to a
 * Redis or PostgreSQL port can be made to look like commands.
 */
import type { LookupAddress } from 'node:dns';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../core/clock.ts';
import { destinationOf, type Ip, kindOf, parseIp } from '../../core/ip.ts';

/** A service as the configuration names it. */
export interface OwnService {
  /** The setting, e.g. `queue.url`. */
  readonly setting: string;
  readonly host: string;
  readonly port: number;
}

export type Resolve = (host: string) => Promise<readonly Pick<LookupAddress, 'address'>[]>;

interface Resolved extends OwnService {
  readonly ips: readonly Ip[];
}

const REFRESH_MS = 30_000;

/** Knows at which addresses the services are, as of at most 30 seconds ago. */
export class OwnServices {
  readonly #services: () => readonly OwnService[];
  readonly #resolve: Resolve;
  readonly #clock: Clock;
  #known: readonly Resolved[] = [];
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(services: () => readonly OwnService[], resolve: Resolve, clock: Clock) {
    this.#services = services;
    this.#resolve = resolve;
    this.#clock = clock;
  }

  /** Looks the services up again when that is due. Never throws: a name not found keeps its last addresses. */
  async refresh(): Promise<void> {
    if (this.#clock.monotonic() - this.#readAtMs < REFRESH_MS) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  /** The setting that names the service at an address and port, or under a name; null where there is none. */
  settingAt(host: string, port: number, ip: Ip | null): string | null {
    const found = this.#known.find(
      (service) =>
        service.port === port &&
        (service.host === host || (ip !== null && service.ips.some((own) => isSamePlace(own, ip)))),
    );
    return found?.setting ?? null;
  }

  async #read(): Promise<void> {
    const before = this.#known;
    this.#known = await Promise.all(
      this.#services().map(async (service) => {
        const last = before.find(({ host, port }) => host === service.host && port === service.port);
        const found = await this.#resolve(service.host).catch(() => []);
        const ips = found.flatMap(({ address }) => parseIp(address) ?? []);
        return { ...service, ips: ips.length > 0 ? ips : (last?.ips ?? []) };
      }),
    );
    this.#readAtMs = this.#clock.monotonic();
  }
}

/** The same address, or both of this machine: a service on loopback mostly listens beside it, too. */
function isSamePlace(a: Ip, b: Ip): boolean {
  const [one, other] = [destinationOf(a), destinationOf(b)];
  if (one.family === other.family && one.value === other.value) return true;
  return isThisMachine(one) && isThisMachine(other);
}

function isThisMachine(ip: Ip): boolean {
  if (kindOf(ip) === 'loopback' || ip.value === 0n) return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => {
      const own = parseIp(address);
      return own?.family === ip.family && own.value === ip.value;
    }),
  );
}
