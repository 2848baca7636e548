/** Controls of a form, each with its label, its hint, and what is wrong with it beside it. */
import type { RowMistake } from '../../definitions/defineRow.ts';
import { type Html, type HtmlValue, html } from '../html.ts';
import { type FormFields, fieldOf } from '../webhookForm.ts';

/** What the controls of one form show. */
export interface FormState {
  readonly fields: FormFields;
  readonly mistakes: readonly RowMistake[];
}

export interface FieldOptions {
  readonly hint?: HtmlValue;
  readonly placeholder?: string;
  readonly isRequired?: boolean;
  /** Lines of a text with several. */
  readonly rows?: number;
  /** The id of a datalist. */
  readonly list?: string;
  readonly isShort?: boolean;
}

/** A text of one line, or of several where `rows` is given. */
export function textField(state: FormState, name: string, label: string, options: FieldOptions = {}): Html {
  const { placeholder = '', isRequired = false, rows, list } = options;
  const value = state.fields[name] ?? '';
  const common = html`id="e-${name}" name="${name}" placeholder="${placeholder}" spellcheck="false" autocapitalize="off" autocomplete="off"${isRequired && html` required`}${aria(state, name, options)}`;
  const control =
    rows === undefined
      ? html`<input ${common}${list !== undefined && html` list="${list}"`} value="${value}">`
      : // The first line end after the tag is not part of the value.
        html`<textarea ${common} rows="${Math.max(rows, Math.min(24, value.split('\n').length + 1))}">${'\n'}${value}</textarea>`;
  return field(state, name, label, control, options);
}

/** @param choices value and label */
export function selectField(
  state: FormState,
  name: string,
  label: string,
  choices: readonly (readonly [string, string])[],
  options: FieldOptions = {},
): Html {
  const value = state.fields[name] ?? '';
  const known = choices.some(([one]) => one === value) ? choices : [...choices, [value, value] as const];
  const control = html`<select id="e-${name}" name="${name}"${aria(state, name, options)}>${known.map(
    ([one, text]) => html`<option value="${one}"${one === value && html` selected`}>${text}</option>`,
  )}</select>`;
  return field(state, name, label, control, options);
}

/** Boxes of one list. */
export function tickFields(
  state: FormState,
  name: string,
  label: string,
  choices: readonly string[],
  options: FieldOptions = {},
): Html {
  const isWrong = mistakesOf(state, name).length > 0;
  return html`<fieldset class="field ticks${isWrong && ' wrong'}" id="e-${name}" tabindex="-1"${aria(state, name, options)}>
    <legend>${label}</legend>
    <div>${choices.map((one) => tick(state, `${name}_${one}`, one))}</div>
    ${below(state, name, options)}</fieldset>`;
}

export function tick(state: FormState, name: string, label: string): Html {
  return html`<label class="check"><input type="checkbox" name="${name}" value="on"${state.fields[name] === 'on' && html` checked`}> ${label}</label>`;
}

function field(state: FormState, name: string, label: string, control: Html, options: FieldOptions): Html {
  const isWrong = mistakesOf(state, name).length > 0;
  return html`<div class="field${isWrong ? ' wrong' : ''}${options.isShort === true ? ' short' : ''}"><label for="e-${name}">${label}</label>${control}${below(state, name, options)}</div>`;
}

function below(state: FormState, name: string, { hint }: FieldOptions): Html {
  const wrong = mistakesOf(state, name);
  return html`${hint !== undefined && html`<p class="hint" id="h-${name}">${hint}</p>`}${
    wrong.length > 0 &&
    html`<div class="mistake" id="m-${name}">${wrong.map(({ path, message }) => html`<p>${path !== name && html`<code>${path}</code>: `}${message}</p>`)}${frame(state.fields[name] ?? '', wrong)}</div>`
  }`;
}

function aria(state: FormState, name: string, { hint }: FieldOptions): Html {
  const isWrong = mistakesOf(state, name).length > 0;
  const told = [...(isWrong ? [`m-${name}`] : []), ...(hint === undefined ? [] : [`h-${name}`])];
  return html`${isWrong && html` aria-invalid="true"`}${told.length > 0 && html` aria-describedby="${told.join(' ')}"`}`;
}

export function mistakesOf({ mistakes }: FormState, name: string): readonly RowMistake[] {
  return mistakes.filter(({ path }) => fieldOf(path) === name);
}

/** The line that a mistake names, with those around it and a mark at the column. */
function frame(text: string, mistakes: readonly RowMistake[]): Html | null {
  for (const { message } of mistakes) {
    const [, line, column] = /line (\d+), column (\d+)/.exec(message) ?? [];
    if (line === undefined || column === undefined) continue;
    const lines = text.split('\n');
    const at = Number(line);
    if (at > lines.length) continue;
    const from = Math.max(1, at - 1);
    const width = String(Math.min(lines.length, at + 1)).length;
    const shown = lines.slice(from - 1, at + 1).flatMap((one, i) => {
      const number = from + i;
      const row = `${String(number).padStart(width)} │ ${one}`;
      return number === at ? [row, `${' '.repeat(width)} │ ${' '.repeat(Number(column) - 1)}^`] : [row];
    });
    return html`<pre>${shown.join('\n')}</pre>`;
  }
  return null;
}

/** What is wrong, with a way to each field: the first thing that is read after a mistake. */
export function mistakeList({ mistakes }: FormState): Html | null {
  if (mistakes.length === 0) return null;
  const count = mistakes.length === 1 ? 'One mistake' : `${mistakes.length} mistakes`;
  return html`<div class="notice bad" role="alert" id="mistakes" tabindex="-1"><b>${count}</b><ul>${mistakes.map(
    ({ path, message }) => {
      const name = fieldOf(path);
      return html`<li>${name === null ? html`<code>${path}</code>` : html`<a href="#e-${name}"><code>${path}</code></a>`}: ${message}</li>`;
    },
  )}</ul></div>`;
}
