import { describe, expect, it } from 'vitest';
import { resolveVariables, type VariableSource } from '../../src/config/variables.ts';

const files: Readonly<Record<string, string>> = {
  '/run/secrets/plain': 'from file',
  '/run/secrets/newline': 'from file\n',
  '/run/secrets/crlf': 'from file\r\n',
  '/run/secrets/two': 'one\n\n',
  '/run/secrets/spaces': '  kept  ',
  '/run/secrets/empty': '',
  '/run/secrets/braces': 'a}b${NAME}',
};

const source: VariableSource = {
  env: {
    NAME: 'value',
    _UNDER: 'under',
    N2: 'two',
    EMPTY: '',
    DOLLARS: '$& $1 $$ $`',
    REFERS: '${NAME}',
    lower: 'never',
  },
  readFile: (path) => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT: ${path}`);
    return content;
  },
};

describe('a scalar with variables', () => {
  it.each([
    ['${NAME}', 'value'],
    ['a ${NAME} b ${N2} c', 'a value b two c'],
    ['${NAME}${NAME}', 'valuevalue'],
    ['${_UNDER}', 'under'],
    ['${NAME:-other}', 'value'],
    ['${MISSING:-other}', 'other'],
    ['${MISSING:-}', ''],
    ['${EMPTY}', ''],
    ['${EMPTY:-other}', 'other'],
    ['${MISSING:-http://h:80/?a=b}', 'http://h:80/?a=b'],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['${MISSING:-$5}', '$5'],
    ['${file:/run/secrets/plain}', 'from file'],
    ['${file:/run/secrets/newline}', 'from file'],
    ['${file:/run/secrets/crlf}', 'from file'],
    ['${file:/run/secrets/two}', 'one\n'],
    ['${file:/run/secrets/spaces}', '  kept  '],
    ['${file:/run/secrets/empty}', ''],
    ['Bearer ${file:/run/secrets/plain}!', 'Bearer from file!'],
  ])('%s → %j', (text, expected) => {
    expect(resolveVariables(text, source)).toMatchObject({ text: expected, isVariable: true, missing: [] });
  });

  it.each([
    ['${DOLLARS}', '$& $1 $$ $`', 'replacement patterns'],
    ['${REFERS}', '${NAME}', 'another reference'],
    ['${file:/run/secrets/braces}', 'a}b${NAME}', 'a file with both'],
  ])('takes %s literally, not as %j again: %s', (text, expected) => {
    expect(resolveVariables(text, source).text).toBe(expected);
  });

  it.each([
    ['no variable', 'no variable'],
    ['$5 and $NAME', '$5 and $NAME'],
    ['${{ data.price }}', '${{ data.price }}'],
    ['cost: ${ NAME }', 'cost: ${ NAME }'],
    ['${name}', '${name}'],
    ['${Name}', '${Name}'],
    ['${9NAME}', '${9NAME}'],
    ['${}', '${}'],
    ['${NAME', '${NAME'],
    ['${NAME-other}', '${NAME-other}'],
    ['${NAME:?message}', '${NAME:?message}'],
    ['${file:}', '${file:}'],
    ['${lower}', '${lower}'],
    ['{{ "$" }}', '{{ "$" }}'],
  ])('leaves %j alone', (text, expected) => {
    expect(resolveVariables(text, source)).toEqual({
      text: expected,
      isVariable: false,
      values: [],
      missing: [],
    });
  });

  it.each([
    ['$${', '${'],
    ['$${NAME}', '${NAME}'],
    ['$${NAME} and ${NAME}', '${NAME} and value'],
    ['$$${NAME}', '$${NAME}'],
    ['$${$${', '${${'],
    ['$$5', '$$5'],
  ])('writes a literal brace: %j → %j', (text, expected) => {
    expect(resolveVariables(text, source).text).toBe(expected);
  });

  it.each([
    ['${MISSING}', ['the variable MISSING is not set']],
    ['${MISSING}-${ALSO}', ['the variable MISSING is not set', 'the variable ALSO is not set']],
    ['${file:/run/secrets/none}', ['the file /run/secrets/none cannot be read']],
    ['${MISSING} ${NAME}', ['the variable MISSING is not set']],
  ])('%s is said to be missing', (text, missing) => {
    const resolved = resolveVariables(text, source);
    expect(resolved).toMatchObject({ isVariable: true, missing });
    expect(resolved.text.startsWith(text.split(' ')[0] ?? '')).toBe(true);
  });

  it('keeps an escaped brace from counting as a variable', () => {
    expect(resolveVariables('$${NAME}', source).isVariable).toBe(false);
  });
});
