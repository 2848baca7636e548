/** What is wrong with a template's source, and where. */

import type { ExceptionName } from '../python/errors.ts';
import type { Place } from './nunjucks.ts';

/** Thrown by lexer, parser, allow-list and compiler; the engine turns it into a TemplateError. */
export class SourceError extends Error {
  /** Counted from zero. */
  readonly place: Place;
  readonly exception: ExceptionName;

  constructor(message: string, place: Place, exception: ExceptionName = 'TemplateSyntaxError') {
    super(message);
    this.place = place;
    this.exception = exception;
  }
}
