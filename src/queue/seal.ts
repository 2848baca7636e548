/**
 * Event text at rest: sealed with AES-256-GCM where there is a key, as it is where there is none.
 *
 * A sealed text names the key it was sealed with, so that a list of keys may rotate: the first seals, all
 * open. What was stored before there was a key is still read, for JSON never starts like a sealed text.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { WalhookError } from '../core/errors.ts';
import { hash8 } from '../core/hash.ts';
import type { Secret } from '../core/secret.ts';

export interface Sealer {
  seal(text: string): string;
  /** Throws QUEUE_KEY_MISSING where none of the keys sealed it, QUEUE_JOB_DAMAGED where it was altered. */
  open(text: string): string;
}

/** Stores texts as they are, and reads no others. */
export const NO_SEAL: Sealer = {
  seal: (text) => text,
  open(text) {
    if (text.startsWith(MARK)) throw keyMissing(text);
    return text;
  },
};

const MARK = 'sealed1:';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

/** @param secrets the newest first; none: {@link NO_SEAL} */
export function createSealer(secrets: readonly Secret[]): Sealer {
  const keys = secrets.map(deriveKey);
  const [newest] = keys;
  if (newest === undefined) return NO_SEAL;
  return {
    seal(text) {
      if (text === '') return '';
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', newest.bytes, nonce);
      const sealed = [cipher.update(text, 'utf8'), cipher.final()];
      return `${MARK}${newest.id}:${Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString('base64')}`;
    },
    open(text) {
      if (!text.startsWith(MARK)) return text;
      const id = text.slice(MARK.length, MARK.length + 8);
      const key = keys.find((one) => one.id === id);
      if (key === undefined) throw keyMissing(text);
      return opened(text.slice(MARK.length + 9), key);
    },
  };
}

function opened(base64: string, key: Key): string {
  const bytes = Buffer.from(base64, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const body = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch (error) {
    throw new WalhookError(
      'QUEUE_JOB_DAMAGED',
      "expected an Event of the queue's store as it was sealed, found it altered",
      { cause: error },
    );
  }
}

/** HKDF-SHA256 (RFC 5869): any text of enough entropy makes a key of the right size. */
function deriveKey(secret: Secret): Key {
  const bytes = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'walhook queue', 32));
  return { id: hash8(bytes.toString('hex')), bytes };
}

function keyMissing(text: string): WalhookError {
  const id = text.slice(MARK.length, MARK.length + 8);
  return new WalhookError(
    'QUEUE_KEY_MISSING',
    `expected queue.encryption_key to hold the key ${id}, with which an Event of the queue was sealed, found it has not`,
  );
}
