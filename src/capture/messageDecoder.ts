/** What makes messages of a plugin's bytes, whichever plugin it is. */

import type { Plugin } from '../core/plugins.ts';
import type { WalMessage } from '../decode/messages.ts';
import { PgoutputDecoder } from '../decode/pgoutput.ts';
import type { Catalog } from '../represent/catalog.ts';
import { Wal2jsonDecoder } from './wal2jsonDecoder.ts';

export interface MessageDecoder {
  /** A promise where the catalog has to be asked first. */
  decode(buffer: Buffer, start: number, end: number): WalMessage | Promise<WalMessage>;
  /** What is left of a message that was too long to be assembled. */
  decodeHead(head: Buffer, bytes: number): WalMessage | Promise<WalMessage>;
}

/** For one connection. */
export function decoderFor(plugin: Plugin, catalog: Catalog, publication: string): MessageDecoder {
  return plugin === 'pgoutput'
    ? new PgoutputDecoder()
    : new Wal2jsonDecoder((table) => catalog.shape(table, publication));
}
