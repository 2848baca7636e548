/**
 * One HTTP request made for a Delivery, as it stands in the log of Attempts. Deliver makes the records, the
 * store keeps them with their Delivery, the page and the commands show them.
 *
 * Secrets are masked by whoever makes a record: what is in here may be shown to a viewer of the log.
 */

/** Bytes of a response body that a record holds at most. */
export const MAX_LOGGED_RESPONSE_BYTES = 16_384;

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** The request as it was sent, secrets masked. */
export interface SentRequest {
  readonly method: string;
  /** Without credentials. */
  readonly url: string;
  /** In the order in which they were sent. */
  readonly headers: HeaderList;
  /** As text; null unless `bodyIs` is whole or cut. */
  readonly body: string | null;
  /** event: the Event's own JSON text, which the Delivery holds already · absent: not kept (`log.payloads`). */
  readonly bodyIs: 'event' | 'whole' | 'cut' | 'absent';
  /** Bytes sent as body. */
  readonly bodyBytes: number;
}

export interface ReceivedResponse {
  readonly headers: HeaderList;
  /** At most {@link MAX_LOGGED_RESPONSE_BYTES} of it; null where `log.payloads` leaves it out. */
  readonly body: string | null;
  /** base64 where the bytes are not UTF-8. */
  readonly encoding: 'utf8' | 'base64';
  /** More came, or may have come, than was read. */
  readonly isTruncated: boolean;
}

/** What deliver hands over with its report. */
export interface AttemptRecord {
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number;
  /** From the start to the end of the response, or to the error. */
  readonly durationMs: number;
  /** From the start to the head of the response; null without a response. */
  readonly responseMs: number | null;
  /** null without a response. */
  readonly status: number | null;
  /** A stable word where it was no success, e.g. `status`, `timeout`, `network`, `template`, `address`. */
  readonly error: string | null;
  /** One sentence for people. */
  readonly detail: string | null;
  /** null where no request could be made of the Event. */
  readonly request: SentRequest | null;
  readonly response: ReceivedResponse | null;
}

/** An Attempt as the log shows it. */
export interface LoggedAttempt extends Omit<AttemptRecord, 'request' | 'response'> {
  /** When the next one was to be made, decided after this one; null where there was to be none. */
  readonly nextMs: number | null;
  readonly response: ReceivedResponse | null;
}
