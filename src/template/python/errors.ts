/**
 * The exceptions of Python and Jinja2 that a template can raise, by name.
 *
 * Messages speak of types, names written in the template and positions; never of values, which may be
 * row data.
 */

export type ExceptionName =
  | 'AssertionError'
  | 'AttributeError'
  | 'BudgetError'
  | 'FilterArgumentError'
  | 'IndexError'
  | 'KeyError'
  | 'OverflowError'
  | 'RecursionError'
  | 'RuntimeError'
  | 'SecurityError'
  | 'TemplateAssertionError'
  | 'TemplateRuntimeError'
  | 'TemplateSyntaxError'
  | 'TypeError'
  | 'UndefinedError'
  | 'ValueError'
  | 'ZeroDivisionError';

/** Thrown while a template is compiled or rendered; the engine turns it into a TemplateError. */
export class PythonError extends Error {
  readonly exception: ExceptionName;

  constructor(exception: ExceptionName, message: string) {
    super(message);
    this.exception = exception;
  }
}

export function typeError(message: string): PythonError {
  return new PythonError('TypeError', message);
}

export function valueError(message: string): PythonError {
  return new PythonError('ValueError', message);
}
