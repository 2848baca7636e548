/** What a caller gets when a template cannot be compiled or rendered. */

import { WalhookError } from '../core/errors.ts';
import type { ExceptionName } from './python/errors.ts';

export interface TemplateProblem {
  /** Where the template stands: `webhooks[0].body_template`. */
  readonly path: string;
  /** Both count from one. */
  readonly line: number;
  readonly column: number;
  /** The tag at fault, as the template has it; empty where there is none. */
  readonly expression: string;
  /** The exception that Jinja2 would raise; BudgetError and SecurityError are walhook's own. */
  readonly exception: ExceptionName;
  readonly reason: string;
}

/** The message names place, tag and reason, never a value. */
export class TemplateError extends WalhookError {
  readonly problem: TemplateProblem;

  constructor(code: 'TEMPLATE_INVALID' | 'TEMPLATE_FAILED', problem: TemplateProblem) {
    const { path, line, column, expression, exception, reason } = problem;
    const tag = expression === '' ? '' : ` in ${expression}`;
    super(code, `${path}, line ${line}, column ${column}${tag}: ${exception}: ${reason}`);
    this.problem = problem;
  }
}
