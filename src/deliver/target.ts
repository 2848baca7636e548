/** A Webhook as deliver needs it, and where its requests may go. */
import type { AddressRules } from '../core/addressRules.ts';
import type { Secret } from '../core/secret.ts';
import type { OwnServices, Resolve } from './addresses/ownServices.ts';
import type { Rate } from './flow/share.ts';
import type { RetryPolicy } from './outcome.ts';
import type { RequestShape } from './request.ts';
import type { TlsSettings } from './tlsFiles.ts';

export interface DeliverTarget extends RequestShape {
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  /** Requests in flight, over all processes. */
  readonly concurrency: number;
  /** Requests started, over all processes; null: as many as there are. */
  readonly rate: Rate | null;
  /** row: Deliveries of one row go out one after the other; they come as jobs of one Delivery each. */
  readonly ordering: 'none' | 'row';
  readonly tls: TlsSettings;
  /** URL of an HTTP proxy; null: none. */
  readonly proxy: Secret | null;
  /** The loopback host that stands in the url of the configuration file; null without one. */
  readonly writtenLoopback: string | null;
}

/** Where requests may go. */
export interface AddressGuard {
  readonly rules: AddressRules;
  readonly own: OwnServices;
  readonly resolve: Resolve;
}
