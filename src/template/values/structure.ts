/**
 * The objects Jinja2 itself hands to templates: namespaces and cyclers. They have attributes, listed
 * here one by one, and nothing else.
 */

import { Dict } from './dict.ts';
import { Undefined } from './undefined.ts';
import type { Value } from './value.ts';

/** An object with named attributes. */
export abstract class Structure {
  abstract readonly typeName: string;
  /** The attribute of that name; undefined where there is none. */
  abstract attribute(name: string): Value | undefined;
}

/** namespace(): the one object whose attributes `{% set ns.x = … %}` may assign. */
export class Namespace extends Structure {
  readonly typeName = 'Namespace';
  readonly attributes = new Dict();

  attribute(name: string): Value | undefined {
    return this.attributes.getText(name);
  }
}

/** cycler(): walks round its items. */
export class Cycler extends Structure {
  readonly typeName = 'Cycler';
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    this.#items = items;
  }

  attribute(name: string): Value | undefined {
    return name === 'current' ? this.#current() : undefined;
  }

  next(): Value {
    const current = this.#current();
    this.#at = (this.#at + 1) % this.#items.length;
    return current;
  }

  reset(): void {
    this.#at = 0;
  }

  #current(): Value {
    return this.#items[this.#at] ?? new Undefined('the cycler is empty', false);
  }
}
