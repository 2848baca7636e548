/**
 * Who is to be cut off when a signal is aborted: one listener for all requests of a Webhook, for one for each
 * costs as much as a tenth of the request.
 */
import { setMaxListeners } from 'node:events';

export class Cutoff {
  readonly #watched = new Map<
    AbortSignal,
    { readonly callbacks: Set<() => void>; readonly end: () => void }
  >();

  /** Calls back once the signal is aborted, until what it returns is called. */
  watch(signal: AbortSignal, callback: () => void): () => void {
    const { callbacks } = this.#watched.get(signal) ?? this.#listen(signal);
    callbacks.add(callback);
    return () => callbacks.delete(callback);
  }

  /** Calls nobody any more. */
  close(): void {
    for (const { end } of this.#watched.values()) end();
    this.#watched.clear();
  }

  #listen(signal: AbortSignal) {
    const callbacks = new Set<() => void>();
    const cutAll = () => {
      for (const cut of callbacks) cut();
    };
    // One signal ends every request of the process: many Webhooks that listen are no leak.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    signal.addEventListener('abort', cutAll, { once: true });
    const watched = { callbacks, end: () => signal.removeEventListener('abort', cutAll) };
    this.#watched.set(signal, watched);
    return watched;
  }
}
