/**
 * The definitions in force in this process, which a reload replaces as a whole. What depends on them asks
 * for `current` when it begins something, and is told when there are others.
 */
import { confidentialOf, maskHeaderText, maskOf } from '../admin/masking.ts';
import type { LoadedConfig } from '../config/load.ts';
import { deriveKeys } from '../config/webhookKeys.ts';
import { type PublishedFile, publishFile } from './publishedFile.ts';
import { defineReading } from './reading.ts';
import { defineWebhooks, type WebhookDefinition } from './webhooks.ts';

export interface Definitions {
  readonly loaded: LoadedConfig;
  readonly webhooks: readonly WebhookDefinition[];
  /** What the capturing daemon publishes of the file's webhooks. */
  readonly files: readonly PublishedFile[];
  /** How many sets were in force before this one. */
  readonly version: number;
}

/** A set, and whether it still is in force. */
export interface InForce extends Definitions {
  /** Aborted when another set takes its place. */
  readonly replaced: AbortSignal;
}

/**
 * Compiles a configuration. Throws a coded error on what cannot be.
 *
 * @param remembered name → key of the Webhooks that have had a key
 */
export function define(
  loaded: LoadedConfig,
  remembered: ReadonlyMap<string, string>,
  version: number,
): Definitions {
  // A text of a Model that cannot be compiled is told at once, not at each connection.
  defineReading(loaded.config);
  const webhooks = defineWebhooks(loaded.config, remembered, loaded.templateEnv).map((webhook, i) => ({
    ...webhook,
    deliver: { ...webhook.deliver, confidential: confidentialOf(loaded, i) },
  }));
  return { loaded, webhooks, files: filesOf(loaded, webhooks), version };
}

function filesOf(loaded: LoadedConfig, webhooks: readonly WebhookDefinition[]): PublishedFile[] {
  const mask = maskOf(loaded);
  const isCredential = (key: string, text: string) =>
    (key === 'additional_headers' ? maskHeaderText(text, mask) : mask(text)) !== text;
  return publishFile(
    loaded,
    webhooks.map(({ match }) => match.key),
    isCredential,
  );
}

export class LiveDefinitions {
  #current: Definitions;
  #remembered: ReadonlyMap<string, string> = new Map();
  #replaced = new AbortController();
  readonly #listeners: ((definitions: Definitions) => void)[] = [];

  constructor(first: Definitions) {
    this.#current = first;
  }

  get current(): InForce {
    return { ...this.#current, replaced: this.#replaced.signal };
  }

  /** Compiles the configuration and puts it in force; on a throw the old one stays. Keys are kept by name. */
  replace(loaded: LoadedConfig): Definitions {
    const { webhooks, version } = this.#current;
    const remembered = new Map([
      ...this.#remembered,
      ...webhooks.map(({ match }): [string, string] => [match.name, match.key]),
    ]);
    const next = define(loaded, remembered, version + 1);
    this.#remembered = remembered;
    this.#current = next;
    const before = this.#replaced;
    this.#replaced = new AbortController();
    before.abort();
    for (const listener of this.#listeners) listener(next);
    return next;
  }

  /** Gives the Webhooks the keys under which the queue knows them. Before anything is built from them. */
  remember(keys: ReadonlyMap<string, string>): void {
    const { loaded, webhooks, version } = this.#current;
    this.#remembered = keys;
    const derived = deriveKeys(
      webhooks.map(({ match }) => match.name),
      keys,
    );
    // Mostly they are those that were derived already, and nothing has to be compiled again.
    if (webhooks.every(({ match }) => derived.get(match.name) === match.key)) return;
    this.#current = define(loaded, keys, version);
  }

  onReplaced(listener: (definitions: Definitions) => void): void {
    this.#listeners.push(listener);
  }
}
