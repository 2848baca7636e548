/**
 * The values that templates compute with: Python's types, carried by JavaScript values.
 *
 * | Python       | here |
 * | ---          | --- |
 * | None, bool   | null, boolean |
 * | int          | a safe-integer number, or bigint beyond that (see number.ts) |
 * | float        | any other number, or Float where the value is integral |
 * | str          | string; Markup where it is marked safe |
 * | list, tuple  | array; Tuple |
 * | dict         | Dict |
 * | anything else| one of the classes in this folder |
 *
 * No JavaScript function and no object with a prototype of its own is ever a Value, which is most of
 * the defence: there is nothing in a template's reach that leads anywhere.
 */

import type { Callable } from './callable.ts';
import type { Dict } from './dict.ts';
import type { Float } from './number.ts';
import type { DictView, Iteration, Range } from './sequences.ts';
import type { Structure } from './structure.ts';
import type { Markup } from './text.ts';
import type { Undefined } from './undefined.ts';

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Markup
  | Value[]
  | Dict
  | DictView
  | Range
  | Iteration
  | Structure
  | Callable
  | Undefined;

/** Keyword arguments of a call, by name. */
export type Keywords = ReadonlyMap<string, Value>;
