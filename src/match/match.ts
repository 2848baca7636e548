/** Which Webhooks a Change may be for, by model and event alone. Worked out once per question. */
import type { ChangeKind } from '../change/transaction.ts';
import type { EventFormat } from '../core/eventFormat.ts';
import type { Conditions } from './conditions/condition.ts';

/** What matching needs of a Webhook. */
export interface MatchTarget {
  readonly key: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Names of Models, or `*`. */
  readonly models: readonly string[];
  readonly events: readonly ChangeKind[];
  readonly conditions: Conditions | null;
  /** An update matters only if one of these changed; null: any. */
  readonly columns: Conditions | null;
  readonly onUnavailable: 'error' | 'fire' | 'skip';
  readonly require: readonly ('username' | 'request_id')[];
  readonly format: EventFormat;
  /** Several Changes of one row in one Transaction are one; null: where its Model touches. */
  readonly collapse: boolean | null;
  /** Deliveries of one row wait for one another. */
  readonly ordersRows?: boolean;
}

const NONE: readonly MatchTarget[] = [];

export class Matcher {
  readonly #targets: readonly MatchTarget[];
  readonly #isBlocked: (target: MatchTarget, model: string) => boolean;
  /** By kind of Change, or `any`, then by Model. */
  readonly #known = new Map<ChangeKind | 'any', Map<string, readonly MatchTarget[]>>();

  /** @param isBlocked whether a Webhook does not start on a Model */
  constructor(
    targets: readonly MatchTarget[],
    isBlocked: (target: MatchTarget, model: string) => boolean = () => false,
  ) {
    this.#targets = targets.filter((target) => target.enabled);
    this.#isBlocked = isBlocked;
  }

  /** Whether a Webhook wants several Changes of one row as one, wherever they are. */
  get anyCollapses(): boolean {
    return this.#targets.some((target) => target.collapse === true);
  }

  /** The enabled Webhooks that watch this event of this Model. */
  targets(model: string, kind: ChangeKind): readonly MatchTarget[] {
    if (this.#targets.length === 0) return NONE;
    return this.#answer(kind, model);
  }

  /** The enabled Webhooks that watch this Model, whatever happens to its rows. */
  watching(model: string): readonly MatchTarget[] {
    if (this.#targets.length === 0) return NONE;
    return this.#answer('any', model);
  }

  #answer(kind: ChangeKind | 'any', model: string): readonly MatchTarget[] {
    const answers = this.#known.get(kind) ?? new Map<string, readonly MatchTarget[]>();
    let answer = answers.get(model);
    if (answer === undefined) {
      answer = this.#targets.filter(
        (target) => (kind === 'any' || target.events.includes(kind)) && this.#isFor(target, model),
      );
      this.#known.set(kind, answers.set(model, answer));
    }
    return answer;
  }

  #isFor(target: MatchTarget, model: string): boolean {
    const isNamed = target.models.includes(model) || target.models.includes('*');
    return isNamed && !this.#isBlocked(target, model);
  }
}
