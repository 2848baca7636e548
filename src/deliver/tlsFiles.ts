/**
 * The certificate and key files of a webhook: checked when the configuration is loaded, and read again when
 * they change, so that a renewed certificate needs no restart.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { causeCode, WalhookError } from '../core/errors.ts';

export interface TlsSettings {
  /** false: any certificate is accepted. */
  readonly verify: boolean;
  /** Path of a PEM file of the authorities to trust instead of the system's; null: the system's. */
  readonly ca: string | null;
  /** Paths of PEM files of the certificate and key that are shown to the receiver; both or none. */
  readonly cert: string | null;
  readonly key: string | null;
}

export const DEFAULT_TLS: TlsSettings = { verify: true, ca: null, cert: null, key: null };

/** As the TLS library takes it. */
export interface TlsMaterial {
  readonly rejectUnauthorized: boolean;
  readonly minVersion: 'TLSv1.2';
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

type FileField = 'ca' | 'cert' | 'key';

/** What the TLS library needs. Throws TLS_FILE_INVALID, which names the file and never its content. */
export function readTls(settings: TlsSettings): TlsMaterial {
  const { ca, cert, key } = settings;
  const caText = ca === null ? null : readChecked(ca, 'ca');
  const certText = cert === null ? null : readChecked(cert, 'cert');
  const keyText = key === null ? null : readChecked(key, 'key');
  if (certText !== null && keyText !== null) {
    const fits = new X509Certificate(certText).checkPrivateKey(createPrivateKey(keyText));
    if (!fits) throw invalid(`expected the key of the certificate in ${cert}, found another in ${key}`);
  }
  return {
    rejectUnauthorized: settings.verify,
    minVersion: 'TLSv1.2',
    ...(caText === null ? {} : { ca: caText }),
    ...(certText === null ? {} : { cert: certText }),
    ...(keyText === null ? {} : { key: keyText }),
  };
}

/** Reads one file and checks that it is what its setting says. Throws TLS_FILE_INVALID. */
export function readChecked(path: string, field: FileField): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`expected a readable file at ${path}, found ${causeCode(error) ?? 'none'}`, error);
  }
  try {
    if (field === 'key') createPrivateKey(text);
    else new X509Certificate(text);
  } catch (error) {
    const what = field === 'key' ? 'a private key without passphrase' : 'a certificate';
    throw invalid(`expected ${what} in PEM at ${path}, found something else`, error);
  }
  return text;
}

/** Changes when one of the files was written or replaced, or went away. '' without files. */
export function tlsVersion({ ca, cert, key }: TlsSettings): string {
  return [ca, cert, key]
    .flatMap((path) => {
      if (path === null) return [];
      const stat = statSync(path, { throwIfNoEntry: false });
      return [`${path} ${stat?.mtimeMs} ${stat?.size} ${stat?.ino}`];
    })
    .join('\n');
}

function invalid(message: string, cause?: unknown): WalhookError {
  return new WalhookError('TLS_FILE_INVALID', message, { cause });
}
