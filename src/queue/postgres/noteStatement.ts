/** The statement that writes a note; it returns a row where something was written. */
export function noteStatement(
  schema: string,
  key: string,
  value: string | null,
  expected: string | null | undefined,
): [string, unknown[]] {
  const note = `${schema}.note`;
  if (expected === undefined) {
    return value === null
      ? [`delete from ${note} where key = $1 returning key`, [key]]
      : [
          `insert into ${note} (key, value) values ($1, $2)
           on conflict (key) do update set value = excluded.value returning key`,
          [key, value],
        ];
  }
  if (expected === null) {
    return value === null
      ? [`select where not exists (select from ${note} where key = $1)`, [key]]
      : [
          `insert into ${note} (key, value) values ($1, $2) on conflict (key) do nothing returning key`,
          [key, value],
        ];
  }
  return value === null
    ? [`delete from ${note} where key = $1 and value = $2 returning key`, [key, expected]]
    : [`update ${note} set value = $2 where key = $1 and value = $3 returning key`, [key, value, expected]];
}
