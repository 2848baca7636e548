/** Which Webhooks a Change is for. Pure; the answer for a model and an event is worked out once. */
import type { ChangeKind } from '../change/transaction.ts';

/** What matching needs of a Webhook. */
export interface MatchTarget {
  readonly key: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Names of Models, or `*`. */
  readonly models: readonly string[];
  readonly events: readonly ChangeKind[];
}

const NONE: readonly MatchTarget[] = [];

export class Matcher {
  readonly #targets: readonly MatchTarget[];
  readonly #known = new Map<string, readonly MatchTarget[]>();

  constructor(targets: readonly MatchTarget[]) {
    this.#targets = targets.filter((target) => target.enabled);
  }

  /** The enabled Webhooks that watch this event of this Model. */
  targets(model: string, kind: ChangeKind): readonly MatchTarget[] {
    if (this.#targets.length === 0) return NONE;
    const question = `${kind} ${model}`;
    let answer = this.#known.get(question);
    if (answer === undefined) {
      answer = this.#targets.filter(
        (target) =>
          target.events.includes(kind) && (target.models.includes(model) || target.models.includes('*')),
      );
      this.#known.set(question, answer);
    }
    return answer;
  }
}
