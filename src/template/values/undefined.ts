/**
 * Jinja2's Undefined and StrictUndefined: what a name or attribute that does not exist evaluates to.
 */

import { PythonError } from '../python/errors.ts';

export class Undefined {
  /** What was looked for, in Jinja2's words: "'x' is undefined". */
  readonly reason: string;
  /** StrictUndefined: anything but `is defined` and `default` is an error. */
  readonly strict: boolean;

  constructor(reason: string, strict: boolean) {
    this.reason = reason;
    this.strict = strict;
  }

  error(): PythonError {
    return new PythonError('UndefinedError', this.reason);
  }

  /** For the few uses that the lenient kind allows: printing, testing, iterating, comparing. */
  allow(): void {
    if (this.strict) throw this.error();
  }
}
