/**
 * Connections to receivers, each checked against the address policy at the moment it is dialled.
 *
 * The check covers literal addresses (for which the client never asks for a look-up), every address that a
 * name resolves to (one that is refused refuses them all), and the address that the socket is connected to
 * in the end. The socket dials what was checked: there is no second look-up that could answer otherwise.
 */
import { promises as dns, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import type { AddressRules } from '../core/addressRules.ts';
import { WalhookError } from '../core/errors.ts';
import { type Ip, parseIp } from '../core/ip.ts';
import type { OwnServices, Resolve } from './addresses/ownServices.ts';
import { nameRefusalOf, type Refusal, refusalOf } from './addresses/policy.ts';
import type { TlsMaterial } from './tlsFiles.ts';

export interface GuardOptions {
  readonly rules: AddressRules;
  readonly own: OwnServices;
  readonly resolve: Resolve;
  /** The loopback host that the definition's author wrote; null without one. */
  readonly writtenLoopback: string | null;
}

export interface ConnectorOptions extends GuardOptions {
  readonly timeoutMs: number;
  readonly tls: TlsMaterial;
}

/** Addresses of one name that are tried: more would only take longer to fail. */
const MAX_ADDRESSES = 16;
/** Ports of one Webhook whose connectors (and TLS sessions) are kept; more than one only with a templated host. */
const MAX_CONNECTORS = 16;

/** The system's resolver, as `getaddrinfo` and with it /etc/hosts answer. */
export const systemResolve: Resolve = (host) => dns.lookup(host, { all: true });

/** Whether a host may be dialled, as far as it can be told without a look-up. Throws ADDRESS_REFUSED. */
export function checkHost(guard: GuardOptions, host: string, port: number): void {
  const ip = parseIp(host);
  const refusal =
    ip === null
      ? nameRefusalOf(guard.rules, host, port, guard.writtenLoopback)
      : refusalOf(guard.rules, { host, port, ip }, contextOf(guard, host, port, ip));
  throwIf(refusal);
  if (ip === null && guard.own.settingAt(host, port, null) !== null) {
    throwIf({
      message: `expected another place than ${host}:${port}, found one of walhook's own services`,
      remedy: "choose another url: requests never go to walhook's own services",
    });
  }
}

/** A connector for undici that dials only what the policy lets pass. */
export function guardedConnector(options: ConnectorOptions): buildConnector.connector {
  const connectors = new Map<number, buildConnector.connector>();
  return (target, callback) => {
    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80);
    const fail = (error: unknown) => callback(asError(error), null);
    options.own.refresh().then(() => {
      try {
        checkHost(options, target.hostname, port);
        const connect = connectors.get(port) ?? newConnector(options, port);
        if (connectors.size >= MAX_CONNECTORS) connectors.clear();
        connectors.set(port, connect);
        connect(target, (...[error, socket]) => {
          if (error !== null) return callback(error, null);
          const peer = parseIp(socket.remoteAddress ?? '');
          try {
            if (peer !== null) checkAddress(options, target.hostname, port, peer);
            callback(null, socket);
          } catch (refused) {
            socket.destroy();
            fail(refused);
          }
        });
      } catch (error) {
        fail(error);
      }
    }, fail);
  };
}

function newConnector(options: ConnectorOptions, port: number): buildConnector.connector {
  return buildConnector({
    ...options.tls,
    timeout: options.timeoutMs,
    allowH2: false,
    autoSelectFamily: true,
    lookup: guardedLookup(options, port),
  });
}

function guardedLookup(options: GuardOptions, port: number): LookupFunction {
  return (host, how, callback) => {
    const fail = (error: Error) => callback(error, how.all === true ? [] : '', undefined);
    options.resolve(host).then((found) => {
      const addresses = found.slice(0, MAX_ADDRESSES).map(({ address }): LookupAddress => {
        return { address, family: parseIp(address)?.family ?? 0 };
      });
      try {
        for (const { address } of found) {
          const ip = parseIp(address);
          if (ip === null) throw new WalhookError('ADDRESS_REFUSED', `expected an address for ${host}`);
          checkAddress(options, host, port, ip);
        }
      } catch (error) {
        return fail(asError(error));
      }
      const [first] = addresses;
      if (first === undefined) return fail(notFound(host));
      if (how.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    }, fail);
  };
}

function checkAddress(guard: GuardOptions, host: string, port: number, ip: Ip): void {
  throwIf(refusalOf(guard.rules, { host, port, ip }, contextOf(guard, host, port, ip)));
}

function contextOf(guard: GuardOptions, host: string, port: number, ip: Ip) {
  return { writtenLoopback: guard.writtenLoopback, ownService: guard.own.settingAt(host, port, ip) };
}

function throwIf(refusal: Refusal | null): void {
  if (refusal !== null) {
    throw new WalhookError('ADDRESS_REFUSED', refusal.message, { remedy: refusal.remedy });
  }
}

function notFound(host: string): Error {
  return Object.assign(new Error(`no address for ${host}`), { code: 'ENOTFOUND' });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
