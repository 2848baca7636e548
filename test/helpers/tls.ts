/** Certificates for tests, made once and valid for a hundred years; their keys guard nothing. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type TlsName = 'ca' | 'server' | 'other' | 'client' | 'expired' | 'future' | 'selfsigned' | 'sha1';

/**
 * server: localhost and 127.0.0.1 · other: another name · client: to show to a receiver · future: vouches for
 * itself from the year 2125 on · sha1: signed with SHA-1 by weakca, an authority of its own.
 */
export function tlsPath(name: TlsName | 'weakca', kind: 'pem' | 'key' = 'pem'): string {
  return fileURLToPath(new URL(`../fixtures/tls/${name}.${kind}`, import.meta.url));
}

export function tlsPair(name: Exclude<TlsName, 'ca'>): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert: readFileSync(tlsPath(name)), key: readFileSync(tlsPath(name, 'key')) };
}
