/**
 * When requests are to be cut off: at their deadline, or when a signal is aborted. One timer and one listener
 * for all requests of a Webhook: a timer for each costs 1 µs of the 25 that a request takes, a listener more.
 */
import { setMaxListeners } from 'node:events';

export interface Cuttable {
  /** By `performance.now()`. */
  readonly deadlineMs: number;
  cut(): void;
}

interface Watch {
  readonly requests: Set<Cuttable>;
  readonly end: () => void;
}

export class Cutoff {
  readonly #watches = new Map<AbortSignal, Watch>();
  #last: { readonly signal: AbortSignal; readonly requests: Set<Cuttable> } | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** When the timer fires. */
  #timerMs = Number.POSITIVE_INFINITY;

  /** Cuts it off at its deadline, or once the signal is aborted, whichever comes first, until {@link forget}. */
  watch(signal: AbortSignal, request: Cuttable): void {
    this.#requestsOf(signal).add(request);
    if (request.deadlineMs < this.#timerMs) this.#wakeAt(request.deadlineMs);
  }

  forget(signal: AbortSignal, request: Cuttable): void {
    // The timer stays: when it fires it looks for the next deadline, if there is one.
    this.#requestsOf(signal).delete(request);
  }

  /** Cuts nobody off any more. */
  close(): void {
    for (const { end } of this.#watches.values()) end();
    this.#watches.clear();
    this.#last = null;
    this.#wakeAt(Number.POSITIVE_INFINITY);
  }

  #requestsOf(signal: AbortSignal): Set<Cuttable> {
    if (this.#last?.signal === signal) return this.#last.requests;
    const { requests } = this.#watches.get(signal) ?? this.#listen(signal);
    this.#last = { signal, requests };
    return requests;
  }

  #listen(signal: AbortSignal): Watch {
    const requests = new Set<Cuttable>();
    const cutAll = () => {
      for (const request of requests) request.cut();
    };
    // One signal ends every request of the process: many Webhooks that listen are no leak.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    signal.addEventListener('abort', cutAll, { once: true });
    const watch = { requests, end: () => signal.removeEventListener('abort', cutAll) };
    this.#watches.set(signal, watch);
    return watch;
  }

  #wakeAt(atMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerMs = atMs;
    this.#timer = null;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#cutLate(), Math.max(1, Math.ceil(atMs - performance.now())));
    // What is in flight keeps the process alive, not the time that it has left.
    this.#timer.unref();
  }

  #cutLate(): void {
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { requests } of this.#watches.values()) {
      for (const request of requests) {
        if (request.deadlineMs <= nowMs) request.cut();
        else nextMs = Math.min(nextMs, request.deadlineMs);
      }
    }
    this.#wakeAt(nextMs);
  }
}
