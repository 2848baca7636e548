/**
 * One request and its response, as the HTTP client tells of it: a handler for undici's `dispatch`, which costs
 * half of what its `request` with a stream for each response does. Reads a response to a bound, and can be cut
 * off at any time.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** Bytes of a response body that are read. */
export const MAX_RESPONSE_BYTES = 16_384;

/** Interim responses (100, 103) of one request: more of them than anybody has use for. */
const MAX_INTERIM = 32;

/** What was received, as far as it was read. */
export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** From the start to the response's head. */
  readonly responseMs: number;
  readonly chunks: readonly Buffer[];
  readonly isTruncated: boolean;
}

/** broken: the client reports an error · cut: {@link Exchange.cut} came before the response's head. */
export type Ending =
  | { readonly kind: 'answered'; readonly received: Received }
  | { readonly kind: 'broken'; readonly error: unknown }
  | { readonly kind: 'cut' };

interface Head {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly responseMs: number;
}

export class Exchange implements Dispatcher.DispatchHandler {
  /** Resolves once, and never rejects. */
  readonly ended: Promise<Ending>;
  readonly #startedMs = performance.now();
  readonly #chunks: Buffer[] = [];
  #end: (ending: Ending) => void = () => undefined;
  #controller: Dispatcher.DispatchController | null = null;
  #head: Head | null = null;
  #bytes = 0;
  #interim = 0;
  #isOver = false;

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Ends it: nothing more is sent or read. What was answered by then counts. */
  cut(): void {
    if (this.#isOver) return;
    this.#settle({ kind: 'cut' });
    this.#controller?.abort(new Error('cut off'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // It may have waited for a connection for longer than it had.
    if (this.#isOver) controller.abort(new Error('cut off'));
    else this.#controller = controller;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // 100 and 103 come before the response.
    if (status < 200) {
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) controller.abort(tooManyInterim());
      return;
    }
    this.#head = { status, headers, responseMs: performance.now() - this.#startedMs };
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MAX_RESPONSE_BYTES) this.cut();
  }

  onResponseEnd(): void {
    this.#settle({ kind: 'cut' });
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: unknown): void {
    this.#settle({ kind: 'broken', error });
  }

  /** Once the status is known it decides, whatever becomes of the body. */
  #settle(without: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const isTruncated = this.#bytes >= MAX_RESPONSE_BYTES;
    const ending: Ending =
      this.#head === null
        ? without
        : { kind: 'answered', received: { ...this.#head, chunks: this.#chunks, isTruncated } };
    this.#end(ending);
  }
}

function tooManyInterim(): Error {
  return Object.assign(new Error(`more than ${MAX_INTERIM} interim responses`), { code: 'TOO_MANY_INTERIM' });
}
