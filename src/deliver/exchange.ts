/**
 * One request and its response, as the HTTP client tells of it: a handler for undici's `dispatch`, which costs
 * half of what its `request` with a stream for each response does. Reads a response to a bound, and can be cut
 * off at any time.
 *
 * It is its own result: there is one for every request, and what is made for every request is paid for twice,
 * when it is made and when it is collected.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** Bytes of a response body that are read. */
export const MAX_RESPONSE_BYTES = 16_384;

/** Interim responses (100, 103) of one request: more of them than anybody has use for. */
const MAX_INTERIM = 32;

/** answered: there is a status · broken: the client reports an error · cut: it was cut off before the response's head. */
export type Ending = 'answered' | 'broken' | 'cut';

/** Told once of the end. */
export interface ExchangeListener {
  ended(exchange: Exchange, ending: Ending): void;
}

export class Exchange implements Dispatcher.DispatchHandler {
  readonly startedMs = performance.now();
  readonly #listener: ExchangeListener;
  #controller: Dispatcher.DispatchController | null = null;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  #responseMs = 0;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #interim = 0;
  #error: unknown = null;
  #isOver = false;

  constructor(listener: ExchangeListener) {
    this.#listener = listener;
  }

  /** 0 before the response's head. */
  get status(): number {
    return this.#status;
  }

  get headers(): IncomingHttpHeaders {
    return this.#headers;
  }

  /** From the start to the response's head. */
  get responseMs(): number {
    return this.#responseMs;
  }

  /** The body, as far as it was read. */
  get chunks(): readonly Buffer[] {
    return this.#chunks;
  }

  get isTruncated(): boolean {
    return this.#bytes >= MAX_RESPONSE_BYTES;
  }

  /** What the client says where it is broken. */
  get error(): unknown {
    return this.#error;
  }

  /** Ends it: nothing more is sent or read. What was answered by then counts. */
  cut(): void {
    if (this.#isOver) return;
    this.#settle('cut');
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
    this.#status = status;
    this.#headers = headers;
    this.#responseMs = performance.now() - this.startedMs;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    // Most bodies come in one piece, and an array that grows makes room for seventeen.
    if (this.#bytes === 0) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= MAX_RESPONSE_BYTES) this.cut();
  }

  onResponseEnd(): void {
    this.#settle('cut');
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: unknown): void {
    this.#error = error;
    this.#settle('broken');
  }

  /** Once the status is known it decides, whatever becomes of the body. */
  #settle(without: Exclude<Ending, 'answered'>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.ended(this, this.#status === 0 ? without : 'answered');
  }
}

function tooManyInterim(): Error {
  return Object.assign(new Error(`more than ${MAX_INTERIM} interim responses`), { code: 'TOO_MANY_INTERIM' });
}
