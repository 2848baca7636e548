/**
 * What logical messages in a Transaction say of who made its Changes and in which request.
 *
 * walhook's own messages merge key by key, a later one wins, an empty object clears. Sequin's replace one
 * another and have a message that clears. A message speaks for the Changes after it.
 */
import { parseJson } from '../core/json.ts';

/** Where messages come from: their prefix, and which keys of their JSON object name user and request. */
export interface MessageSource {
  readonly prefix: string;
  readonly username: string;
  readonly requestId: string;
  readonly allowMute: boolean;
}

export interface MessageContext {
  readonly username: string | null;
  readonly requestId: string | null;
}

/** One context per source, in their order, at one point of a Transaction. */
export interface Messages {
  readonly contexts: readonly MessageContext[];
  /** Messages that were not a JSON object. They never stop an Event. */
  readonly malformed: number;
  /** walhook.mute() was called and may be. */
  readonly isMuted: boolean;
}

const NOTHING_SAID: MessageContext = { username: null, requestId: null };
/** A longer message is malformed: names and ids are short. */
const MAX_MESSAGE_CHARS = 8_192;

const SEQUIN_SET = 'sequin:transaction_annotations.set';
const SEQUIN_CLEAR = 'sequin:transaction_annotations.clear';
export const MUTE_PREFIX = 'walhook.mute';

export function noMessages(sources: readonly MessageSource[]): Messages {
  return { contexts: sources.map(() => NOTHING_SAID), malformed: 0, isMuted: false };
}

/** What is said after one more message. Messages of other prefixes change nothing. */
export function withMessage(
  messages: Messages,
  sources: readonly MessageSource[],
  prefix: string,
  content: string,
): Messages {
  if (prefix === MUTE_PREFIX) {
    return sources.some((source) => source.allowMute) ? { ...messages, isMuted: true } : messages;
  }
  if (!sources.some((source) => hears(source, prefix))) return messages;
  const said = prefix === SEQUIN_CLEAR ? {} : readMessage(content);
  if (said === null) return { ...messages, malformed: messages.malformed + 1 };
  const contexts = sources.map((source, i) => {
    const before = messages.contexts[i] ?? NOTHING_SAID;
    return hears(source, prefix) ? merged(before, said, source) : before;
  });
  return { ...messages, contexts };
}

function hears(source: MessageSource, prefix: string): boolean {
  return source.prefix === prefix || (source.prefix === SEQUIN_SET && prefix === SEQUIN_CLEAR);
}

function merged(
  before: MessageContext,
  said: Readonly<Record<string, unknown>>,
  source: MessageSource,
): MessageContext {
  const isReplaced = source.prefix === SEQUIN_SET || Object.keys(said).length === 0;
  const base = isReplaced ? NOTHING_SAID : before;
  return {
    username: source.username in said ? known(said[source.username]) : base.username,
    requestId: source.requestId in said ? known(said[source.requestId]) : base.requestId,
  };
}

function readMessage(content: string): Record<string, unknown> | null {
  if (content.length > MAX_MESSAGE_CHARS) return null;
  try {
    const value = parseJson(content);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** An empty string is unknown. */
function known(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return null;
}
