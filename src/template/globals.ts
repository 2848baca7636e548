/** The functions that are there without being looked up on anything: Jinja2's, `now` and `env`. */

import { renderLimits } from './limits.ts';
import { pairsOf } from './methods/containerMethods.ts';
import { intArgument, textArgument } from './python/arguments.ts';
import { PythonError, typeError, valueError } from './python/errors.ts';
import { formatTime, fromDate } from './python/time.ts';
import { Callable, Operation, type Rendering, Variadic } from './values/callable.ts';
import { Dict } from './values/dict.ts';
import { Range } from './values/sequences.ts';
import { Cycler, Namespace } from './values/structure.ts';
import { isText, textOf } from './values/text.ts';
import type { Keywords, Value } from './values/value.ts';

/** joiner(): nothing the first time, its separator from then on. */
class Joiner extends Callable {
  readonly name = 'joiner';
  readonly #separator: Value;
  #isUsed = false;

  constructor(separator: Value) {
    super();
    this.#separator = separator;
  }

  call(_rendering: Rendering, args: readonly Value[], keywords: Keywords | null): Value {
    if (args.length > 0 || keywords !== null) throw typeError('a joiner takes no arguments');
    const text = this.#isUsed ? this.#separator : '';
    this.#isUsed = true;
    return text;
  }
}

/** range(), measured before anything is made. */
function range(args: readonly Value[]): Range {
  const numbers = args.map(intArgument);
  if (numbers.length < 1 || numbers.length > 3) {
    throw typeError(`range expected 1 to 3 arguments, got ${numbers.length}`);
  }
  const [start = 0, stop = 0, step = 1] = numbers.length === 1 ? [0, ...numbers] : numbers;
  if (step === 0) throw valueError('range() arg 3 must not be zero');
  const made = new Range(start, stop, step);
  if (made.length > renderLimits.range) {
    throw new PythonError('OverflowError', `Range too big. It may have ${renderLimits.range} elements`);
  }
  return made;
}

const list: readonly Callable[] = [
  new Variadic('range', (_rendering, args, keywords) => {
    if (keywords.size > 0) throw typeError('range() takes no keyword arguments');
    return range(args);
  }),
  new Variadic('dict', (rendering, args, keywords) => Dict.from(pairsOf('dict', args, keywords, rendering))),
  new Variadic('namespace', (rendering, args, keywords) => {
    const made = new Namespace();
    for (const [name, value] of pairsOf('namespace', args, keywords, rendering))
      made.attributes.set(name, value);
    return made;
  }),
  new Variadic('cycler', (_rendering, args) => {
    if (args.length === 0) throw new PythonError('RuntimeError', 'at least one item has to be provided');
    return new Cycler(args);
  }),
  Operation.of('joiner', [['sep', ', ']], (_rendering, separator) => new Joiner(separator)),
  Operation.of(
    'now',
    [
      ['format', '%Y-%m-%dT%H:%M:%SZ'],
      ['timezone', ''],
    ],
    (rendering, format, zone) => {
      if (zone !== '' && zone !== 'UTC') throw valueError('the only timezone that now() knows is UTC');
      return formatTime(fromDate(rendering.now), textArgument(format));
    },
  ),
  Operation.of('env', ['name'], (rendering, name) => (isText(name) ? rendering.env(textOf(name)) : null)),
];

export const globals: ReadonlyMap<string, Callable> = new Map(list.map((entry) => [entry.name, entry]));
