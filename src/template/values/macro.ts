/** Macros and the bodies of call blocks. */

import { typeError } from '../python/errors.ts';
import { Callable, type Rendering } from './callable.ts';
import { Dict } from './dict.ts';
import { tuple } from './sequences.ts';
import { Markup } from './text.ts';
import type { Keywords, Value } from './value.ts';

/** What the compiler knows of a macro. The body gets the parameters, then what else it asks for. */
export interface MacroShape {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly takesCaller: boolean;
  readonly takesKeywords: boolean;
  readonly takesVarargs: boolean;
}

/** undefined stands for a parameter that was not given. */
export type MacroBody = (args: readonly (Value | undefined)[]) => string;

export class Macro extends Callable {
  readonly name: string;
  readonly shape: MacroShape;
  readonly #body: MacroBody;

  constructor(shape: MacroShape, body: MacroBody) {
    super();
    this.name = shape.name;
    this.shape = shape;
    this.#body = body;
  }

  /** An attribute of the macro; undefined where it has none of that name. */
  attribute(name: string): Value | undefined {
    switch (name) {
      case 'name':
        return this.shape.name;
      case 'arguments':
        return tuple(this.shape.parameters);
      case 'caller':
        return this.shape.takesCaller;
      case 'catch_kwargs':
        return this.shape.takesKeywords;
      case 'catch_varargs':
        return this.shape.takesVarargs;
      default:
        return undefined;
    }
  }

  call(rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    const bound = this.#bind(rendering, args, new Map(keywords));
    rendering.budget.enter();
    const text = this.#body(bound);
    rendering.budget.leave();
    return rendering.autoescape ? new Markup(text) : text;
  }

  #bind(rendering: Rendering, args: readonly Value[], keywords: Map<string, Value>): (Value | undefined)[] {
    const { parameters, takesCaller, takesKeywords, takesVarargs } = this.shape;
    const bound: (Value | undefined)[] = parameters.map((name, place) => {
      if (place < args.length) return args[place];
      const value = keywords.get(name);
      keywords.delete(name);
      return value;
    });
    if (takesCaller) {
      bound.push(keywords.get('caller') ?? rendering.undefined('No caller defined'));
      keywords.delete('caller');
    }
    if (takesKeywords) bound.push(Dict.from(keywords));
    else this.#refuseKeywords(keywords);
    if (takesVarargs) bound.push(tuple(args.slice(parameters.length)));
    else if (args.length > parameters.length) {
      throw typeError(`macro '${this.name}' takes not more than ${parameters.length} argument(s)`);
    }
    return bound;
  }

  #refuseKeywords(keywords: ReadonlyMap<string, Value>): void {
    const [first] = keywords.keys();
    if (first === 'caller') {
      throw typeError(`macro '${this.name}' was called with a caller that it does not use`);
    }
    if (first !== undefined) throw typeError(`macro '${this.name}' got an unexpected keyword argument`);
  }
}
