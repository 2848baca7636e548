/** Python's names for the types of values, for the messages of its exceptions. */

import { Callable } from '../values/callable.ts';
import { Dict } from '../values/dict.ts';
import { Float, isFloat } from '../values/number.ts';
import { DictView, Iteration, Range, Tuple } from '../values/sequences.ts';
import { Structure } from '../values/structure.ts';
import { Markup } from '../values/text.ts';
import { Undefined } from '../values/undefined.ts';
import type { Value } from '../values/value.ts';

export function typeName(value: Value): string {
  switch (typeof value) {
    case 'string':
      return 'str';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return isFloat(value) ? 'float' : 'int';
    default:
      return value === null ? 'NoneType' : objectTypeName(value);
  }
}

function objectTypeName(value: object): string {
  if (value instanceof Tuple) return 'tuple';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Float) return 'float';
  if (value instanceof Markup) return 'Markup';
  if (value instanceof Undefined) return value.strict ? 'StrictUndefined' : 'Undefined';
  if (value instanceof Range) return 'range';
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof Iteration || value instanceof Structure) return value.typeName;
  return value instanceof Callable ? 'function' : 'object';
}

/** As Jinja2 speaks of the owner of an attribute that does not exist. */
export function ownerName(value: Value): string {
  return value === null ? 'None' : `${typeName(value)} object`;
}
