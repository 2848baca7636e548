/**
 * What a template may call: objects of ours, each with a signature, and nothing else. Calling goes
 * through `call` of methods/attributes.ts, which takes nothing that is not a Callable.
 */

import type { Budget } from '../budget.ts';
import { typeError } from '../python/errors.ts';
import type { Undefined } from './undefined.ts';
import type { Keywords, Value } from './value.ts';

/** What an operation knows of the rendering it takes part in. */
export interface Rendering {
  readonly budget: Budget;
  /** True inside `{% autoescape true %}`. */
  readonly autoescape: boolean;
  /** An undefined value of the kind the template was compiled with. */
  undefined(reason: string): Undefined;
  /** Applies a filter or test by name, as `map` and `select` do. */
  applyFilter(name: Value, value: Value, args: readonly Value[], keywords: Keywords | null): Value;
  applyTest(name: Value, value: Value, args: readonly Value[], keywords: Keywords | null): boolean;
  hasFilter(name: string): boolean;
  hasTest(name: string): boolean;
  /** An environment variable that templates may read; null for any other. */
  env(name: string): string | null;
  /** The time of this rendering. */
  readonly now: Date;
}

export abstract class Callable {
  abstract readonly name: string;
  abstract call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value;
}

/** A parameter's name, with its default where it has one. */
export type Parameter = string | readonly [name: string, fallback: Value];

type ValuesOf<P extends readonly Parameter[]> = { [K in keyof P]: Value };

/** A filter, test, method or global function with Python's rules for arguments. */
export class Operation extends Callable {
  readonly name: string;
  readonly #parameters: readonly Parameter[];
  readonly #run: (rendering: Rendering, ...values: Value[]) => Value;

  private constructor(
    name: string,
    parameters: readonly Parameter[],
    run: (rendering: Rendering, ...values: Value[]) => Value,
  ) {
    super();
    this.name = name;
    this.#parameters = parameters;
    this.#run = run;
  }

  static of<const P extends readonly Parameter[]>(
    name: string,
    parameters: P,
    run: (rendering: Rendering, ...values: ValuesOf<P>) => Value,
  ): Operation {
    return new Operation(name, parameters, run as (rendering: Rendering, ...values: Value[]) => Value);
  }

  call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    if (keywords === null && args.length === this.#parameters.length) return this.#run(rendering, ...args);
    return this.#run(rendering, ...this.#bind(args, keywords));
  }

  #bind(args: readonly Value[], keywords: Keywords | null): Value[] {
    if (args.length > this.#parameters.length) {
      throw typeError(
        `${this.name}() takes ${this.#parameters.length} arguments but ${args.length} were given`,
      );
    }
    const bound = this.#parameters.map((parameter, place) => {
      const [name, fallback] = typeof parameter === 'string' ? [parameter] : parameter;
      const named = keywords?.get(name);
      const positional = args[place];
      if (positional !== undefined && named !== undefined) {
        throw typeError(`${this.name}() got multiple values for argument '${name}'`);
      }
      const given = positional === undefined ? named : positional;
      const value = given === undefined ? fallback : given;
      if (value === undefined) throw typeError(`${this.name}() missing required argument '${name}'`);
      return value;
    });
    this.#refuseUnknown(keywords);
    return bound;
  }

  #refuseUnknown(keywords: Keywords | null): void {
    if (keywords === null) return;
    const names = this.#parameters.map((parameter) =>
      typeof parameter === 'string' ? parameter : parameter[0],
    );
    for (const name of keywords.keys()) {
      if (!names.includes(name)) throw typeError(`${this.name}() got an unexpected keyword argument`);
    }
  }
}

/** An operation that takes any arguments and sorts them itself. */
export class Variadic extends Callable {
  readonly name: string;
  readonly #run: (rendering: Rendering, args: readonly Value[], keywords: Keywords) => Value;

  constructor(
    name: string,
    run: (rendering: Rendering, args: readonly Value[], keywords: Keywords) => Value,
  ) {
    super();
    this.name = name;
    this.#run = run;
  }

  call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    return this.#run(rendering, args, keywords ?? new Map());
  }
}

/** A method together with the value it was looked up on: `s.upper` without its parentheses. */
export class BoundMethod extends Callable {
  readonly name: string;
  readonly #target: Value;
  readonly #method: Callable;

  constructor(target: Value, method: Callable) {
    super();
    this.name = method.name;
    this.#target = target;
    this.#method = method;
  }

  call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    return this.#method.call(rendering, [this.#target, ...args], keywords);
  }
}
